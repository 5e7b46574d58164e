"""From a disk after a death to violations: restart the subject on it, let the contract look, three times.

The phases are those of `harness.scenario.Phase`: right after the restart, after settling, and after one more kill and
restart. The third is skipped where the first two left the disk as they found it: a deterministic recovery of the same
disk sees the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from harness.disk import DiskImage
from harness.durability.looks import Look
from harness.explore.life import AnyLife, Life, SubjectBroke
from harness.explore.recording import AnyScenario, Recording
from harness.explore.seen_restarts import SeenRestarts, key_of
from harness.ledger import Ledger
from harness.scenario import Case, Guarantee, Phase, Scenario, World
from harness.trace import Item, Mark
from harness.verdict import Violation

_HUNG: Final = "The subject answers in bounded time, whatever the disk does."

ByPhase = Mapping[Phase, Sequence[Guarantee]]


class Told(msgspec.Struct, frozen=True):
    """A violation and the phase in which the judge saw it."""

    phase: Phase
    violation: Violation


class Judged(msgspec.Struct, frozen=True):
    """What came of one recovered disk: violations, what of its files was looked at, what recovery did, and whether it
    was recovered from once more (the phase AGAIN): where it changed nothing, a second time sees what the first saw."""

    violations: tuple[Told, ...]
    looks: tuple[Look, ...]
    recovery: tuple[Item, ...]
    twice: bool = False

    @property
    def reads(self) -> tuple[int, ...]:
        """The inodes of the files that were looked at, in order."""
        return tuple(dict.fromkeys([ino for ino, _, _ in self.looks]))


class SeenAgain(msgspec.Struct, frozen=True):
    """What the phase AGAIN showed: violations, and what of the disk's files was looked at."""

    violations: tuple[Told, ...]
    looks: tuple[Look, ...]


def by_phase(contract: Sequence[Guarantee]) -> ByPhase:
    return {phase: tuple(g for g in contract if phase in g.phases) for phase in Phase}


def look(contract: ByPhase, case: Case[Any, Any]) -> list[Told]:
    """Ask every guarantee that holds in this phase. A subject that is not there is a violation in any case."""
    told = [Told(case.phase, v) for g in contract[case.phase] for v in g.judge(case)]
    if case.failure is not None and not told:
        told.append(
            Told(case.phase, Violation("unavailable", "After a restart the subject is there again.", case.failure))
        )
    return told


def judge_alive(contract: ByPhase, recording: Recording) -> list[Told]:
    """The living end of a run in which calls failed: an error that was let out has been told, no answer is hung."""
    if recording.hung:
        return [Told(Phase.CLEAN, Violation("hung", _HUNG, recording.failure or "no answer"))]
    return judge_clean(contract, recording) if recording.failure is None else []


def judge_hanging(recovery: Recording) -> tuple[Told, ...]:
    """A restart in which calls failed: it may fail, and must not be without an end."""
    if not recovery.hung:
        return ()
    return (Told(Phase.RESTARTED, Violation("hung", _HUNG, recovery.failure or "no answer")),)


def judge_clean(contract: ByPhase, recording: Recording) -> list[Told]:
    """The end of a run without a death."""
    if recording.settled_ledger is None or recording.settled_world is None:
        return []
    case: Case[Any, Any] = Case(
        Phase.CLEAN,
        recording.settled_ledger,
        recording.settled_ledger,
        recording.settled_world,
        recording.settled,
        failure=recording.settled_failure,
        now=recording.settled_at,
        fault_fired=bool(recording.fired),
    )
    return look(contract, case)


