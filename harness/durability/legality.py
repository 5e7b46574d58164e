"""Legality: a saved crash state back into its image, and which profiles allow an image."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from harness.disk import DiskImage
from harness.durability.counting import bits_of
from harness.durability.crash_states import BOUND, CrashState, CrashStates
from harness.durability.pending import UnmodelledPolicy
from harness.durability.profiles import Profile, profile
from harness.durability.trees import CrashImage
from harness.trace import Item, Write


def walk_to(
    base: DiskImage, items: Sequence[Item], position: int, rules: Profile, *, bound: int = BOUND
) -> CrashStates:
    """A walk that has just seen the first `position` items. ValueError where the trace is shorter."""
    if not 0 <= position <= len(items):
        raise ValueError(f"no kill-point {position}: the trace has {len(items)} items, kill-points 0 to {len(items)}")
    walk = CrashStates(base, rules, bound=bound)
    for index in range(position):
        walk.feed(index, items[index])
    return walk


def image_of(base: DiskImage, items: Sequence[Item], state: CrashState) -> DiskImage:
    """Rebuild the image of `state`, exactly. ValueError where the state is none of this trace, or is not legal."""
    walk = walk_to(base, items, state.position, profile(state.profile))
    disk = walk.disk
    bit_of = {unit.id: bit for bit, unit in disk.units.items()}
    survived = disk.pending
    for name in state.missing:
        if name not in bit_of:
            raise ValueError(
                f"unit {name.part} of item {name.operation} is not pending at kill-point {state.position} under "
                f"{state.profile!r}: the state belongs to another trace; record the case again"
            )
        survived &= ~bit_of[name]
    for bit in bits_of(survived):
        lacking = disk.units[bit].down & disk.pending & ~survived
        if lacking:
            first, second = disk.units[lacking & -lacking].id, disk.units[bit].id
            raise ValueError(
                f"not a legal state under {state.profile!r}: unit {second.part} of item {second.operation} survived "
                f"without unit {first.part} of item {first.operation}, which reaches the disk before it"
            )
    if walk.profile.medium == "page-cache":
        image = DiskImage(dict(disk.live))
    else:
        _, image = walk.at().state_with(survived)
    return image if state.cut is None else _with_cut(image, walk, items, state.cut, survived)


def _with_cut(
    image: DiskImage, walk: CrashStates, items: Sequence[Item], cut: tuple[int, int], survived: int
) -> DiskImage:
    position, kept = cut
    write = items[position] if 0 <= position < len(items) else None
    if not isinstance(write, Write) or not 0 < kept < len(write.data):
        raise ValueError(f"no write of more than {kept} bytes at item {position}: the cut is of another trace")
    if walk.profile.medium == "page-cache":
        fits = position == walk.position
    else:
        fits = any(one.position == position and not one.units & survived for one in walk.disk.appends)
    if not fits:
        raise ValueError(f"the write at item {position} cannot stop inside at kill-point {walk.position}")
    return image.apply(Write(write.ino, write.offset, write.data[:kept]))


def legal_under(
    base: DiskImage, items: Sequence[Item], position: int, image: DiskImage, rules: Profile, *, bound: int = BOUND
) -> bool | None:
    """May `image` be found after a death at `position` under `rules`?

    Every down-set that gives the image counts: contents are compared sector by sector, however many versions there are.
    None, unknown: more than `bound` name trees and no sample hit it, or syncs do not fail there as they did in this run.
    """
    try:
        walk = walk_to(base, items, position, rules, bound=bound)
    except UnmodelledPolicy:
        return None
    wanted = CrashImage.of(image)
    point = walk.at()
    if rules.medium == "page-cache":
        inside = [walk.during(items[position])] if position < len(items) else []
        return _yields(wanted, (state for one in (point, *inside) for state in one.states()))
    if point.holds_cut(wanted):
        return True
    scenes = point.scenes()
    if scenes is not None:
        return any(scene.holds(wanted) for scene in scenes)
    return _yields(wanted, point.states()) or None


_State = TypeVar("_State")


def _yields(wanted: CrashImage, states: Iterable[tuple[_State, CrashImage]]) -> bool:
    return any(image.state_key == wanted.state_key for _, image in states)


def earliest_position(base: DiskImage, items: Sequence[Item], image: DiskImage, rules: Profile) -> int | None:
    """The first kill-point at which `image` is legal under `rules`; None where no death is known to give it."""
    return next((at for at in range(len(items) + 1) if legal_under(base, items, at, image, rules)), None)
