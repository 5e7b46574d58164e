"""From a path to the files that `harness init` writes: which program, which kind of test, where.

A Python program whose files the simulated disk can hold gets a test; any other one scripts that record it.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from harness.adoption.scripts import Unstartable, check_text, command_of, record_text
from harness.adoption.subject import Looked, look_at
from harness.adoption.workflow import for_scripts, for_test
from harness.adoption.written_test import test_text

_NOT_LOOKED_INTO: Final = frozenset(
    {"tests", "test", "venv", "env", "node_modules", "build", "dist", "docs", "examples", "site-packages", "crash"}
)
MOST_FILES: Final = 500
"""Python files of a folder that are looked at."""


class NothingToTest(ValueError):
    """No program was found that can be tested; the message says what was looked at and what to do."""


class Plan(msgspec.Struct, frozen=True):
    """`files`: text by path below `root`. `about`: what was found, for the reader. `run`: the command that runs it."""

    files: dict[str, str]
    about: tuple[str, ...]
    run: str


def plan_for(path: Path, root: Path) -> Plan:
    """What to write below `root` for the program at `path`. Raises NothingToTest."""
    if not path.exists():
        raise NothingToTest(f"there is no {path}")
    if path.is_file() and path.suffix != ".py":
        return _recorded(path, root, f"{path} is no Python file: it is recorded as it runs")
    looked = [one for file in _python_files(path) if (one := _looked(file, path)) is not None]
    testable = [one for one in looked if one.subject is not None and not one.refused]
    if testable:
        return _tested(max(testable, key=_has_reader), testable, root)
    scripts = [one for one in looked if one.is_script]
    refused = sorted({name for one in looked if one.subject is not None for name in one.refused})
    why = f" (it uses {', '.join(refused)}, which a simulated disk cannot hold)" if refused else ""
    if path.is_file() and scripts:
        return _recorded(path, root, f"{path} is recorded as it runs{why}")
    if not looked:
        raise NothingToTest(f"{path} has no Python file to look at: name the program itself (harness init FILE)")
    starting = ", ".join(str(one.file) for one in scripts[:3])
    raise NothingToTest(
        f"in {len(looked)} Python file{'' if len(looked) == 1 else 's'} at {path} no function or class was found that is "
        f"given a path and a value and writes files{why}: "
        + (f"record a program instead (harness init {starting})" if starting else "write the test by hand (README)")
    )


def _has_reader(one: Looked) -> bool:
    return one.subject is not None and one.subject.reader is not None


def _tested(best: Looked, all_found: list[Looked], root: Path) -> Plan:
    subject = best.subject
    assert subject is not None
    name = f"test_crash_{subject.file.stem.strip('_')}.py"
    test_file = f"tests/{name}" if (root / "tests").is_dir() else name
    doing = f"{subject.owner}.{subject.writer}" if subject.owner else subject.writer
    about = [
        f"{subject.file}: {doing} writes" + ("" if subject.reader else "; nothing was found that shows what is there")
    ]
    others = [
        f"{one.file}: {one.subject.owner or one.subject.writer}" for one in all_found if one is not best and one.subject
    ]
    others += [f"{subject.file}: {other}" for other in subject.others]
    if others:
        about.append(f"not taken: {', '.join(others[:6])}{' …' if len(others) > 6 else ''}")
    files = {
        test_file: test_text(subject, root / test_file),
        ".github/workflows/crash.yml": for_test(shlex.quote(test_file), root),
    }
    return Plan(files, tuple(about), f"harness run {shlex.quote(test_file)}")


def _recorded(program: Path, root: Path, why: str) -> Plan:
    try:
        command = command_of(program, root)
    except Unstartable as error:
        raise NothingToTest(str(error)) from None
    files = {
        "crash/record.sh": record_text(command),
        "crash/check.sh": check_text(command),
        ".github/workflows/crash.yml": for_scripts(root),
    }
    return Plan(files, (why, "the program is given its folder as {root}: see crash/record.sh"), "sh crash/record.sh")


def _python_files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    found = 0
    for file in sorted(path.rglob("*.py")):
        inside = file.relative_to(path).parts
        hidden = any(part.startswith(".") or part in _NOT_LOOKED_INTO for part in inside[:-1])
        if hidden or file.name.startswith("test_") or file.name in ("setup.py", "conftest.py"):
            continue
        found += 1
        if found > MOST_FILES:
            return
        yield file


def _looked(file: Path, asked: Path) -> Looked | None:
    """None for a file among many that is no Python of this version."""
    try:
        return look_at(file)
    except (SyntaxError, UnicodeDecodeError, OSError, ValueError) as error:
        if file == asked:
            raise NothingToTest(f"{file} cannot be read as Python: {error}") from None
        return None
