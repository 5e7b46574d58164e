"""A saved case made smaller: fewer faults, deaths and steps, less missing, earlier; same verdict, guarantee and phase.

The workload of a recorded run is the subject's own and stays as it is; what of it counts is what comes before the death,
and that gets shorter. Each try plays the case: a run that is the same up to its first death is recorded once.

Not tried: another workload, another profile, another seed.
"""

from typing import Final

import msgspec

from harness.disk import DiskImage
from harness.durability.state import CrashState
from harness.explore.finding import Cause, Discovery, cause_of, exposing
from harness.explore.judging import Judged, Told
from harness.explore.life import session
from harness.explore.play import CaseMismatch, Played, play
from harness.explore.recording import AnyScenario, Recording, record
from harness.explore.saved_case import Death, SavedCase
from harness.faults import FaultPlan
from harness.repro import ReproFile, replay, source_digests
from harness.shrinking.attempts import Attempts
from harness.shrinking.crash_state import smallest_state
from harness.shrinking.fault_plan import smallest_plan
from harness.shrinking.fewest import fewest
from harness.shrinking.history import faults_of, payload, smallest_steps
from harness.statemachine import words

BUDGET_S: Final = 20.0
"""Seconds that a shrinking takes at most where nobody says otherwise."""


class Size(msgspec.Struct, frozen=True):
    """How much there is to a case. `position`: items before the last death; `payload`: bytes of arguments of steps."""

    steps: int
    deaths: int
    faults: int
    missing: int
    position: int
    payload: int

    def __str__(self) -> str:
        parts = [
            _count(self.steps, "step"),
            _count(self.deaths, "death"),
            _count(self.faults, "fault"),
            f"{_count(self.missing, 'piece')} missing",
        ]
        if self.position:
            parts.append(f"killed at {self.position}")
        if self.payload:
            parts.append(f"{_count(self.payload, 'byte')} of arguments")
        return ", ".join(parts)


class Shrunk(msgspec.Struct, frozen=True):
    """`file` is None where the verdict does not show any more; it is the given one where nothing was found smaller."""

    file: ReproFile | None
    tries: int
    cut_short: bool
    warnings: tuple[str, ...] = ()


def size_of(case: SavedCase) -> Size:
    plans = [plan for plan in (case.plan, case.recovery_plan) if plan is not None]
    return Size(
        steps=max(1, len(case.steps)),
        deaths=len(case.deaths) + sum(step.do == "die" for step in case.steps),
        faults=sum(_faults(plan) for plan in plans) + faults_of(case.steps),
        missing=sum(len(death.state.missing) + (death.state.cut is not None) for death in case.deaths),
        position=case.deaths[-1].position if case.deaths else 0,
        payload=payload(case.steps),
    )


def shrink(file: ReproFile, scenario: AnyScenario, budget_s: float = BUDGET_S) -> Shrunk:
    """The smallest case that is found from that of `file` within `budget_s` seconds of the machine, after one replay.

    Where the sources have changed, that of a replay that has looked for it anew. Raises ReproError as `replay` does.
    """
    replayed = replay(file, scenario)
    if not replayed.violated:
        return Shrunk(None, 1, False, replayed.warnings)
    given = replayed.file.case
    search = _Search(scenario, given, budget_s)
    with session():
        case = search.smallest()
        if case == given:
            kept = file if given == file.case else replayed.file
            return Shrunk(kept, search.attempts.made, search.attempts.cut_short, replayed.warnings)
        told, played = search.told(case)
        cause, profiles = search.explained(case, played, told)
    case = msgspec.structs.replace(
        case,
        summary=told.violation.summary,
        profile=case.deaths[-1].state.profile if len(case.deaths) == 1 else case.profile,
        trace_digest=played.trace_digest,
        sources=source_digests(scenario, played),
    )
    smaller = msgspec.structs.replace(
        file, case=case, operation=cause.operation, source=cause.source, profiles=profiles
    )
    return Shrunk(smaller, search.attempts.made, search.attempts.cut_short, replayed.warnings)


