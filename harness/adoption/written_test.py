"""The text of a test file for a subject that was found: each line of it runs as it stands, each choice says why."""

import os
from pathlib import Path

from harness.adoption.subject import Subject


def test_text(subject: Subject, test_file: Path) -> str:
    """Source of a pytest file at `test_file`. It neither knows nor guesses what the program promises beyond: what it was
    given, and has returned from, is there after a restart."""
    called = "async def" if subject.writer_awaits else "def"
    looked = "async def" if subject.reader_awaits else "def"
    lines = [
        f'"""Can `{subject.owner or subject.writer}` lose what it has taken, at any moment at which the machine may die?"""',
        "",
        *_imports(subject, test_file),
        "",
        f"ITEMS = {_items(subject)}",
        "",
        "",
        f"{called} workload(mark):",
        "    # /data is an empty folder on a simulated disk, durable when the workload begins.",
        *_begin(subject),
        "    for item in ITEMS:",
        f"        {'await ' if subject.writer_awaits else ''}{_call(subject)}",
        "        mark(item)  # from here on, the world believes that this item is safe",
        "",
        "",
        f"{looked} recovered(marks):",
        "    # Runs on each disk that a crash may leave, with what was marked before it. It must raise when something is wrong.",
        "    # Guessed from names and types: where it fails although nothing is missing, correct it first.",
        *_check(subject),
        "",
        "",
        f"def test_{_word(subject)}_survives_a_crash():",
        '    # "strict": only what was synced is sure, as careful portable code assumes. Others: `harness list`.',
        "    # Failing calls (a full disk, I/O errors) are tried as well; faults=False leaves them out.",
        '    crash_test(workload, recovered, profile="strict")',
    ]
    return "\n".join(lines) + "\n"


def import_root(file: Path) -> Path:
    """The folder from which the module is imported: the first one upwards that is no package."""
    folder = file.resolve().parent
    while (folder / "__init__.py").exists():
        folder = folder.parent
    return folder


def module_name(file: Path) -> str:
    parts = list(file.resolve().relative_to(import_root(file)).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _imports(subject: Subject, test_file: Path) -> list[str]:
    root, here = import_root(subject.file), test_file.resolve().parent
    paths = subject.reader is None or any("Path(" in one.made for one in subject.parameters)
    lines: list[str] = []
    if root != here:
        lines += ["import sys", "from pathlib import Path", ""]
    elif paths:
        lines += ["from pathlib import Path", ""]
    lines.append("from harness import crash_test")
    if root != here:
        upwards = os.path.relpath(root, here)
        lines += [
            "",
            "# Where the program is. Not needed once it is installed.",
            f"sys.path.insert(0, str(Path(__file__).resolve().parent / {upwards!r}))",
            "",
        ]
        imported = f"from {module_name(subject.file)} import {', '.join(subject.names)}  # noqa: E402"
    else:
        lines.append("")
        imported = f"from {module_name(subject.file)} import {', '.join(subject.names)}"
    return [*(line.replace("'", '"') for line in lines), imported]


def _items(subject: Subject) -> str:
    if any(one.numeric for one in subject.parameters):
        return '("101", "102", "103")  # texts that are easy to find again'
    return '("item-1", "item-2", "item-3")'


def _place(subject: Subject) -> str:
    return f'"{subject.place}"'


def _made(subject: Subject) -> str:
    return f"{subject.owner}({', '.join(one.given(_place(subject)) for one in subject.made)})"


def _begin(subject: Subject) -> list[str]:
    return [f"    program = {_made(subject)}"] if subject.owner else []


def _call(subject: Subject) -> str:
    arguments = ", ".join(one.given(_place(subject)) for one in subject.given)
    return f"{'program.' if subject.owner else ''}{subject.writer}({arguments})"


def _shown(subject: Subject, me: str) -> str:
    if subject.reader is None:
        return ""
    return subject.reader.shown.replace("{self}", me).replace("{place}", _place(subject))


def _check(subject: Subject) -> list[str]:
    begin = [f"    program = {_made(subject)}  # the restart: must work on any of these disks"] if subject.owner else []
    nothing_yet = ["    if not marks:", "        return  # nothing was promised yet"]
    if subject.reader is None:
        shown = [
            "    # Nothing was found in the program that shows what is there, so the files are looked into.",
            '    files = sorted(path for path in Path("/data").rglob("*") if path.is_file())',
            '    shown = "".join(path.read_text(errors="replace") for path in files)',
        ]
    else:
        shown = [f"    shown = str({'await ' if subject.reader_awaits else ''}{_shown(subject, 'program')})"]
    if subject.reader is not None and subject.reader.by_key:
        return [
            *begin,
            "    for item in marks:",
            f"    {shown[0]}",
            '        assert item in shown, f"lost: {item}; there is {shown}"',
        ]
    if subject.replaces:
        return [
            *begin,
            *nothing_yet,
            *shown,
            "    # Each value takes the place of the one before: the last one that was marked is there, or a later one.",
            "    newest = ITEMS[ITEMS.index(marks[-1]) :]",
            '    assert any(item in shown for item in newest), f"lost: {marks[-1]}; there is {shown}"',
        ]
    return [
        *begin,
        *([] if subject.owner else nothing_yet),
        *shown,
        "    lost = [item for item in marks if item not in shown]",
        '    assert not lost, f"lost: {lost}; there is {shown}"',
    ]


def _word(subject: Subject) -> str:
    """A name for the test, of the program's own words."""
    text = subject.owner or subject.writer
    snake = "".join(
        f"_{letter.lower()}" if letter.isupper() and number else letter.lower() for number, letter in enumerate(text)
    )
    return snake.strip("_")