def judge_restart(
    scenario: AnyScenario,
    contract: ByPhase,
    world: World,
    image: DiskImage,
    *,
    at: float,
    seed: int,
    ledger: Ledger,
    previous: object = None,
    fault_fired: bool = False,
    probes: dict[str, int] | None = None,
    lives: list[AnyLife] | None = None,
    known: SeenRestarts[SeenAgain] | None = None,
) -> Judged:
    """Restart the subject on `image` and judge it in the phases RESTARTED, SETTLED, AGAIN.

    `world` has been restored to the moment of death. `lives` collects the lives, for digests and timelines. `known`:
    last restarts that this sweep has seen, which are not run again.
    """
    life: AnyLife = Life(
        scenario, world, image, at=at, seed=seed, ledger=ledger, probes=probes, tracing_lines=lives is not None
    )
    if lives is not None:
        lives.append(life)
    kernel = life.kernel
    items = kernel.trace.items
    recovered = 0
    observed: object = None
    failure: str | None = None
    told: list[Told] = []
    try:
        subject = life.boot()
        recovered = len(items)
        observed = life.observe(subject)
        if not scenario.has_boot:  # then looking is what recovers
            recovered = len(items)
    except SubjectBroke as error:
        failure = _failure(error, told, Phase.RESTARTED)
    now = life.clock.now()
    told += look(
        contract,
        Case(Phase.RESTARTED, life.ledger, ledger, world, observed, previous, failure, now, fault_fired),
    )
    settled = observed
    if failure is None and type(scenario).settle is not Scenario.settle:
        settled = None
        try:
            life.settle(subject)
            settled = life.observe(subject)
        except SubjectBroke as error:
            failure = _failure(error, told, Phase.SETTLED)
        now = life.clock.now()
        told += look(
            contract, Case(Phase.SETTLED, life.ledger, ledger, world, settled, None, failure, now, fault_fired)
        )
    life.end()
    if not items:  # it has only looked
        return Judged(tuple(told), tuple(kernel.looks), ())
    looks = list(kernel.looks)
    twice = False
    if failure is None and any(item.__class__ is not Mark for item in items):
        disk, at_again = kernel.image(), life.now() + scenario.restart_after_s
        key = None
        if known is not None:
            key = key_of(disk, world.snapshot(), at_again, life.ledger, ledger, fault_fired, settled)
        seen = None if known is None else known.get(key)
        if seen is None:
            seen = _look_again(
                scenario,
                contract,
                life,
                disk,
                at=at_again,
                ledger=ledger,
                settled=settled,
                fault_fired=fault_fired,
                lives=lives,
            )
            if known is not None:
                known.keep(key, seen)
        told += seen.violations
        twice = True
        own = kernel.discarded
        looks += [one for one in seen.looks if one[0] in image.nodes and one[0] not in own]
    recovery = tuple([item for item in items[:recovered] if item.__class__ is not Mark])
    return Judged(tuple(told), tuple(looks), recovery, twice)


def _look_again(
    scenario: AnyScenario,
    contract: ByPhase,
    first: AnyLife,
    disk: DiskImage,
    *,
    at: float,
    ledger: Ledger,
    settled: object,
    fault_fired: bool,
    lives: list[AnyLife] | None,
) -> SeenAgain:
    """The phase AGAIN: one more restart, of what `first` has settled."""
    life: AnyLife = Life(
        scenario,
        first.world,
        disk,
        at=at,
        seed=first.seed,
        ledger=first.ledger,
        probes=first.probes,
        tracing_lines=lives is not None,
    )
    if lives is not None:
        lives.append(life)
    observed: object = None
    failure: str | None = None
    told: list[Told] = []
    try:
        observed = life.observe(life.boot())
    except SubjectBroke as error:
        failure = _failure(error, told, Phase.AGAIN)
    case: Case[Any, Any] = Case(
        Phase.AGAIN, life.ledger, ledger, life.world, observed, settled, failure, life.now(), fault_fired
    )
    told += look(contract, case)
    life.end()
    return SeenAgain(tuple(told), tuple(life.kernel.looks))


def _failure(error: SubjectBroke, violations: list[Told], phase: Phase) -> str:
    if error.hung:
        violations.append(Told(phase, Violation("hung", _HUNG, error.failure)))
    return error.failure
