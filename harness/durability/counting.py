"""Counting: the exact number of down-sets of pending units, and of different images, without listing them.

Down-sets: independent components multiply; a component that is a chain of n units has n + 1; any other is split at one
of its units x: cnt(P) = cnt(P without what needs x) + cnt(P without x and what x needs), memoised on bit masks.
Durability.md, section 5: 10**40 states are counted in milliseconds.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

Value = TypeVar("Value", bound=Hashable)


def bits_of(mask: int) -> Iterator[int]:
    """The single bits of `mask`, lowest first."""
    while mask:
        bit = mask & -mask
        yield bit
        mask ^= bit


class DownSets:
    """The family of down-sets of the units in `down` (bit -> mask of the unit and all its predecessors)."""

    __slots__ = ("_counts", "_down", "_near", "_up")

    def __init__(self, down: Mapping[int, int]) -> None:
        self._down = down
        self._up: dict[int, int] = {}
        for bit, mask in down.items():
            for below in bits_of(mask):
                self._up[below] = self._up.get(below, 0) | bit
        self._near = {bit: mask | self._up.get(bit, 0) for bit, mask in down.items()}
        self._counts: dict[int, int] = {}

    def count(self) -> int:
        """How many down-sets there are, exactly."""
        every = 0
        for bit in self._down:
            every |= bit
        return self._count(every)

    def _count(self, units: int) -> int:
        total = 1
        for component in self._components(units):
            total *= self._count_component(component)
        return total

    def _components(self, units: int) -> Iterator[int]:
        near = self._near
        while units:
            component = frontier = units & -units
            while frontier:
                reached = 0
                for bit in bits_of(frontier):
                    reached |= near[bit]
                frontier = reached & units & ~component
                component |= frontier
            units &= ~component
            yield component

    def _count_component(self, component: int) -> int:
        known = self._counts.get(component)
        if known is not None:
            return known
        size = component.bit_count()
        near = self._near
        degrees = [((near[bit] & component).bit_count(), bit) for bit in bits_of(component)]
        if all(degree == size for degree, _ in degrees):
            result = size + 1  # a chain: each unit is comparable with all others
        else:
            pivot = self._pivot(component, degrees)
            without = self._count(component & ~self._up[pivot])
            result = without + self._count(component & ~self._down[pivot])
        self._counts[component] = result
        return result

    def _pivot(self, component: int, degrees: Sequence[tuple[int, int]]) -> int:
        """The unit whose decision, either way, leaves least."""
        best, chosen = -1, 0
        for _, bit in degrees:
            settled = min((self._up[bit] & component).bit_count(), (self._down[bit] & component).bit_count())
            if settled > best:
                best, chosen = settled, bit
        return chosen


def count_down_sets(down: Mapping[int, int]) -> int:
    """The exact number of down-sets; `down`: bit -> mask of the unit itself and all its predecessors, in trace order."""
    above, tangled = _forest(down)
    total = DownSets(tangled).count() if tangled else 1
    counts: dict[int, int] = {}
    for bit in reversed(above):
        product = 1
        for child in above[bit]:
            product *= counts.pop(child)
        counts[bit] = product + 1
    for count in counts.values():
        total *= count
    return total


def _forest(down: Mapping[int, int]) -> tuple[dict[int, list[int]], dict[int, int]]:
    """(children of each unit that stands in a tree, the units that do not).

    A unit whose predecessors are one unit and those of that one hangs on it. A tree has 1 + the product of its subtrees'
    down-sets: the sizes and sectors of a large write are counted in one pass that way. A unit with two predecessors that
    do not know each other takes its whole component out of the forest.
    """
    roots: dict[int, int] = {}
    above: dict[int, list[int]] = {}
    joined: list[int] = []
    for bit, mask in down.items():
        before = mask ^ bit
        parent = 1 << (before.bit_length() - 1) if before else 0
        above[bit] = []
        roots[bit] = bit
        if parent:
            roots[bit] = roots[parent]
            if down[parent] == before:
                above[parent].append(bit)
            else:
                joined.append(bit)
    if not joined:
        return above, {}
    mixed = _mixed_roots(down, joined, roots)
    tangled = {bit: mask for bit, mask in down.items() if roots[bit] in mixed}
    return {bit: children for bit, children in above.items() if roots[bit] not in mixed}, tangled


def _mixed_roots(down: Mapping[int, int], joined: Iterable[int], roots: Mapping[int, int]) -> set[int]:
    """The roots of all trees that one of the units `joined` ties to another or is in."""
    return {roots[below] for bit in joined for below in bits_of(down[bit])}


def list_down_sets(down: Mapping[int, int], limit: int) -> list[int] | None:
    """All down-sets as masks, everything first, or None where there are more than `limit`.

    `down` in trace order: a unit comes after all its predecessors.
    """
    found = [0]
    for bit, mask in down.items():
        before = mask & ~bit
        found += [one | bit for one in found if before & ~one == 0]
        if len(found) > limit:
            return None
    found.reverse()
    return found


def union_size(boxes: Iterable[tuple[frozenset[Value], ...]]) -> int:
    """How many tuples are in at least one box, a box being the product of its sets; all boxes have the same length."""
    distinct = tuple(dict.fromkeys(boxes))
    return _union_size(distinct, {}) if distinct else 0


def _union_size(
    boxes: tuple[tuple[frozenset[Value], ...], ...],
    known: dict[tuple[tuple[frozenset[Value], ...], ...], int],
) -> int:
    if len(boxes) == 1:
        total = 1
        for side in boxes[0]:
            total *= len(side)
        return total
    if boxes in known:
        return known[boxes]
    # Values that the same boxes hold are alike: one recursion for each such class.
    holders: dict[Value, list[int]] = {}
    for index, box in enumerate(boxes):
        for value in box[0]:
            holders.setdefault(value, []).append(index)
    classes: dict[tuple[int, ...], int] = {}
    for owners in holders.values():
        classes[tuple(owners)] = classes.get(tuple(owners), 0) + 1
    total = 0
    for owners_key, size in classes.items():
        rest = tuple(dict.fromkeys(boxes[index][1:] for index in owners_key))
        total += size * _union_size(rest, known)
    known[boxes] = total
    return total
