"""Repro files: one saved case as versioned JSON; written, read back, played again, checked before it is believed.

The file is the artefact, the seed only a hint: it holds the deaths, the disks found, the faults and the history, not a
random number. Loading one runs no code; playing it runs the scenario it names.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.explore.crash_sweep import CrashSweep
from harness.explore.fault_sweep import FaultSweep, planned
from harness.explore.judging import by_phase
from harness.explore.life import session
from harness.explore.play import CaseMismatch, Played, play
from harness.explore.recording import AnyScenario, record
from harness.explore.saved_case import SavedCase
from harness.explore.tally import Tally
from harness.subjects import UnknownSubject, find_one

REPRO_SCHEMA: Final = 1
LARGEST: Final = 16 * 2**20
"""Bytes; a repro is a few kilobytes."""


class ReproFile(msgspec.Struct, frozen=True):
    """The JSON document. `test` is the pytest node id where the case came from a test."""

    kind: str
    schema: int
    case: SavedCase
    operation: str = ""
    source: str = ""
    profiles: tuple[str, ...] = ()
    test: str = ""


class ReproError(ValueError):
    """The file cannot be used; the message says why and what to do."""


class Replay(msgspec.Struct, frozen=True):
    """A played repro. `matches`: the same trace, byte for byte; `violated`: the same verdict in the same phase."""

    file: ReproFile
    played: Played
    violated: bool
    matches: bool
    warnings: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What shows now: the saved verdict if it shows again, else any other, else "held"."""
        if self.violated:
            return self.file.case.verdict
        others = sorted({told.violation.verdict for told in self.played.violations})
        return others[0] if others else "held"


def encode(file: ReproFile) -> bytes:
    return msgspec.json.format(msgspec.json.encode(file, order="deterministic"), indent=2) + b"\n"


def name_of(file: ReproFile) -> str:
    """`<verdict>-<digest>.repro.json`; the digest (sha256) is that of the case."""
    digest = hashlib.sha256(msgspec.json.encode(file.case, order="deterministic")).hexdigest()[:12]
    return f"{file.case.verdict}-{digest}.repro.json"


def save(file: ReproFile, folder: Path) -> Path:
    """Write it under its own name into `folder`, created if needed; an equal case overwrites itself."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name_of(file)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(encode(file))
    temporary.replace(path)
    return path


def load(path: Path) -> ReproFile:
    """Read a repro file. Raises ReproError with a sentence for anything else."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ReproError(f"{path} has {size} bytes; a repro has at most {LARGEST}")
        data = path.read_bytes()
    except OSError as error:
        raise ReproError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        head = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ReproError(f"{path} is not a repro file: {error}") from None
    if head.get("kind") != "crash-harness repro":
        raise ReproError(f'{path} is not a repro file: it lacks "kind": "crash-harness repro"')
    schema = head.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise ReproError(f"{path} is not a repro file: its schema is {schema!r}, not a positive number")
    if schema > REPRO_SCHEMA:
        raise ReproError(
            f"{path} has repro schema {schema}, this version reads up to {REPRO_SCHEMA}: upgrade crash-harness"
        )
    try:
        return msgspec.json.decode(data, type=ReproFile)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ReproError(f"{path} is not a usable repro file: {error}") from None


def scenario_of(file: ReproFile) -> AnyScenario:
    """The scenario that the case names. Raises ReproError when it is gone."""
    case = file.case
    try:
        scenario = find_one(case.scenario)
    except UnknownSubject as error:
        if file.test:
            raise ReproError(
                f"the case belongs to a test that only pytest can run: pytest --harness-replay FILE {file.test}"
            ) from None
        raise ReproError(f"the repro names {case.scenario!r}, which is gone: {error}") from None
    recorded = [*scenario.workloads(), *scenario.rehearsals()]
    if case.workload not in recorded:
        known = ", ".join(recorded)
        raise ReproError(f"the repro names workload {case.workload!r} of {case.scenario}, which has only: {known}")
    return scenario


