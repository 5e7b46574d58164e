"""The steps of a random history, fewer and simpler.

Values of actions are drawn anew from the strategies that the scenario gives for them, and shrunk by Hypothesis: a
smaller value that no strategy could have drawn would be another subject's case. The harness' own steps (a death after so
many operations, the number of a disk, a wait) are numbers with a known lowest value.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

import hypothesis
import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import NoSuchExample, Unsatisfiable

from harness.explore.history import FAULT, WAIT
from harness.explore.saved_case import Json, Step
from harness.faults import FaultPlan
from harness.scenario import Action
from harness.shrinking.fault_plan import smallest_plan
from harness.shrinking.fewest import fewest, least
from harness.statemachine import WAITS_S

Steps = tuple[Step, ...]
Shows = Callable[[Steps], bool]

DRAWN: Final = 20
"""Values of one argument that Hypothesis draws before it shrinks the simplest that shows it."""


def smallest_steps(steps: Steps, actions: Mapping[str, Action], shows: Shows) -> Steps:
    """The smallest history that is found from `steps`, which must show it."""
    steps = fewest(steps, lambda some: bool(some) and shows(some))
    for number, step in enumerate(steps):
        before, after = steps[:number], steps[number + 1 :]

        def tried(other: Step, before: Steps = before, after: Steps = after) -> bool:
            return shows((*before, other, *after))

        steps = (*before, _simplest(step, actions, tried), *after)
    return steps


def payload(steps: Steps) -> int:
    """Bytes of all arguments as JSON: how much there is to read."""
    return sum(_length(step.arguments) for step in steps)


def faults_of(steps: Steps) -> int:
    """Faults of all plans in the steps; steps come from a file and may hold anything."""
    count = 0
    for step in steps:
        if step.do == FAULT:
            try:
                plan = msgspec.json.decode(str(step.arguments.get("plan")), type=FaultPlan)
            except (msgspec.MsgspecError, ValueError):
                continue
            count += len(plan.faults) + (plan.budget is not None)
    return count


def _simplest(step: Step, actions: Mapping[str, Action], shows: Callable[[Step], bool]) -> Step:
    match step.do:
        case "act":
            return _simplest_action(step, actions.get(str(step.arguments.get("action"))), shows)
        case "die":
            for name in ("after", "state"):
                step = _lowest(step, name, shows)
            return step
        case "wait":
            return _shortest_wait(step, shows)
        case "fault":
            plan = msgspec.json.decode(str(step.arguments["plan"]), type=FaultPlan)
            found = smallest_plan(plan, lambda other: bool(other.faults or other.budget) and shows(_planned(other)))
            return _planned(found)
        case _:
            return step


def _simplest_action(step: Step, action: Action | None, shows: Callable[[Step], bool]) -> Step:
    for name, strategy in (action.arguments if action is not None else {}).items():
        held = step.arguments.get(name)

        def tried(value: Json, name: str = name, held: Json = held, step: Step = step) -> bool:
            # A value as large as the one there is would only be a different one.
            return _length(value) < _length(held) and shows(_with(step, name, value))

        try:
            step = _with(step, name, _found(strategy, tried))
        except (NoSuchExample, Unsatisfiable):
            continue
    return step


def _found(strategy: Any, shows: Callable[[Json], bool]) -> Json:
    return hypothesis.find(
        strategy,
        shows,
        settings=settings(
            max_examples=DRAWN,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
        random=random.Random(0),
    )


def _lowest(step: Step, name: str, shows: Callable[[Step], bool]) -> Step:
    held = step.arguments.get(name)
    if not isinstance(held, int) or held <= 0:
        return step
    return _with(step, name, least(held, 0, lambda number: shows(_with(step, name, number))))


def _shortest_wait(step: Step, shows: Callable[[Step], bool]) -> Step:
    held = float(step.arguments["seconds"])
    shorter = (seconds for seconds in WAITS_S if seconds < held)
    return next((other for seconds in shorter if shows(other := Step(WAIT, {"seconds": seconds}))), step)


def _with(step: Step, name: str, value: Json) -> Step:
    return Step(step.do, {**step.arguments, name: value})


def _planned(plan: FaultPlan) -> Step:
    return Step(FAULT, {"plan": msgspec.json.encode(plan).decode()})


def _length(value: Json) -> int:
    return len(msgspec.json.encode(value))
