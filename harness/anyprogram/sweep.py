"""The sweep of a recorded run: all kill-points x distinct (disk, marks) under each profile, each judged by the checker.

Kill-points are before each item, at the end, and (a killed process) inside each write. The profiles walk side by side, so
that a disk which several of them allow is checked once. That recovery never read a file cannot be known of a stranger:
every distinct disk counts. A check costs milliseconds, so the plainest disks of all kill-points come first (all survived,
only what had to, all but one, …), and then the others: whoever stops early has seen the whole run.

`hits` are all disks that the checker refused; `causes` makes findings of them.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from harness.anyprogram.checker import Answer, Checker
from harness.anyprogram.crew import Crew, Job
from harness.anyprogram.recorded_run import RecordedRun
from harness.clock import machine_seconds
from harness.durability.crash_states import BOUND, CrashStates, KillPoint
from harness.durability.profiles import profile
from harness.durability.state import CrashState
from harness.durability.trees import CrashImage, StateKey
from harness.explore.tally import Tally
from harness.gate.interruption import asked
from harness.gate.progress import Listener, Progress, silent
from harness.trace import Fdatasync, Fsync, SyncAll, Write

PLAIN: Final = 16
"""Disks of each kill-point that are checked before any others."""

_WAIT_S: Final = 0.1
"""How long a wait may keep us from seeing that it is over."""


class Hit(msgspec.Struct, frozen=True, eq=False):
    """A disk that the checker refused: `state` is the first found that gives it; `told`: marks before the death."""

    told: int
    position: int
    state: CrashState
    key: StateKey
    image: CrashImage
    answer: Answer


class Request(msgspec.Struct, frozen=True):
    """What to sweep: `bound` is the most distinct disks a kill-point, `first` ends with the first hit."""

    profiles: tuple[str, ...] = ("process", "strict")
    jobs: int = 1
    bound: int = BOUND
    seed: int = 0
    budget_s: float | None = None
    first: bool = False


class Swept(msgspec.Struct):
    """`tallies`: one a profile, in their order, without findings. `checks`: runs of the checker. `plain`: kill-points
    of which the plainest disks were handed over; `plain_done`: all of them."""

    tallies: dict[str, Tally]
    hits: list[Hit] = msgspec.field(default_factory=list)
    checks: int = 0
    interrupted: bool = False
    out_of_time: bool = False
    ended_at_first: bool = False
    plain: dict[str, int] = msgspec.field(default_factory=dict)
    plain_done: bool = False
    wall_s: float = 0.0

    @property
    def whole(self) -> bool:
        return not (self.interrupted or self.out_of_time or self.ended_at_first)


class _Met(msgspec.Struct, eq=False):
    """A disk after certain marks: the profiles that allow it; `answered` once the checker has seen it."""

    profiles: list[str]
    answered: bool = False


class _Open(msgspec.Struct, eq=False):
    """A check under way."""

    met: _Met
    hit: Callable[[Answer], Hit]


class Sweep:
    """One sweep; `run` does it. `hits` by marks and disk: `refused`."""

    def __init__(self, run: RecordedRun, checker: Checker, request: Request, listener: Listener = silent) -> None:
        self.run: Final = run
        self.request: Final = request
        self.swept: Final = Swept(
            {name: Tally() for name in request.profiles}, plain=dict.fromkeys(request.profiles, 0)
        )
        self._checker: Final = checker
        self._listener: Final = listener
        self._open: Final[dict[int, _Open]] = {}
        self._met: Final[dict[int, dict[StateKey, _Met]]] = {}
        self._told = -1
        self._input = b""
        self._began = machine_seconds()
        self._deadline = None if request.budget_s is None else self._began + request.budget_s
        self._told_last = self._began
        self._progress = Progress(scenario=run.name, tasks=2 * (run.end + 1), began=self._began)

    def sweep(self, home: Path) -> Swept:
        """Do it all, with states below `home`. Raises CheckerError and StateFolderError, ValueError for a trace that a
        profile cannot play."""
        swept = self.swept
        try:
            with Crew(self._checker, home, self.request.jobs) as crew:
                if all(self._plain(crew, *where) for where in self._points(min(PLAIN, self.request.bound))):
                    swept.plain_done = True
                    all(self._all(crew, *where) for where in self._points(self.request.bound))
                self._drain(crew)
        except KeyboardInterrupt:
            swept.interrupted = True
        swept.wall_s = machine_seconds() - self._began
        for tally in swept.tallies.values():
            tally.operations = self.run.trace.operation_count
            tally.complete = swept.whole
            tally.exhaustive &= swept.whole
            tally.legal_exact &= swept.whole
            tally.wall_s = swept.wall_s
        return swept

    # -- kill-points ---------------------------------------------------------------------------------------------

    def _points(self, bound: int) -> Iterator[tuple[int, CrashStates, KillPoint]]:
        """All kill-points, those of one position together; the walks go on when all of them have been used."""
        run, request = self.run, self.request
        walks = [CrashStates(run.base, profile(name), bound=bound, seed=request.seed) for name in request.profiles]
        for position in range(run.end + 1):
            self._progress.tasks_done = position + self.swept.plain_done * (run.end + 1)
            if run.told_at(position) != self._told:
                self._told, self._input = run.told_at(position), run.input_at(position)
            item = run.items[position] if position < run.end else None
            for walk in walks:
                yield position, walk, walk.at()
                if isinstance(item, Write) and walk.profile.medium == "page-cache":
                    yield position, walk, walk.during(item)
            if item is not None:
                for walk in walks:
                    walk.feed(position, item, run.sources[position])

    def _plain(self, crew: Crew, position: int, walk: CrashStates, point: KillPoint) -> bool:
        """Hand over the plainest disks of this kill-point. False: it is over."""
        for state, image in itertools.islice(point.states(), min(PLAIN, self.request.bound)):
            if not self._meet(crew, position, walk, state, image):
                return False
        self.swept.plain[walk.profile.name] += 1
        return not self._is_over()

    def _all(self, crew: Crew, position: int, walk: CrashStates, point: KillPoint) -> bool:
        """Count this kill-point, and hand over what is new at it. False: it is over."""
        tally = self.swept.tallies[walk.profile.name]
        tally.kill_points += 1
        tally.legal += point.legal
        tally.legal_exact &= point.legal_exact
        tally.exhaustive &= point.exhaustive
        before = self.run.items[position - 1] if position else None
        if isinstance(before, Fsync | Fdatasync | SyncAll) and point.exhaustive and tally.exhaustive:
            return not self._is_over()  # a sync only takes states away (durability.md, section 5)
        listed = 0
        for state, image in point.states():
            listed += 1
            if not self._meet(crew, position, walk, state, image):
                return False
        tally.distinct += max(0, point.distinct - listed) if not point.exhaustive else 0
        return not self._is_over()

    def _meet(self, crew: Crew, position: int, walk: CrashStates, state: CrashState, image: CrashImage) -> bool:
        """Have the disk checked, unless it was met with the same marks before. False: it is over."""
        name = walk.profile.name
        known = self._met.setdefault(self._told, {})
        met = known.get(image.state_key)
        if met is None:
            met = known[image.state_key] = _Met([name])
            self.swept.tallies[name].distinct += 1
            return self._hand_over(crew, position, state, image, met)
        if name not in met.profiles:
            met.profiles.append(name)
            self.swept.tallies[name].distinct += 1
            self.swept.tallies[name].checked += met.answered
        return True

    # -- checks --------------------------------------------------------------------------------------------------

    def _hand_over(self, crew: Crew, position: int, state: CrashState, image: CrashImage, met: _Met) -> bool:
        number = self.swept.checks + len(self._open)
        told = self.run.told_at(position)
        job = Job(number, image, self._input)
        self._open[number] = _Open(met, lambda answer: Hit(told, position, state, image.state_key, image, answer))
        while not crew.offer(job, _WAIT_S):
            self._collect(crew)
            if self._is_over():
                return False
        self._collect(crew)
        return not self._is_over()

    def _collect(self, crew: Crew, wait_s: float = 0.0) -> None:
        while (done := crew.take(wait_s)) is not None:
            wait_s = 0.0
            job, answer = done
            opened = self._open.pop(job.number)
            self.swept.checks += 1
            opened.met.answered = True
            for name in opened.met.profiles:
                self.swept.tallies[name].checked += 1
            if not answer.held:
                self.swept.hits.append(opened.hit(answer))
        self._tell()

    def _drain(self, crew: Crew) -> None:
        """Wait for what is under way, unless it is over."""
        while self._open and not self._is_over():
            self._collect(crew, _WAIT_S)

    def _is_over(self) -> bool:
        swept = self.swept
        if asked():
            swept.interrupted = True
        elif self._deadline is not None and machine_seconds() > self._deadline:
            swept.out_of_time = True
        elif self.request.first and swept.hits:
            swept.ended_at_first = True
        return not swept.whole

    def _tell(self) -> None:
        now = machine_seconds()
        if now - self._told_last < _WAIT_S:
            return
        self._told_last = now
        self._progress.checked = self.swept.checks
        self._progress.violations = len(self.swept.hits)
        self._listener(self._progress)


def refused(hits: Sequence[Hit]) -> dict[int, dict[StateKey, Hit]]:
    """Marks told -> disk -> the hit."""
    found: dict[int, dict[StateKey, Hit]] = {}
    for hit in hits:
        found.setdefault(hit.told, {})[hit.key] = hit
    return found