def replay(file: ReproFile, scenario: AnyScenario | None = None) -> Replay:
    """Play the case and compare. Raises ReproError when it does not fit the subject any more."""
    scenario = scenario if scenario is not None else scenario_of(file)
    warnings = changed_sources(file.case)
    try:
        with session():
            played = play(scenario, file.case)
    except CaseMismatch as error:
        if not warnings or file.case.steps:
            raise ReproError(f"the case cannot be played: {error}") from None
        return _search(file, scenario, [*warnings, f"the saved case does not fit any more: {error}"])
    if warnings and not file.case.steps and not played.shows(file.case):
        return _search(file, scenario, [*warnings, "at the saved kill-point it does not show any more"])
    matches = played.trace_digest == file.case.trace_digest
    if not matches and not warnings:
        warnings = [
            "the trace differs from the saved one although no source changed: another Python, or it is not deterministic"
        ]
    return Replay(file, played, played.shows(file.case), matches, tuple(warnings))


def _search(file: ReproFile, scenario: AnyScenario, warnings: list[str]) -> Replay:
    """The source has changed so that the disk of the case cannot come about: look for its violation in all others.

    A fix of the very bug is the usual reason. "Does not show" then means: nowhere in the sweep that the case came from.
    """
    case = file.case
    contract = by_phase(scenario.contract())

    def shown(tally: Tally) -> bool:
        return any((one.verdict, one.guarantee) == (case.verdict, case.guarantee) for one in tally.findings)

    with session():
        recording = record(scenario, case.workload, case.seed, log_calls=True)
        if recording.failure is not None:
            raise ReproError(f"the case cannot be played: without any fault or death, {recording.failure}")
        if case.plan is None:
            crashes = CrashSweep(recording, case.profile, contract)
            tally = crashes.run(range(recording.began, recording.end + 1), shown)
        else:
            tally = FaultSweep(recording, (case.profile,), contract).run(planned(recording), shown)
        found = [one for one in tally.findings if (one.verdict, one.guarantee) == (case.verdict, case.guarantee)]
        if found:
            new = msgspec.structs.replace(file, case=found[0].case)
            warnings.append(f"looked for it anew: it shows at kill-point {found[0].kill_point}")
            return Replay(new, play(scenario, new.case), True, False, tuple(warnings))
    sought = f"{tally.faults_planned} faults" if case.plan is not None else f"{tally.checked:,} crash states"
    warnings.append(
        f"looked for it anew in {sought} of {case.workload} under {case.profile}: it does not show any more"
    )
    without = msgspec.structs.replace(file, case=msgspec.structs.replace(case, deaths=(), plan=None))
    played = Played((recording,), (), (), recording.trace.digest())
    return Replay(without, played, False, False, tuple(warnings))


def source_digests(scenario: AnyScenario, played: Played) -> dict[str, str]:
    """sha256 (16 hex digits) of each file of the subject that issued an operation, and of the scenario's own."""
    files = {source.file for life in played.lives for source in life.sources if source is not None}
    module = sys.modules.get(type(scenario).__module__)
    if module is not None and getattr(module, "__file__", None) and type(scenario).__module__ != "harness.callables":
        files.add(_relative(str(module.__file__)))
    return {name: digest for name in sorted(files) if (digest := _digest_of(name))}


def changed_sources(case: SavedCase) -> list[str]:
    changed: list[str] = []
    for name, digest in case.sources.items():
        now = _digest_of(name)
        if now is None:
            changed.append(f"{name} is gone since the case was saved")
        elif now != digest:
            changed.append(f"{name} has changed since the case was saved")
    return changed


def _relative(name: str) -> str:
    path = Path(name)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return name


def _digest_of(name: str) -> str | None:
    try:
        return hashlib.sha256(Path(name).read_bytes()).hexdigest()[:16]
    except OSError:
        return None
