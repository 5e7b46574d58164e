"""One history as a list of steps: actions, time, faults, deaths, restarts; data in, verdicts out, no randomness.

Hypothesis draws the steps (`harness.statemachine`); a repro holds them and plays them again. After each step the
living subject is judged by the guarantees that hold right after a restart (safety); at the end the faults are lifted,
the world settles, and one more kill and restart must change nothing.
"""

import itertools
from typing import Any, Final

import msgspec

from harness.disk import DiskImage
from harness.durability.crash_states import CrashStates
from harness.durability.profiles import profile
from harness.durability.state import CrashState
from harness.explore.judging import ByPhase, Told, by_phase, look
from harness.explore.life import EPOCH_S, AnyLife, Life, SubjectBroke
from harness.explore.recording import AnyScenario, first_image
from harness.explore.saved_case import Step
from harness.faults import FaultPlan, Injector
from harness.frontends.simulated import ProcessDied
from harness.ledger import Ledger
from harness.scenario import Action, Case, Phase
from harness.trace import Mark, Trace
from harness.verdict import Violation

ACT: Final = "act"
WAIT: Final = "wait"
FAULT: Final = "fault"
LIFT: Final = "lift"
DIE: Final = "die"
RESTART: Final = "restart"
SETTLE: Final = "settle"

_HUNG = "The subject answers in bounded time, whatever the disk does."


class Segment(msgspec.Struct, frozen=True):
    """A stretch of one disk history: from a base image to a power cut (or the end), for timelines."""

    base: DiskImage
    trace: Trace
    notes: tuple[tuple[int, str], ...]
    found: DiskImage | None = None
    state: CrashState | None = None


