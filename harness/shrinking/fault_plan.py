"""A fault plan made smaller: fewer faults, which hit fewer calls, at once, on a disk with room."""

from collections.abc import Callable

import msgspec

from harness.faults import Fault, FaultPlan
from harness.shrinking.fewest import fewest


def smallest_plan(plan: FaultPlan, shows: Callable[[FaultPlan], bool]) -> FaultPlan:
    """The smallest plan that is found from `plan`, which must show it; it may be one without any fault."""
    for simpler in (FaultPlan(), msgspec.structs.replace(plan, budget=None)):
        if simpler != plan and shows(simpler):
            plan = simpler
    faults = fewest(plan.faults, lambda faults: shows(msgspec.structs.replace(plan, faults=faults)))
    for number in range(len(faults)):
        for change in (_once, _without_delay):
            try:
                simpler_fault = change(faults[number])
            except ValueError:  # a delay may be all that a fault does
                continue
            other = (*faults[:number], simpler_fault, *faults[number + 1 :])
            if other != faults and shows(msgspec.structs.replace(plan, faults=other)):
                faults = other
    return msgspec.structs.replace(plan, faults=faults)


def _once(fault: Fault) -> Fault:
    return msgspec.structs.replace(fault, lasts=1)


def _without_delay(fault: Fault) -> Fault:
    return msgspec.structs.replace(fault, delay=0.0)
