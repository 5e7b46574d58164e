"""Random histories: a Hypothesis state machine over the steps of `harness.explore.history`.

Which features are switched off is drawn first (swarm testing: Groce et al., ISSTA'12), then the steps. A failure
shrinks to the simplest history and the simplest crash state; what is kept of it is the list of steps, not a seed.
"""

from typing import Any, ClassVar, Final

import hypothesis
import msgspec
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from harness.clock import machine_seconds
from harness.durability.profiles import profile
from harness.explore.history import ACT, DIE, FAULT, LIFT, RESTART, SETTLE, WAIT, History
from harness.explore.judging import Told
from harness.explore.recording import AnyScenario
from harness.explore.saved_case import SavedCase, Step
from harness.explore.tally import Finding, Stop, Tally, never
from harness.faults import plans

STEPS: Final = 14
"""Steps of one history at most."""

BATCH: Final = 20
"""Histories that Hypothesis draws in one go; a deadline is looked at between batches."""

WAITS_S: Final = (0.5, 3.0, 31.0, 120.0, 4_000.0)

FEATURES: Final = ("faults", "power", "kills", "restarts", "waits", "settles")


class HistoryFails(AssertionError):
    """A history broke the contract; carries what was told and the steps up to there."""

    def __init__(self, told: Told, steps: tuple[Step, ...]) -> None:
        super().__init__(f"{told.violation.verdict}: {told.violation.summary}")
        self.told = told
        self.steps = steps


class CrashMachine(RuleBasedStateMachine):
    """Derive and set `scenario_class`, or use `machine_of`. Runs inside a `harness.explore.life.session()`."""

    scenario: ClassVar[AnyScenario]
    workload: ClassVar[str] = ""
    profile: ClassVar[str] = "strict"
    seed: ClassVar[int] = 0
    tally: ClassVar[Tally] = Tally()

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.off: frozenset[str] = frozenset()
        self.quiet_actions: frozenset[str] = frozenset()
        self.history = History(self.scenario, self.workload, self.seed)
        self.finished = False
        type(self).tally.examples += 1

    @initialize(
        off=st.frozensets(st.sampled_from(FEATURES), max_size=2),
        data=st.data(),
    )
    def choose_features(self, off: frozenset[str], data: st.DataObject) -> None:
        self.off = off
        names = sorted(self.history.actions)
        if names:
            self.quiet_actions = data.draw(st.frozensets(st.sampled_from(names), max_size=len(names) - 1), label="off")

    @precondition(lambda self: bool(self.history.actions))
    @rule(data=st.data())
    def act(self, data: st.DataObject) -> None:
        names = [name for name in self.history.actions if name not in self.quiet_actions]
        action = self.history.actions[data.draw(st.sampled_from(names), label="action")]
        drawn = {name: data.draw(strategy, label=name) for name, strategy in action.arguments.items()}  # type: ignore[arg-type]  # strategies, by contract
        self._do(Step(ACT, {"action": action.name, **drawn}))

    @precondition(lambda self: "waits" not in self.off)
    @rule(seconds=st.sampled_from(WAITS_S))
    def wait(self, seconds: float) -> None:
        self._do(Step(WAIT, {"seconds": seconds}))

    @precondition(lambda self: "faults" not in self.off)
    @rule(plan=plans())
    def fault_on(self, plan: Any) -> None:
        here = plan.leaving(profile(self.profile).failed_sync)
        self._do(Step(FAULT, {"plan": msgspec.json.encode(here).decode()}))

    @precondition(lambda self: "faults" not in self.off)
    @rule()
    def fault_off(self) -> None:
        self._do(Step(LIFT))

    @precondition(lambda self: "power" not in self.off and self.profile != "process")
    @rule(after=st.integers(0, 12), state=st.integers(0, 500))
    def power_cut(self, after: int, state: int) -> None:
        self._do(Step(DIE, {"how": self.profile, "after": after, "state": state}))

    @precondition(lambda self: "kills" not in self.off)
    @rule(after=st.integers(0, 12))
    def kill(self, after: int) -> None:
        self._do(Step(DIE, {"how": "process", "after": after, "state": 0}))

    @precondition(lambda self: "restarts" not in self.off)
    @rule()
    def restart(self) -> None:
        self._do(Step(RESTART))

    @precondition(lambda self: "settles" not in self.off)
    @rule()
    def settle(self) -> None:
        self._do(Step(SETTLE))

    def _do(self, step: Step) -> None:
        self.steps.append(step)
        type(self).tally.steps += 1
        self.history.do(step)
        self._fail_if_violated()

    def _fail_if_violated(self) -> None:
        if self.history.violations:
            self.finished = True
            raise HistoryFails(self.history.violations[0], tuple(self.steps))

    def teardown(self) -> None:
        if self.finished:
            self.history.life.end()
            return
        self.finished = True
        self.history.finish()
        for name, count in self.history.probes.items():
            type(self).tally.probes[name] = type(self).tally.probes.get(name, 0) + count
        if self.history.violations:
            raise HistoryFails(self.history.violations[0], tuple(self.steps))


