"""The smallest set of placements that meets all demands: exact for the sizes that programs have.

A minimum hitting set, found by branching on the demand with the fewest ways out, one size after the other. Among sets
of equal size the one whose syncs run least often is chosen, then the one that stands earliest in the program.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from harness.advice.examination import Chosen, Demand
from harness.advice.placement import Placement

BRANCHES: Final = 200_000
"""Branches looked at before the search settles for a set that may not be the smallest."""


class Solution(msgspec.Struct, frozen=True):
    """`smallest` is False where the search was given up and a greedy set is returned."""

    chosen: Chosen
    smallest: bool = True


class _TooMany(Exception):
    """More branches than the search may look at."""


def smallest(demands: Sequence[Demand], executions: Callable[[Placement], int]) -> Solution | None:
    """The cheapest smallest set, or None where no set meets all demands. `executions`: how often a placement runs."""

    def cost(chosen: Chosen) -> tuple[int, list[Placement]]:
        return sum(executions(place) for place in chosen), sorted(chosen)

    places: set[Placement] = set().union(*(demand.any_of for demand in demands)) if demands else set()
    left = [BRANCHES]
    try:
        for size in range(len(places) + 1):
            found = set(_of_size(demands, Chosen(), size, left))
            if found:
                return Solution(min(found, key=cost))
    except _TooMany:
        return _greedy(demands, executions)
    return None


def _of_size(demands: Sequence[Demand], chosen: Chosen, more: int, left: list[int]) -> Iterator[Chosen]:
    left[0] -= 1
    if left[0] < 0:
        raise _TooMany
    open_ones = [demand for demand in demands if not demand.met_by(chosen)]
    if not open_ones:
        yield chosen
        return
    tightest = min(open_ones, key=lambda demand: len(demand.any_of))
    if more == 0:
        return
    for place in sorted(tightest.any_of):
        yield from _of_size(demands, chosen | {place}, more - 1, left)


def _greedy(demands: Sequence[Demand], executions: Callable[[Placement], int]) -> Solution | None:
    chosen = Chosen()
    while open_ones := [demand for demand in demands if not demand.met_by(chosen)]:
        gain: dict[Placement, int] = {}
        for demand in open_ones:
            for place in demand.any_of:
                gain[place] = gain.get(place, 0) + 1
        if not gain:
            return None
        chosen |= {min(gain, key=lambda place: (-gain[place], executions(place), place))}
    for place in sorted(chosen, key=executions, reverse=True):
        if all(demand.met_by(chosen - {place}) for demand in demands):
            chosen -= {place}
    return Solution(chosen, smallest=False)
