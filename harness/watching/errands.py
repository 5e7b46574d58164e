"""What is run after a change: each saved case, then a quick sweep, as command lines of processes of their own."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from harness.anyprogram.case_file import is_case_file
from harness.repro import ReproError, load

_HARNESS: Final = (sys.executable, "-P", "-m", "harness.cli")


class Errand(msgspec.Struct, frozen=True):
    """One process. `spoken`: what it says goes to the screen as it comes; else only its exit code counts."""

    name: str
    command: tuple[str, ...]
    spoken: bool


def errands(out: Path, most_cases: int, scenarios: Sequence[str]) -> list[Errand]:
    """The newest cases in `out`, at most `most_cases`; the sweep of `scenarios`, none without any."""
    found = [_replayed(file) for file in newest_cases(out, most_cases)]
    if scenarios:
        command = (*_HARNESS, "run", *scenarios, "--quick", "--out", str(out))
        found.append(Errand(f"quick sweep of {', '.join(scenarios)}", command, spoken=True))
    return found


def newest_cases(out: Path, most: int) -> list[Path]:
    """Saved cases, the newest first. A file that cannot be looked at is none."""
    dated: list[tuple[float, Path]] = []
    for file in out.glob("*.repro.json"):
        try:
            dated.append((-file.stat().st_mtime, file))
        except OSError:
            continue
    return [file for _, file in sorted(dated)[:most]]


def _replayed(file: Path) -> Errand:
    test = ""
    if not is_case_file(file):
        with contextlib.suppress(ReproError):  # whoever replays it says what is wrong
            test = load(file).test
    if test:
        pytest = (sys.executable, "-P", "-m", "pytest", "-q", "--no-header", "--harness-replay", str(file), test)
        return Errand(str(file), pytest, spoken=False)
    return Errand(str(file), (*_HARNESS, "replay", str(file), "-q"), spoken=False)
