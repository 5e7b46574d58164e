"""Two sides of a ratio, measured in turns: what else the machine does hurts both alike.

A round times the left side and then the right one; a ratio is that of the best of each. Nothing here says which side
is better: the definition of each key does.
"""

import time
from collections.abc import Callable
from typing import TypeAlias

Side: TypeAlias = Callable[[], float]
"""One measurement, in any unit: the same for both sides of a ratio."""


def processor_seconds() -> float:
    """Processor time of this process, user and system; the frozen clock leaves it alone.

    A side that runs in one process only is measured by it: on a shared machine the wall clock measures the neighbours.
    """
    return time.process_time()


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Processor seconds that one call of `work` takes, over `times` calls."""
    began = processor_seconds()
    for _ in range(times):
        work()
    return (processor_seconds() - began) / times


def cost_ratio(left: Side, right: Side, rounds: int) -> float:
    """The least cost of `left` / the least of `right`, in turns over `rounds` rounds.

    Whatever else the machine does can only add to a cost: the least is nearest to the truth, on both sides.
    """
    pairs = _in_turns(left, right, rounds)
    return min(cost for cost, _ in pairs) / min(cost for _, cost in pairs)


def rate_ratio(left: Side, right: Side, rounds: int) -> float:
    """As `cost_ratio`, where a side tells how much it does in a second: the highest of each."""
    pairs = _in_turns(left, right, rounds)
    return max(rate for rate, _ in pairs) / max(rate for _, rate in pairs)


def _in_turns(left: Side, right: Side, rounds: int) -> list[tuple[float, float]]:
    """What both sides measured in each round, after one of each that does not count."""
    left(), right()
    return [(left(), right()) for _ in range(rounds)]
