"""Hypothetical traces: a recorded one with syncs added or taken away, and what is durable when in them.

A sync changes nothing that the running program reads, so that the marks and the other operations of the recording stay
what they were: only the crash states differ. Positions are those of the recording, so that its ledgers, worlds and
times stay valid: an added sync runs *at* a kill-point, and that kill-point exists twice, before and after it. Such an
instant is a *moment*: 2 x position, and one more once the syncs added there have returned.

Not modelled: the time that an added sync takes, and its own failure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from harness.disk import DiskImage
from harness.durability.crash_states import CrashStates, KillPoint
from harness.durability.profiles import Profile
from harness.durability.state import State
from harness.durability.units import UnitId
from harness.trace import Fsync, Item, Mark, Source, Write

_NOTHING: Final = Mark("world")
"""Stands where a sync was taken away: a mark makes nothing durable."""

Durable = dict[UnitId, int]
"""Unit -> the first moment at which it is no longer pending."""


class Story(msgspec.Struct, frozen=True):
    """The disk before, and what happened to it; kill-points `began` to the end are of interest."""

    base: DiskImage
    items: Sequence[Item]
    sources: Sequence[Source | None]
    began: int = 0
    seed: int = 0


class Variant(msgspec.Struct, frozen=True):
    """`added`: kill-point -> inodes that are synced there; `removed`: positions of syncs that do not happen."""

    added: Mapping[int, tuple[int, ...]] = msgspec.field(default_factory=dict)
    removed: frozenset[int] = frozenset()


AS_RECORDED: Final = Variant()


class Instant:
    """A moment with its legal states. Valid until the next one is asked for."""

    __slots__ = ("_walk", "moment", "point")

    def __init__(self, moment: int, point: KillPoint, walk: CrashStates) -> None:
        self.moment: Final = moment
        self.point: Final = point
        self._walk: Final = walk

    @property
    def position(self) -> int:
        return self.moment // 2

    def whole(self) -> State | None:
        """The state in which everything that had happened survived: no sync can take it away. None: the only one."""
        if self._walk.profile.medium == "page-cache":
            return None
        return self._walk.at().state_with(self._walk.disk.pending)


def instants(story: Story, rules: Profile, variant: Variant, bound: int) -> Iterator[Instant]:
    """Each moment in turn; on a page cache the insides of writes too, at the moment before them."""
    walk = CrashStates(story.base, rules, bound=bound, seed=story.seed)
    for position in range(len(story.items) + 1):
        looked_at = position >= story.began
        if looked_at:
            yield Instant(2 * position, walk.at(), walk)
        if position in variant.added:
            _sync(walk, position, variant.added[position])
            if looked_at:
                yield Instant(2 * position + 1, walk.at(), walk)
        if position == len(story.items):
            return
        item = _NOTHING if position in variant.removed else story.items[position]
        if looked_at and rules.medium == "page-cache" and isinstance(item, Write):
            yield Instant(2 * position, walk.during(item), walk)
        walk.feed(position, item, story.sources[position] if position < len(story.sources) else None)


def durable_from(story: Story, rules: Profile, variant: Variant) -> Durable:
    """When each unit that becomes durable does; a unit that is not named here stays pending to the end."""
    walk = CrashStates(story.base, rules, seed=story.seed)
    found: Durable = {}
    pending: set[UnitId] = set()

    def note(moment: int) -> None:
        now = {unit.id for unit in walk.disk.units.values()}
        for gone in pending - now:
            found[gone] = moment
        pending.clear()
        pending.update(now)

    for position, item in enumerate(story.items):
        if position in variant.added:
            _sync(walk, position, variant.added[position])
            note(2 * position + 1)
        version = walk.disk.version
        walk.feed(position, _NOTHING if position in variant.removed else item)
        if walk.disk.version != version:
            note(2 * position + 2)
    if len(story.items) in variant.added:
        _sync(walk, len(story.items), variant.added[len(story.items)])
        note(2 * len(story.items) + 1)
    return found


def is_alive(durable: Durable, moment: int, missing: Sequence[UnitId]) -> bool:
    """Whether a state that lacks these units is still a legal one at `moment`."""
    end = moment + 1
    return all(durable.get(unit, end) > moment for unit in missing)


def _sync(walk: CrashStates, position: int, inodes: Sequence[int]) -> None:
    for ino in inodes:
        if ino in walk.disk.live:
            walk.disk.feed(position, Fsync(ino))


Stop = Callable[[], bool]
