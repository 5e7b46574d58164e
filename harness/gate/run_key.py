"""What decides the results of a run: two runs with equal keys do the same chunks and get the same from each.

In the key: the code (harness and subject), the scenario, the seed, the profiles, and the options that choose what is
swept. Not in it: how many workers, on which machines, and the time that a run is given.
"""

import functools
import hashlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

import msgspec

from harness.explore.recording import AnyScenario
from harness.gate.options import Options
from harness.gate.planning import double_faults, recovery_depth
from harness.own_lines import is_library
from harness.subjects import load_file

_HARNESS: Final = Path(__file__).resolve().parents[1]


class RunKey(msgspec.Struct, frozen=True):
    """`code` is a digest, `python` major and minor version, `shard` "2/4" or nothing."""

    code: str
    python: str
    scenario: str
    seed: int
    profiles: tuple[str, ...]
    faults: bool
    examples: int
    bound: int
    stop_at: str | None
    quick: bool
    shard: str = ""
    recovery_depth: int = 1
    double_faults: bool = False

    @property
    def whole(self) -> "RunKey":
        """The key of the run that this is a part of."""
        return msgspec.structs.replace(self, shard="")


def key_of(scenario: AnyScenario, options: Options) -> RunKey:
    """The key of a run. The code is looked at only where results leave the process, or come from an earlier one."""
    travels = options.shard is not None or bool(options.resume or options.executor)
    return RunKey(
        code=code_digest(scenario) if travels else "",
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        scenario=scenario.reference,
        seed=options.seed,
        profiles=options.profiles,
        faults=options.faults,
        examples=options.examples,
        bound=options.bound,
        stop_at=options.stop_at,
        quick=options.quick,
        shard=str(options.shard) if options.shard is not None else "",
        recovery_depth=recovery_depth(scenario, options),
        double_faults=double_faults(scenario, options),
    )


def difference(one: RunKey, other: RunKey) -> str:
    """The first field in which two keys differ, and both values; empty for equal keys."""
    for name in one.__struct_fields__:
        a, b = getattr(one, name), getattr(other, name)
        if a != b:
            return f"{name} {_shown(a)}, not {_shown(b)}"
    return ""


def _shown(value: object) -> str:
    text = "+".join(value) if isinstance(value, tuple) else str(value)
    return text[:12] + "…" if len(text) == 64 else text or "none"


def code_digest(scenario: AnyScenario) -> str:
    """sha256 over the sources of the harness and of the scenario.

    Of the scenario: the package it is in, and all modules of its own (no libraries) that its module, and theirs, name.
    Not seen: what a function imports while it runs, from outside of that package; data files; versions of libraries.
    """
    digest = hashlib.sha256(_digest_of_folder(_HARNESS).encode())
    module = _module_of(scenario)
    packages = [module.__package__] if module.__package__ else []
    for name, loaded in sorted(_named_by(module).items()):
        file = loaded.__file__
        assert file is not None
        digest.update(f"{name}\0".encode() + hashlib.sha256(Path(file).read_bytes()).digest())
    for package in packages:
        for folder in getattr(sys.modules.get(package), "__path__", ()):
            digest.update(f"{package}\0{_digest_of_folder(Path(folder))}".encode())
    return digest.hexdigest()


def _module_of(scenario: AnyScenario) -> ModuleType:
    file, _, _ = scenario.reference.partition("::")
    return load_file(file) if file.endswith(".py") else sys.modules[type(scenario).__module__]


def _named_by(module: ModuleType) -> dict[str, ModuleType]:
    found: dict[str, ModuleType] = {}
    waiting = [module]
    while waiting:
        one = waiting.pop()
        if one.__name__ in found or not _is_own(one):
            continue
        found[one.__name__] = one
        for value in list(vars(one).values()):
            named = (
                value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", None) or "")
            )
            if named is not None:
                waiting.append(named)
    return found


def _is_own(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.endswith(".py") or module.__name__ == "__main__":
        return False
    return not is_library(file)


@functools.cache
def _digest_of_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
