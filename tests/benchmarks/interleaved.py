"""Two sides of a ratio, measured in turns: what else the machine does hurts both alike.

A round times the left side and then the right one; the ratio is the median over the rounds. Nothing here says which
side is better: the definition of each key does.
"""

import statistics
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


def ratio(left: Side, right: Side, rounds: int) -> float:
    """Median of left / right over `rounds` rounds, after one of each that does not count."""
    left(), right()
    return statistics.median(left() / right() for _ in range(rounds))
