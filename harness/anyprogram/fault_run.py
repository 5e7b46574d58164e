"""One run of any program with one fault, and what the checker says of the folder afterwards.

The program runs on a mounted folder; its n-th changing call fails as the plan says. Then the checker looks at the folder
as it is when the program has ended, and as a death would leave it: right after the first line that the program printed
since the fault, and at its end; killed (the page cache survives) and, under the other profiles, by a power cut.

How a run ended: it *hung*, it *crashed* (a signal), it *told* the fault (another exit code than without it, something new
on standard error, other lines than without it), or it said nothing. Nothing said and the checker content: the fault was
*absorbed* (a retry that worked, a call that does not matter); nothing said and the checker not content: *swallowed*.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from harness.anyprogram.case_file import CaseFile, case_of
from harness.anyprogram.case_file import Finding as SavedFinding
from harness.anyprogram.checker import Answer, Checker
from harness.anyprogram.exposure import exposing
from harness.anyprogram.recorded_run import RecordedRun, run_of
from harness.anyprogram.state_folder import StateFolder
from harness.anyprogram.strays import Strays
from harness.anyprogram.sweep import Hit
from harness.disk import DiskImage
from harness.durability.crash_states import CrashStates
from harness.durability.missing import missing_operations
from harness.durability.profiles import PROFILES, profile
from harness.durability.state import CrashState
from harness.durability.trees import CrashImage
from harness.faults import FaultPlan, Injector
from harness.frontends.mounted.keeper import Keeper
from harness.frontends.mounted.recording import Recorded, Run, record
from harness.trace import FailedSync, Mark, Source

STATES_PER_DEATH: Final = 3
"""Disks looked at per death and profile: all survived, only what had to, and one between. `harness crash` does all."""

Behaviour: TypeAlias = Literal["hung", "crashed", "told", "absorbed", "swallowed", "not reached"]

Place: TypeAlias = tuple[str, str]
"""(profile, call) of an operation that was not on a refused disk."""


class Quiet(msgspec.Struct, frozen=True):
    """What the program says when nothing fails: what differs from it tells the fault."""

    exit_code: int | None
    lines: tuple[str, ...]
    complaints: frozenset[bytes]


class Refusal(msgspec.Struct, frozen=True):
    """A folder that the checker refused. `lacking`: the first operation that was not on it, or nothing.

    `profiles`: under which such a folder may be found. `at_the_end`: what the program left when it ended by itself.
    """

    answer: Answer
    state: CrashState
    profiles: tuple[str, ...]
    at_the_end: bool
    lacking: str
    place: Place | None
    case: CaseFile


class FaultRun(msgspec.Struct, frozen=True):
    """One run: how the program took the fault, and what the checker refused afterwards."""

    behaviour: Behaviour
    exit_code: int | None
    complaint: str
    refusals: tuple[Refusal, ...] = ()
    checks: int = 0

    @property
    def fired(self) -> bool:
        return self.behaviour != "not reached"


class Examiner:
    """Runs faults and examines folders; keeps what the checker said of a folder and its marks. `home`: for folders."""

    def __init__(
        self,
        run: Run,
        start: bytes,
        checker: Checker,
        profiles: Sequence[str],
        quiet: Quiet,
        home: Path,
        known: frozenset[Place] = frozenset(),
    ) -> None:
        self._run = run
        self._start = start
        self._checker = checker
        self._profiles = tuple(profiles)
        self._quiet = quiet
        self._known = known
        self._folder = StateFolder(home)
        self._keeper: Keeper | None = None
        self._answers: dict[tuple[str, bytes], Answer] = {}
        self._exposing: dict[tuple[Place | None, str], tuple[str, ...]] = {}
        self.checks = 0

    def fault(self, plan: FaultPlan) -> FaultRun:
        """One run under the plan. Raises what `record` raises, CheckerError and StateFolderError."""
        if self._keeper is None or self._keeper.lost:
            self._keeper = Keeper()
        recorded = record(self._run, keeper=self._keeper, start=self._start, injector=Injector(plan))
        if recorded.fired_at is None:
            return FaultRun("not reached", recorded.ended.exit_code, "")
        complaint = _complaint(recorded, self._quiet)
        if recorded.ended.timed_out:
            return FaultRun("hung", None, complaint)
        before = self.checks
        run = run_of(_name(self._run), recorded.trace)
        refusals = tuple(self._refusals(run, recorded, plan))
        return FaultRun(
            _behaviour(recorded, self._quiet, complaint, bool(refusals)),
            recorded.ended.exit_code,
            complaint,
            refusals,
            self.checks - before,
        )

    def close(self) -> None:
        """No more runs: the guardian of all of them may go."""
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def lost_without_faults(self, clean: Recorded) -> frozenset[Place]:
        """What deaths of the run without faults lose: `harness crash` tells that, and no fault is needed for it."""
        run = run_of(_name(self._run), clean.trace)
        told = [position + 1 for position, item in enumerate(run.items) if isinstance(item, Mark)]
        return frozenset(
            refusal.place
            for refusal in self._after_deaths(run, sorted({*told, run.end}), FaultPlan(), _no_source)
            if refusal.place is not None
        )

    def check(self, image: DiskImage, marks: bytes) -> Answer:
        """What the checker says of the folder; asked once."""
        key = (image.digest(), marks)
        answer = self._answers.get(key)
        if answer is None:
            with Strays() as strays:
                root = self._folder.restore(image)
                try:
                    answer = self._answers[key] = self._checker.check(root, marks)
                finally:
                    strays.end_of(root)
            self.checks += 1
        return answer

    def _refusals(self, run: RecordedRun, recorded: Recorded, plan: FaultPlan) -> Iterator[Refusal]:
        source = recorded.calls[recorded.fired[0].call - 1].source
        for refusal in self._after_deaths(run, _deaths(run, recorded.fired_at or 0), plan, source):
            if refusal.place is None or refusal.place not in self._known:
                yield refusal

    def _after_deaths(
        self, run: RecordedRun, positions: Sequence[int], plan: FaultPlan, source: Source
    ) -> Iterator[Refusal]:
        for name in self._modelling(run):
            walk = CrashStates(run.base, profile(name))
            done = 0
            for position in positions:
                for index in range(done, position):
                    walk.feed(index, run.items[index], run.sources[index])
                done = position
                for state, image in itertools.islice(walk.at().states(), STATES_PER_DEATH):
                    answer = self.check(image, run.input_at(position))
                    if not answer.held:
                        yield self._refusal(run, position, state, image, answer, plan, source)

    def _modelling(self, run: RecordedRun) -> list[str]:
        """The profiles on whose file systems a failed sync leaves what it left in this run; all, where none failed."""
        left = {item.cache for item in run.items if isinstance(item, FailedSync) and item.cache != "untouched"}
        return [name for name in self._profiles if left <= {profile(name).failed_sync}]

    def _refusal(
        self,
        run: RecordedRun,
        position: int,
        state: CrashState,
        image: CrashImage,
        answer: Answer,
        plan: FaultPlan,
        source: Source,
    ) -> Refusal:
        lacking, place = "", None
        if state.missing:
            missing = missing_operations(run.base, run.items, state)
            if missing:
                lacking = missing[0][1]
                place = state.profile, _without_number(run.sources[missing[0][0]])
        hit = Hit(run.told_at(position), position, state, image.state_key, image, answer)
        profiles = self._profiles_of(run, hit, place, _without_number(source))
        saved = SavedFinding(
            answer.verdict, answer.summary, f"{plan.describe()}: {source.function}", str(source), profiles
        )
        case = case_of(run, hit, saved, self._checker)
        at_the_end = position == run.end and not state.missing
        return Refusal(answer, state, profiles, at_the_end, lacking, place, case)

    def _profiles_of(self, run: RecordedRun, hit: Hit, place: Place | None, call: str) -> tuple[str, ...]:
        """Where everything survived, all of them; else they are worked out once for each call and what it lost."""
        if not hit.state.missing:
            return tuple(PROFILES)
        key = (place, call)
        if key not in self._exposing:
            self._exposing[key] = exposing(run, hit, frozenset([hit.key]))
        return self._exposing[key]


_no_source: Final = Source("", 0)


def quiet_of(clean: Recorded) -> Quiet:
    """What the program says when nothing fails."""
    return Quiet(
        clean.ended.exit_code,
        _lines(clean),
        frozenset(clean.ended.errors.splitlines()),
    )


def _lines(recorded: Recorded) -> tuple[str, ...]:
    """What was told: a request that is refused is another line than one that is acknowledged."""
    return tuple(f"{mark.kind} {mark.event}" for mark in recorded.trace.marks())


def _name(run: Run) -> str:
    return Path(run.command[0]).name


def _deaths(run: RecordedRun, fired_at: int) -> list[int]:
    """Right after the first line since the fault, and at the end."""
    first = next((at + 1 for at in range(fired_at, run.end) if isinstance(run.items[at], Mark)), run.end)
    return sorted({first, run.end})


def _complaint(recorded: Recorded, quiet: Quiet) -> str:
    """The last new line on standard error."""
    new = [line for line in recorded.ended.errors.splitlines() if line.strip() and line not in quiet.complaints]
    return new[-1].decode(errors="replace") if new else ""


def _behaviour(recorded: Recorded, quiet: Quiet, complaint: str, refused: bool) -> Behaviour:
    code = recorded.ended.exit_code
    if code is not None and code < 0:
        return "crashed"
    if code != quiet.exit_code or complaint or _lines(recorded) != quiet.lines:
        return "told"
    return "swallowed" if refused else "absorbed"


def _without_number(source: Source | None) -> str:
    """ "4th write to log" is "write to log": which one it was differs from run to run. A line of the program stays."""
    if source is None:
        return ""
    return str(source) if source.line else f"{source.file}: {source.function.partition(' ')[2]}"


def counted(runs: Sequence[FaultRun]) -> Mapping[str, int]:
    """How many runs ended how."""
    counts: dict[str, int] = dict.fromkeys(("told", "absorbed", "swallowed", "crashed", "hung", "not reached"), 0)
    for run in runs:
        counts[run.behaviour] += 1
    return counts
