"""A crash state of one death, made smaller: nothing torn, fewer pieces missing, an earlier kill-point.

Pieces are given back together with all that had to reach the disk before them (durability.md, section 1), so that what
is tried is legal. An earlier kill-point has fewer operations before it, and fewer marks: less was promised.
"""

from collections.abc import Callable, Sequence

import msgspec

from harness.disk import DiskImage
from harness.durability.counting import bits_of
from harness.durability.legality import walk_to
from harness.durability.profiles import profile
from harness.durability.state import CrashState
from harness.durability.units import UnitId
from harness.shrinking.fewest import fewest, least
from harness.trace import Item

Shows = Callable[[CrashState], bool]


def smallest_state(base: DiskImage, items: Sequence[Item], began: int, state: CrashState, shows: Shows) -> CrashState:
    """The smallest state that is found from `state`, which must show it. Kill-points before `began` are none."""
    while True:
        smaller = _fuller(base, items, _earlier(base, items, began, _whole(state, shows), shows), shows)
        if smaller == state:
            return state
        state = smaller


def _whole(state: CrashState, shows: Shows) -> CrashState:
    """No write that stopped inside, if it goes without."""
    if state.cut is None:
        return state
    whole = msgspec.structs.replace(state, cut=None)
    return whole if shows(whole) else state


def _fuller(base: DiskImage, items: Sequence[Item], state: CrashState, shows: Shows) -> CrashState:
    if not state.missing:
        return state
    legal = _Legal(base, items, state)

    def lacking(missing: Sequence[UnitId]) -> CrashState:
        return msgspec.structs.replace(state, missing=legal.within(missing))

    # Backwards: what came last is given back first, so that the first cause is the one that stays.
    return lacking(fewest(state.missing[::-1], lambda missing: shows(lacking(missing))))


def _earlier(base: DiskImage, items: Sequence[Item], began: int, state: CrashState, shows: Shows) -> CrashState:
    def at(position: int) -> CrashState:
        if position == state.position:
            return state
        here = msgspec.structs.replace(
            state,
            position=position,
            missing=tuple(unit for unit in state.missing if unit.operation < position),
            cut=state.cut if state.cut is not None and state.cut[0] < position else None,
        )
        return msgspec.structs.replace(here, missing=_Legal(base, items, here).within(here.missing))

    return at(least(state.position, began, lambda position: shows(at(position))))


class _Legal:
    """Which of the missing pieces of a state can stay missing when others of them are given back."""

    def __init__(self, base: DiskImage, items: Sequence[Item], state: CrashState) -> None:
        self._state = state
        self._disk = walk_to(base, items, state.position, profile(state.profile)).disk
        self._bits = {unit.id: bit for bit, unit in self._disk.units.items()}

    def within(self, missing: Sequence[UnitId]) -> tuple[UnitId, ...]:
        """The largest part of `missing` that may be all that is missing."""
        pending = self._disk.pending
        survived = pending
        for name in missing:
            survived &= ~self._bits.get(name, 0)
        for bit in bits_of(survived):
            survived |= self._disk.units[bit].down & pending
        return tuple(name for name in self._state.missing if self._bits.get(name, 0) & pending & ~survived)
