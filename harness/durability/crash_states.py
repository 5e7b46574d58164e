"""Crash states: the disk images that may legally be found after a death at a point of a trace.

A state is the disk after any down-set of the pending units under the profile's order (durability.md, section 1;
Bornholt et al., ASPLOS'16, definition 7). Images are counted from their factors (`scenes`) and listed one by one, each
once, the plainest first.

Under `process` there is one state: everything that happened; and, inside a write, its prefixes at page boundaries.
"""

from typing import Final

from harness.disk import DiskImage
from harness.durability.counting import bits_of
from harness.durability.kill_point import KillPoint
from harness.durability.pending import Pending
from harness.durability.profiles import Profile
from harness.durability.state import CrashState, State
from harness.durability.trees import Tree, tree_with
from harness.durability.units import EntryUnit, UnitId
from harness.trace import Item, Source

__all__ = ["BOUND", "CrashState", "CrashStates", "KillPoint", "State", "UnitId"]

BOUND: Final = 65_536
"""Different images listed for one kill-point before the enumeration samples."""


class CrashStates:
    """Walks along a trace; at any point tells the states of a death there.

    `base`: the disk before the trace, all of it durable. `bound`: different images listed at one kill-point; beyond it
    the enumeration takes the plain ones and seeded samples. A power cut inside a history starts a new walk.
    """

    def __init__(self, base: DiskImage, profile: Profile, *, bound: int = BOUND, seed: int = 0) -> None:
        self.profile: Final = profile
        self.bound: Final = bound
        self.seed: Final = seed
        self.disk: Final = Pending(base, profile)
        self.position = 0
        self.sources: Final[dict[int, str]] = {}
        self._trees: dict[tuple[UnitId, ...], Tree] = {}
        self._trees_of = -1

    def feed(self, position: int, item: Item, source: Source | None = None) -> None:
        """The item at trace `position` happened; items come in order, marks too. `source` groups bounded samples."""
        self.disk.feed(position, item)
        self.position = position + 1
        if source is not None:
            self.sources[position] = str(source)

    def at(self) -> KillPoint:
        """A death here, before the next item. Ask everything of it before the next `feed`."""
        return KillPoint(self, None)

    def during(self, item: Item) -> KillPoint:
        """A death inside the next item: what it adds to the deaths before and after it.

        `process`: a write stopped at a page boundary. On a disk nothing is added: `at` after the item has it all.
        """
        return KillPoint(self, item)

    def tree_of(self, survived: int) -> Tree:
        """The tree in which the durable names and the entry units of `survived` are."""
        disk = self.disk
        if self._trees_of != disk.tree_version or len(self._trees) > 4 * self.bound:
            self._trees.clear()
            self._trees_of = disk.tree_version
        entries: list[EntryUnit] = []
        for bit in bits_of(survived & disk.spine):
            unit = disk.units[bit]
            if isinstance(unit, EntryUnit):
                entries.append(unit)
        name = tuple([unit.id for unit in entries])
        tree = self._trees.get(name)
        if tree is None:
            tree = tree_with(disk.nodes, (edit for unit in entries for edit in unit.edits))
            self._trees[name] = tree
        return tree
