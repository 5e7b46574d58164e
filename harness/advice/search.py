"""The search for the smallest set of syncs, by counterexample.

The violations of the recorded traces make demands; the smallest set that meets them is tried; what is still violated
makes further demands; and so on until nothing is. Every set that was tried is smallest for some of the demands, so that
the one which meets all is smallest for all.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from harness.advice.examination import Chosen, Demand, Examined
from harness.advice.placement import Placement
from harness.advice.smallest import smallest

ROUNDS: Final = 24
"""Sets tried before the search is given up."""

Examine = Callable[[Chosen], Sequence[Examined]]
"""The program with these syncs added, examined."""


class Search(msgspec.Struct):
    """`first`: the program as it is; `last`: with `chosen` added. `contradiction`: no set meets all demands."""

    chosen: Chosen
    first: Sequence[Examined]
    last: Sequence[Examined]
    smallest: bool = True
    contradiction: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing was left out where it counts: in the last look."""
        return all(examined.complete for examined in self.last)

    @property
    def verified(self) -> bool:
        """Whether `chosen` was seen to leave nothing that a sync could mend."""
        return self.complete and not any(examined.demands for examined in self.last)


def search(
    examine: Examine, executions: Callable[[Placement], int], over: Callable[[], bool], glance: Examine | None = None
) -> Search:
    """Try sets until one meets everything, or it is `over`.

    `glance` looks at the plainest disks only: enough to make demands of, where a program that syncs nothing has too many.
    What it finds nothing in is examined as a whole.
    """
    first = (glance or examine)(Chosen())
    found = Search(Chosen(), first, first)
    demands: list[Demand] = [demand for examined in first for demand in examined.demands]
    whole = glance is None
    for _ in range(ROUNDS):
        if over():
            break
        if any(examined.demands for examined in found.last):
            solution = smallest(demands, executions)
            if solution is None:
                return Search(Chosen(), first, first, contradiction=True)
            whole = glance is None
            last = (glance or examine)(solution.chosen)
            found = Search(solution.chosen, first, last, solution.smallest)
        elif whole or found.complete:
            break
        else:
            whole = True
            found.last = examine(found.chosen)
        demands += [demand for examined in found.last for demand in examined.demands if demand not in demands]
    return found
