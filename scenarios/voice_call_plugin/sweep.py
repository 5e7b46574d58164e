"""The plugin under `harness record`, `harness crash` and `harness fault`, and its findings with lines of its source.

The commands are started as anybody would start them; `command` is each one's line, to be repeated by hand.
"""

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.trace import Trace, decode
from scenarios.voice_call_plugin.appends import Append, acknowledged_unwritten, overtaken, read_appends, source_lines
from scenarios.voice_call_plugin.package import Package, Variant

PROMISES: Final = ("lost", "stale-active", "double-applied", "torn-tail-swallow", "timer-lost")
"""What `check.mjs` can be asked for; each is the verdict that says it is broken."""

_HERE: Final = Path(__file__).resolve().parent
_HARNESS: Final = (sys.executable, "-m", "harness.cli")
_CHECK_S: Final = 60


class CommandFailed(Exception):
    """`harness` itself ended with something other than "held" or "violation"; the message has its last line."""


class Recording(msgspec.Struct, frozen=True):
    """One run of the two calls: the trace file, and what was asked of the log."""

    variant: Variant
    file: Path
    trace: Trace
    appends: tuple[Append, ...]
    command: tuple[str, ...]

    @property
    def overtaken(self) -> tuple[Append, ...]:
        """Appends that reached the log after a later one of this run."""
        return overtaken(self.appends, self.trace.items)


class Finding(msgspec.Struct, frozen=True):
    """One cause, as `harness crash` tells it. `asked_at`: source lines of appends that were acknowledged, not written."""

    summary: str
    operation: str
    source: str
    profiles: tuple[str, ...]
    cases: int
    kill_point: int
    told_last: str
    asked_at: str
    repro: str


class Coverage(msgspec.Struct, frozen=True):
    """How much of a profile's states one sweep checked."""

    profile: str
    distinct: int
    checked: int
    exhaustive: bool


class Judged(msgspec.Struct, frozen=True):
    """What one sweep said of some promises. A cause that several profiles allow is one finding."""

    promises: tuple[str, ...]
    coverage: tuple[Coverage, ...]
    findings: tuple[Finding, ...]
    wall_s: float
    command: tuple[str, ...]

    def broken_under(self, profile: str) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if profile in finding.profiles)

    @property
    def exhaustive(self) -> bool:
        return all(one.exhaustive for one in self.coverage)


def recorded(package: Package, variant: Variant, folder: Path) -> Recording:
    """Record the two calls; everything lands in `folder`. Raises CommandFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    file, appends = folder / f"{variant}.trace", folder / f"{variant}.appends"
    appends.unlink(missing_ok=True)
    program = _program(package, variant)
    command = (
        *_HARNESS,
        "record",
        "-q",
        "--root",
        str(folder / "mounted"),
        "-o",
        str(file),
        "--",
        *program,
        str(appends),
    )
    _run(command, folder, (0,))
    return Recording(variant, file, decode(file.read_bytes()), read_appends(appends), command)


def judged(
    package: Package,
    recording: Recording,
    promises: Sequence[str],
    *,
    profiles: Sequence[str] = ("process", "strict"),
    bound: int = 8,
) -> Judged:
    """Sweep the recording once, asking for these promises. Raises CommandFailed."""
    folder = recording.file.parent
    result = folder / f"{recording.variant}-{'-'.join(promises)}.json"
    check = _check(package, recording.variant, promises)
    asked = [word for name in profiles for word in ("--profile", name)]
    limits = ["--bound", str(bound), "--timeout", str(_CHECK_S)]
    outputs = ["-q", "--json", str(result), "--out", str(folder / "cases")]
    command = (*_HARNESS, "crash", str(recording.file), "--check", check, *asked, *limits, *outputs)
    _run(command, folder, (0, 1))
    document = json.loads(result.read_text())
    scenarios = document["scenarios"]
    return Judged(
        promises=tuple(promises),
        coverage=tuple(_coverage(one["profile"], one["crash_states"]) for one in scenarios),
        findings=tuple(_finding(recording, one) for scenario in scenarios for one in scenario["violations"]),
        wall_s=document["wall_s"],
        command=command,
    )


class Failed(msgspec.Struct, frozen=True):
    """How the plugin took each way in which one call may fail. `behaviours`: how many runs ended how."""

    promises: tuple[str, ...]
    call: int
    behaviours: dict[str, int]
    findings: tuple[str, ...]
    command: tuple[str, ...]


def failed(package: Package, variant: Variant, promises: Sequence[str], call: int, folder: Path) -> Failed:
    """Let the `call`-th changing call fail in each way, a killed process after it. Raises CommandFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / f"{variant}-call-{call}.json"
    asked = ["--call", str(call), "--profile", "process", "--check", _check(package, variant, promises)]
    limits = ["--timeout", str(_CHECK_S), "--check-timeout", str(_CHECK_S)]
    outputs = ["-q", "--json", str(result), "--out", str(folder / "cases"), "--root", str(folder / "mounted")]
    command = (*_HARNESS, "fault", *asked, *limits, *outputs, "--", *_program(package, variant))
    _run(command, folder, (0, 1))
    document = json.loads(result.read_text())
    runs = document["fault_runs"]["runs"]
    return Failed(
        promises=tuple(promises),
        call=call,
        behaviours=dict(Counter(run["behaviour"] for run in runs)),
        findings=tuple(
            f"{one['verdict']}: {one['fault']}: {one['summary']} ({one['count']} runs, {one['source']})"
            for scenario in document["scenarios"]
            for one in scenario["violations"]
        ),
        command=command,
    )


def _program(package: Package, variant: Variant) -> tuple[str, ...]:
    return *package.node, str(_HERE / "deliver.mjs"), "{root}", str(package.plugin(variant))


def _check(package: Package, variant: Variant, promises: Sequence[str]) -> str:
    words = [*package.node, str(_HERE / "check.mjs"), "{root}", str(package.plugin(variant)), *promises]
    return shlex.join(words).replace("'{root}'", "{root}")


def _coverage(profile: str, states: dict[str, Any]) -> Coverage:
    return Coverage(profile, states["distinct"], states["checked"], states["exhaustive"])


def _finding(recording: Recording, told: dict[str, Any]) -> Finding:
    before = recording.trace.items[: told["kill_point"]]
    marks = recording.trace.marks(told["kill_point"])
    return Finding(
        summary=told["summary"],
        operation=told["operation"],
        source=told["source"],
        profiles=tuple(told["profiles"]),
        cases=told["count"],
        kill_point=told["kill_point"],
        told_last=marks[-1].event if marks else "",
        asked_at=source_lines(acknowledged_unwritten(recording.appends, before, len(marks))),
        repro=told["repro"],
    )


def _run(command: Sequence[str], folder: Path, expected: Sequence[int]) -> None:
    """`folder` becomes the working directory, so that no other project's settings are found."""
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_HERE.parents[1])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode not in expected:
        said = (ended.stderr + ended.stdout).strip().splitlines() or ["nothing"]
        raise CommandFailed(f"`{shlex.join(command)}` ended with {ended.returncode}: {said[-1]}")