class _Search:
    """All tries for one case: how often, how long, what shows it."""

    def __init__(self, scenario: AnyScenario, wanted: SavedCase, budget_s: float) -> None:
        self.attempts = Attempts(budget_s)
        self._scenario = scenario
        self._wanted = wanted
        self._recordings: dict[bytes, Recording] = {}

    def shows(self, case: SavedCase) -> bool:
        if not self.attempts.another():
            return False
        try:
            return self._told(self._played(case)) is not None
        except CaseMismatch:
            return False

    def told(self, case: SavedCase) -> tuple[Told, Played]:
        """What shows, of a run from its beginning."""
        played = play(self._scenario, case)
        told = self._told(played)
        assert told is not None, "the case has shown it a moment ago: the subject is not deterministic"
        return told, played

    def smallest(self) -> SavedCase:
        case = self._wanted
        if case.steps:
            actions = {action.name: action for action in self._scenario.actions()}
            steps = smallest_steps(case.steps, actions, lambda some: self.shows(_replace(case, steps=some)))
            return _replace(case, steps=steps)
        case = self._with_smaller_plans(case)
        before = None
        while before != case:
            before, case = case, self._with_fewer_deaths(case)
            for number in reversed(range(len(case.deaths))):
                case = self._with_smaller_death(case, number)
        return case

    def explained(self, case: SavedCase, played: Played, told: Told) -> tuple[Cause, tuple[str, ...]]:
        """What to look at first, and the profiles that expose it."""
        if case.steps:
            return Cause(" → ".join(words(step) for step in case.steps), ""), (case.profile,)
        if not case.deaths:
            return Cause("", ""), ()
        death, disk = case.deaths[-1], played.disks[-1]
        last = played.lives[len(case.deaths) - 1]
        single = len(case.deaths) == 1
        discovery = Discovery(played.lives[0], case.deaths, told, disk, second=None if single else last, plan=case.plan)

        def again(state: CrashState, _: DiskImage) -> Judged:
            other = self._played(_replace(case, deaths=(Death(state.position, state),)))
            return Judged(other.violations, (), ())

        return cause_of(last, death), exposing(discovery, death, disk, again if single else None)

    def _with_smaller_plans(self, case: SavedCase) -> SavedCase:
        for name in ("recovery_plan", "plan"):
            plan: FaultPlan | None = getattr(case, name)
            if plan is None:
                continue
            given = case

            def planned(other: FaultPlan, name: str = name, given: SavedCase = given) -> SavedCase:
                return _replace(given, **{name: other if other != FaultPlan() else None})

            case = planned(smallest_plan(plan, lambda other: self.shows(planned(other))))  # used at once
        return case

    def _with_fewer_deaths(self, case: SavedCase) -> SavedCase:
        return _replace(case, deaths=fewest(case.deaths, lambda some: self.shows(_replace(case, deaths=some))))

    def _with_smaller_death(self, case: SavedCase, number: int) -> SavedCase:
        life = self._played(case).lives[number]

        def dying(state: CrashState) -> SavedCase:
            death = Death(state.position, state)
            return _replace(case, deaths=(*case.deaths[:number], death, *case.deaths[number + 1 :]))

        state = case.deaths[number].state
        return dying(smallest_state(life.base, life.items, life.began, state, lambda other: self.shows(dying(other))))

    def _told(self, played: Played) -> Told | None:
        wanted = self._wanted
        for told in played.violations:
            violation = told.violation
            if (violation.verdict, violation.guarantee, told.phase) == (wanted.verdict, wanted.guarantee, wanted.phase):
                return told
        return None

    def _played(self, case: SavedCase) -> Played:
        if case.steps:
            return play(self._scenario, case)
        key = msgspec.json.encode(case.plan)
        first = self._recordings.get(key)
        if first is None:
            first = self._recordings[key] = record(self._scenario, case.workload, case.seed, plan=case.plan)
        return play(self._scenario, case, first)


def _faults(plan: FaultPlan) -> int:
    return len(plan.faults) + (plan.budget is not None)


def _replace(case: SavedCase, **changes: object) -> SavedCase:
    return msgspec.structs.replace(case, **changes)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