class History:
    """Plays steps one by one. `violations` grows; a caller stops at the first."""

    def __init__(self, scenario: AnyScenario, workload: str, seed: int) -> None:
        self.scenario = scenario
        self.workload = workload
        self.seed = seed
        self.contract: ByPhase = by_phase(scenario.contract())
        self.actions: dict[str, Action] = {action.name: action for action in scenario.actions()}
        self.base = first_image(scenario)
        self.trace = Trace()
        self.violations: list[Told] = []
        self.segments: list[Segment] = []
        self.notes: list[tuple[int, str]] = []
        self.probes: dict[str, int] = {}
        self.deaths = 0
        self.fault_fired = False
        self.at_death = Ledger()
        self.life: AnyLife = Life(
            scenario, None, self.base, at=EPOCH_S, seed=seed, ledger=Ledger(), trace=self.trace, workload=workload,
            probes=self.probes,
        )  # fmt: skip
        self.world: Any = self.life.world
        self.subject: Any = None
        self._pending_death: tuple[str, int] | None = None
        self._boot(Phase.RESTARTED)

    def do(self, step: Step) -> None:
        """One step. Raises ValueError for a step that this version does not know."""
        arguments: dict[str, Any] = dict(step.arguments)
        match step.do:
            case "act":
                name = str(arguments.pop("action"))
                action = self.actions.get(name)
                if action is None:
                    raise ValueError(f"{self.scenario.name} has no action {name!r}: {', '.join(self.actions)}")
                self._perform(lambda: action.do(self.life, self.world, self.subject, **arguments))
            case "wait":
                seconds = float(arguments["seconds"])  # a step that does not fit is no failure of the subject
                self._perform(lambda: _sleep(seconds))
            case "fault":
                self._fault(msgspec.json.decode(str(arguments["plan"]), type=FaultPlan))
            case "lift":
                self.life.lift_faults()
            case "die":
                self._arm(str(arguments["how"]), int(arguments["state"]), int(arguments["after"]))
            case "restart":
                self._restart()
            case "settle":
                self._settle()
            case other:
                raise ValueError(f"unknown step {other!r}")
        if not self.violations and self.subject is not None:
            self._judge(Phase.RESTARTED, None)

    def finish(self) -> None:
        """Lift the faults, settle, judge; kill and restart once more, judge again."""
        if self.violations or self.subject is None:
            self.life.end()
            self._close_segment()
            return
        self._disarm()
        self.life.lift_faults()
        settled = self._settle()
        if not self.violations:
            self._die("process", 0, judge=False)
            if self.subject is not None:
                self._judge(Phase.AGAIN, settled)
        self.life.end()
        self._close_segment()

    def _close_segment(self) -> None:
        self.segments.append(Segment(self.base, self.trace, (*self.notes, *self.life.notes)))

    # one step each

    def _perform(self, action: Any) -> None:
        if self.subject is None:
            return
        try:
            self.life.act(action, "fails")
        except ProcessDied:
            assert self._pending_death is not None
            how, state = self._pending_death
            self._die(how, state)
        except SubjectBroke as error:
            if error.hung:
                self.violations.append(Told(Phase.RESTARTED, Violation("hung", _HUNG, error.failure)))
            elif self.life.fault_fired:
                self.life.mark("told", "step", what=error.failure)
            else:
                sentence = "Without a fault no request fails by an exception."
                self.violations.append(Told(Phase.RESTARTED, Violation("unavailable", sentence, error.failure)))
        self.fault_fired |= self.life.fault_fired

    def _fault(self, plan: FaultPlan) -> None:
        injector = Injector(plan, sleep=self.life.clock.advance)
        self.life.injector = injector
        self.life.kernel.set_injector(injector)

    def _arm(self, how: str, state: int, after: int) -> None:
        if after == 0:
            self._die(how, state)
            return
        self._pending_death = (how, state)
        self.life.doom(len(self.trace) + after)

    def _disarm(self) -> None:
        self._pending_death = None
        self.life.doom(None)

    def _die(self, how: str, choice: int, judge: bool = True) -> None:
        """The process or the machine dies now; the disk found is the `choice`-th legal one (modulo their number)."""
        self._disarm()
        died = self.life
        died.end()
        self.notes += died.notes
        self.deaths += 1
        self.fault_fired |= died.fault_fired
        image = died.kernel.image()
        if how != "process":
            walk = CrashStates(self.base, profile(how), seed=self.seed)
            for position, item in enumerate(self.trace.items):
                walk.feed(position, item)
            point = walk.at()
            wanted = choice % max(1, min(point.distinct, 4_096))
            picked = next(itertools.islice(point.states(), wanted, None), None)
            state, image = picked if picked is not None else next(point.states())
            self.segments.append(Segment(self.base, self.trace, tuple(self.notes), image, state))
            self.base, self.trace, self.notes = image, Trace(), []
        self.trace.record(Mark("died", how), None, died.now())
        self.at_death = died.ledger
        self.world.restore(self.world.snapshot())
        self.life = Life(
            self.scenario, self.world, image, at=died.now() + self.scenario.restart_after_s, seed=self.seed,
            ledger=died.ledger, trace=self.trace, probes=self.probes,
        )  # fmt: skip
        self._boot(Phase.RESTARTED if judge else None)

    def _boot(self, phase: Phase | None) -> None:
        self.subject = None
        try:
            self.subject = self.life.boot()
        except SubjectBroke as error:
            self._failed(error, phase or Phase.AGAIN)
            return
        if phase is not None:
            self._judge(phase, None)

    def _restart(self) -> None:
        """An orderly stop and start."""
        if self.subject is None:
            return
        subject = self.subject

        def stop_and_start() -> Any:
            return _stop_and_start(self.scenario, self.life, self.world, subject)

        try:
            self.subject = self.life.act(stop_and_start, "does not restart")
        except ProcessDied:
            assert self._pending_death is not None
            self._die(*self._pending_death)
        except SubjectBroke as error:
            if not self.life.fault_fired:
                self._failed(error, Phase.RESTARTED)
            else:
                self._die("process", 0)

    def _settle(self) -> Any:
        self._disarm()
        self.life.lift_faults()
        try:
            self.life.settle(self.subject)
        except SubjectBroke as error:
            self._failed(error, Phase.SETTLED)
            return None
        return self._judge(Phase.SETTLED, None)

    def _judge(self, phase: Phase, previous: Any) -> Any:
        try:
            observed = self.life.observe(self.subject)
        except SubjectBroke as error:
            self._failed(error, phase)
            return None
        except ProcessDied:
            return None
        self.violations += look(self.contract, self._case(phase, observed, previous, None))
        return observed

    def _failed(self, error: SubjectBroke, phase: Phase) -> None:
        if error.hung:
            self.violations.append(Told(phase, Violation("hung", _HUNG, error.failure)))
        self.violations += look(self.contract, self._case(phase, None, None, error.failure))

    def _case(self, phase: Phase, observed: Any, previous: Any, failure: str | None) -> Case[Any, Any]:
        return Case(
            phase, self.life.ledger, self.at_death, self.world, observed, previous, failure, self.life.now(),
            self.fault_fired,
        )  # fmt: skip


async def _sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


async def _stop_and_start(scenario: AnyScenario, life: AnyLife, world: Any, subject: Any) -> Any:
    from harness.scenario import resolved

    await resolved(scenario.stop(life, world, subject))
    return await resolved(scenario.boot(life, world))