def machine_of(
    scenario_object: AnyScenario, workload_name: str, profile_name: str, seed_value: int
) -> type[CrashMachine]:
    """A machine class for one scenario; counts go to its own `tally`."""

    class Machine(CrashMachine):
        scenario = scenario_object
        workload = workload_name
        profile = profile_name
        seed = seed_value
        tally = Tally()

    return Machine


def run_histories(
    scenario: AnyScenario, workload: str, profile: str, seed: int, examples: int, stop: Stop = never
) -> Tally:
    """`examples` random histories inside a `session()`, or until `stop(tally)`. At most one finding."""
    began = machine_seconds()
    whole = Tally()
    batch = 0
    # Hypothesis cannot be stopped from inside without taking it for a failure: so it runs in batches.
    while whole.examples < examples and not whole.findings and not stop(whole):
        size = min(BATCH, examples - whole.examples)
        whole.add(_batch(scenario, workload, profile, seed, batch, size))
        batch += 1
    whole.wall_s = machine_seconds() - began
    return whole


def _batch(scenario: AnyScenario, workload: str, profile: str, seed: int, batch: int, examples: int) -> Tally:
    machine = machine_of(scenario, workload, profile, seed)
    hypothesis.seed(f"{seed}:{batch}:{workload}:{profile}")(machine)
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                deadline=None,  # the frozen clock blinds it
                database=None,  # tied to a version; the saved case is our JSON
                derandomize=False,
                print_blob=False,
                report_multiple_bugs=False,
                verbosity=Verbosity.quiet,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
    except HistoryFails as failure:
        machine.tally.note(finding_of(scenario, workload, profile, seed, failure))
    return machine.tally


def finding_of(scenario: AnyScenario, workload: str, profile: str, seed: int, failure: HistoryFails) -> Finding:
    violation = failure.told.violation
    case = SavedCase(
        scenario=scenario.reference,
        workload=workload,
        seed=seed,
        profile=profile,
        verdict=violation.verdict,
        guarantee=violation.guarantee,
        summary=violation.summary,
        phase=failure.told.phase,
        steps=failure.steps,
    )
    return Finding(
        verdict=violation.verdict,
        guarantee=violation.guarantee,
        summary=violation.summary,
        phase=failure.told.phase,
        workload=workload,
        kill_point=0,
        operation=" → ".join(words(step) for step in failure.steps),
        source="",
        profiles=(profile,),
        case=case,
    )


def words(step: Step) -> str:
    """One step as a call."""
    arguments = ", ".join(f"{key}={value}" for key, value in step.arguments.items() if key != "action")
    return f"{step.arguments.get('action', step.do)}({arguments})"
