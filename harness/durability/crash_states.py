"""Crash states: the disk images that may legally be found after a death at a point of a trace.

A state is the disk after any down-set of the pending units under the profile's order (durability.md, section 1;
Bornholt et al., ASPLOS'16, definition 7). It is factored: one *scene* for each legal set of the spine (the names, and what ties
names and files together), and in a scene the versions of every file independently. Images are counted from the factors
and listed one by one, each once, the plainest first.

Under `process` there is one state: everything that happened; and, inside a write, its prefixes at page boundaries.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Final

import msgspec

from harness.disk import SECTOR, DiskImage, File, Node
from harness.durability.contents import FileVersions, version_of
from harness.durability.counting import bits_of, count_down_sets, list_down_sets, union_size
from harness.durability.pending import Append, Pending
from harness.durability.profiles import Profile
from harness.durability.trees import CrashImage, StateKey, Tree, state_key, tree_with
from harness.durability.units import EntryUnit, UnitId
from harness.trace import Item, Source, Write

PAGE: Final = 4096
"""Bytes of a page of the page cache: a killed process's write stops at its boundaries."""

BOUND: Final = 65_536
"""Different images listed for one kill-point before the enumeration samples."""


class CrashState(msgspec.Struct, frozen=True):
    """Which legal state: enough to rebuild its image from the trace (`image_of`).

    The items before `position` happened; `missing` pending units did not survive; `cut`: (position of a write, bytes of
    it that did) for a write that stopped inside.
    """

    profile: str
    position: int
    missing: tuple[UnitId, ...] = ()
    cut: tuple[int, int] | None = None


State = tuple[CrashState, CrashImage]


class Scene:
    """One legal set of the spine: a tree, and what it leaves open about the contents of the files in it."""

    __slots__ = ("missing", "nodes", "open", "survived", "tree")

    def __init__(
        self,
        survived: int,
        tree: Tree,
        nodes: dict[int, Node],
        open_files: dict[int, FileVersions],
        missing: tuple[UnitId, ...],
    ) -> None:
        self.survived = survived
        self.tree = tree
        self.nodes = nodes
        self.open = open_files
        self.missing = missing

    def at_most(self) -> int:
        total = 1
        for versions in self.open.values():
            total *= versions.at_most()
        return total

    def holds(self, image: CrashImage) -> bool:
        """Whether `image`, whose inodes are those of this walk or not, is one of the scene's."""
        if image.state_key[0] != self.tree.shape:
            return False
        from_image = _named_files(image)
        for ino, file in zip(self.tree.files, from_image, strict=True):
            versions = self.open.get(ino)
            if versions is not None:
                if not versions.holds(file):
                    return False
            elif _file(self.nodes, ino).key != file.key:
                return False
        return True


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

    def at(self) -> "KillPoint":
        """A death here, before the next item. Ask everything of it before the next `feed`."""
        return KillPoint(self, None)

    def during(self, item: Item) -> "KillPoint":
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


class KillPoint:
    """The legal states of one death. Valid until the walk is fed its next operation."""

    def __init__(self, walk: CrashStates, inside: Item | None) -> None:
        self.position: Final = walk.position
        self._walk: Final = walk
        self._inside: Final = inside
        self._version: Final = walk.disk.version
        self._scenes: list[Scene] | None = None
        self._too_many_scenes = False
        self._open: dict[tuple[int, int, int], FileVersions] = {}
        self._cuts: list[State] | None = None
        self._legal: int | None = None
        self._distinct: tuple[int, bool] | None = None

    # -- numbers -------------------------------------------------------------------------------------------------

    @property
    def legal(self) -> int:
        """The exact number of legal states: down-sets of the pending units, and byte cuts."""
        if self._legal is None:
            self._demand_current()
            if self._on_page_cache or self._inside is not None:
                self._legal = len(self._page_states())
            else:
                disk = self._walk.disk
                down = {bit: unit.down & disk.pending for bit, unit in disk.units.items()}
                self._legal = count_down_sets(down) + sum(
                    len(_cut_lengths(append)) * len(self._cut_bases(append)) for append in disk.appends
                )
        return self._legal

    @property
    def legal_exact(self) -> bool:
        return True

    @property
    def distinct(self) -> int:
        """The number of different images, counted without listing them; see `distinct_exact`."""
        return self._count_distinct()[0]

    @property
    def distinct_exact(self) -> bool:
        """False: `distinct` is an upper bound, or, with too many name trees to list, the number of legal states."""
        return self._count_distinct()[1]

    @property
    def exhaustive(self) -> bool:
        """Whether `states` yields every different image; False when the bound cuts it."""
        return self.distinct <= self._walk.bound and self.scenes() is not None

    # -- states --------------------------------------------------------------------------------------------------

    def states(self) -> Iterator[State]:
        """Every different image once, the plainest first: all survived, only what had to, all but one, only one, …"""
        seen: set[StateKey] = set()
        limit = self._walk.bound
        for state in self._candidates():
            key = state[1].state_key
            if key not in seen:
                seen.add(key)
                yield state
                if len(seen) >= limit:
                    return

    def key_of(self, image: DiskImage) -> StateKey:
        """Equal for two images, of any kill-points, exactly when their `identity` is."""
        return state_key(image)

    def _candidates(self) -> Iterator[State]:
        self._demand_current()
        if self._on_page_cache or self._inside is not None:
            yield from self._page_states()
            return
        exhaustive = self.exhaustive
        total = self.distinct
        for mask in self._plain_masks():
            yield self.state_with(mask)
        if exhaustive and total == 1:
            return
        yield from self.cuts()
        if exhaustive:
            for scene in self.scenes() or ():
                yield from self._states_in(scene)
        else:
            yield from self._samples()

    def state_with(self, survived: int) -> State:
        """The state in which exactly the pending units of the down-set `survived` are."""
        disk = self._walk.disk
        tree = self._walk.tree_of(survived)
        nodes: dict[int, Node] = {**disk.nodes, **tree.folders}
        key = [tree.shape]
        for ino in tree.files:
            history = disk.histories.get(ino)
            if history is not None:
                nodes[ino] = version_of(history, disk.pending, survived).file()
            key.append(_file(nodes, ino).key)
        missing = tuple([disk.units[bit].id for bit in bits_of(disk.pending & ~survived)])
        return self._name(missing), CrashImage(nodes, tuple(key))

    def _plain_masks(self) -> Iterator[int]:
        disk = self._walk.disk
        pending = disk.pending
        units = list(disk.units.values())
        yield pending
        yield 0
        for left_out in reversed(units):
            yield sum(unit.bit for unit in units if not unit.down & left_out.bit)
        for only in units:
            yield only.down & pending
        prefix = 0
        for unit in units:
            prefix |= unit.bit
            yield prefix
        for group in self._groups():
            yield sum(unit.bit for unit in units if not unit.down & group)
            closed = 0
            for bit in bits_of(group):
                closed |= disk.units[bit].down & pending
            yield closed

    def _groups(self) -> list[int]:
        """The pending units of one source line, or, where no sources are known, of one operation."""
        groups: dict[str, int] = {}
        for bit, unit in self._walk.disk.units.items():
            name = self._walk.sources.get(unit.id.operation, f"#{unit.id.operation}")
            groups[name] = groups.get(name, 0) | bit
        return list(groups.values())

    def _samples(self) -> Iterator[State]:
        """Random down-sets without end: the reader stops. Ends by itself where nothing new comes any more."""
        disk = self._walk.disk
        chance = random.Random(f"{self._walk.seed}:{self.position}")
        units = list(disk.units.values())
        seen: set[int] = set()
        repeats = 0
        while repeats < 1_000:
            share = chance.random()
            chosen = 0
            for unit in units:
                if chance.random() < share:
                    chosen |= unit.down
            chosen &= disk.pending
            if chosen in seen:
                repeats += 1
                continue
            repeats = 0
            seen.add(chosen)
            yield self.state_with(chosen)

    def _states_in(self, scene: Scene) -> Iterator[State]:
        tree, files = scene.tree, scene.open
        where = {ino: index + 1 for index, ino in enumerate(tree.files)}
        fixed = [tree.shape, *(0 if ino in files else _file(scene.nodes, ino).key for ino in tree.files)]
        inodes = [(ino, where[ino]) for ino in files]
        for versions in itertools.product(*(files[ino].versions() for ino in files)):
            missing = scene.missing
            nodes = dict(scene.nodes)
            for (ino, index), version in zip(inodes, versions, strict=True):
                fixed[index] = version.key
                nodes[ino] = version.file()
                missing += version.missing
            yield self._name(missing), CrashImage(nodes, tuple(fixed))

    def _name(self, missing: tuple[UnitId, ...], cut: tuple[int, int] | None = None) -> CrashState:
        return CrashState(self._walk.profile.name, self.position, missing, cut)

    # -- scenes --------------------------------------------------------------------------------------------------

    def scenes(self) -> list[Scene] | None:
        """All legal sets of the spine, the fullest first; None where there are more than the bound."""
        if self._scenes is None and not self._too_many_scenes:
            disk = self._walk.disk
            down = {bit: disk.units[bit].down & disk.spine for bit in bits_of(disk.spine)}
            sets = list_down_sets(down, self._walk.bound)
            if sets is None:
                self._too_many_scenes = True
            else:
                self._scenes = [self.scene_of(survived) for survived in sets]
        return self._scenes

    def scene_of(self, survived: int) -> Scene:
        """The scene of one down-set of the spine."""
        disk = self._walk.disk
        tree = self._walk.tree_of(survived)
        inside = outside = 0
        lost = disk.spine & ~survived
        if disk.couples:
            for bit in bits_of(survived):
                inside |= disk.units[bit].down
            for bit, unit in disk.units.items():
                if unit.down & lost:
                    outside |= bit
        missing = [disk.units[bit].id for bit in bits_of(lost) if isinstance(disk.units[bit], EntryUnit)]
        open_files: dict[int, FileVersions] = {}
        named = set(tree.files)
        for ino, history in disk.histories.items():
            if ino in named:
                open_files[ino] = self._versions(ino, inside, outside)
            elif outside:
                missing += [unit.id for unit in history.units() if unit.bit & outside]
        nodes: dict[int, Node] = {**disk.nodes, **tree.folders}
        return Scene(survived, tree, nodes, open_files, tuple(missing))

    def _versions(self, ino: int, inside: int, outside: int) -> FileVersions:
        disk = self._walk.disk
        history = disk.histories[ino]
        if inside or outside:
            own = 0
            for unit in history.units():
                own |= unit.bit
            inside, outside = inside & own, outside & own
        name = (ino, inside, outside)
        versions = self._open.get(name)
        if versions is None:
            versions = self._open[name] = FileVersions(history, disk.pending, inside, outside)
        return versions

    def _count_distinct(self) -> tuple[int, bool]:
        if self._distinct is None:
            self._demand_current()
            self._distinct = self._distinct_now()
        return self._distinct

    def _distinct_now(self) -> tuple[int, bool]:
        if self._on_page_cache or self._inside is not None:
            return len(self._page_states()), True
        scenes = self.scenes()
        if scenes is None:
            return self.legal, False
        shapes: dict[int, list[Scene]] = {}
        for scene in scenes:
            shapes.setdefault(scene.tree.shape, []).append(scene)
        total, exact = 0, True
        for alike in shapes.values():
            count, sure = self._distinct_alike(alike)
            total += count
            exact = exact and sure
        cut_keys = {image.state_key: image for _, image in self.cuts()}
        total += sum(not any(scene.holds(image) for scene in shapes.get(key[0], ())) for key, image in cut_keys.items())
        return total, exact

    def _distinct_alike(self, scenes: list[Scene]) -> tuple[int, bool]:
        """How many different images scenes of one shape have: a union of products."""
        limit = self._walk.bound
        kinds = {
            tuple(
                id(scene.open[ino]) if ino in scene.open else _file(scene.nodes, ino).key for ino in scene.tree.files
            ): scene
            for scene in scenes
        }
        if len(kinds) == 1:
            (scene,) = kinds.values()
            total, exact = 1, True
            for versions in scene.open.values():
                if versions.distinct_sizes():
                    total *= versions.at_most()
                elif versions.at_most() <= limit:
                    total *= len(versions.keys())
                else:
                    total, exact = total * versions.at_most(), False
            return total, exact
        if any(versions.at_most() > limit for scene in kinds.values() for versions in scene.open.values()):
            return sum(scene.at_most() for scene in kinds.values()), False
        boxes = [
            tuple(
                scene.open[ino].keys() if ino in scene.open else frozenset((_file(scene.nodes, ino).key,))
                for ino in scene.tree.files
            )
            for scene in kinds.values()
        ]
        return union_size(boxes), True

    # -- writes that stopped inside ------------------------------------------------------------------------------

    def cuts(self) -> list[State]:
        """Byte cuts: clean prefixes of one pending append, with everything earlier and with only what had to survive.

        Crossing them freely with everything else multiplies and finds nothing more (durability.md, section 3).
        """
        if self._cuts is None:
            self._cuts = []
            for append in self._walk.disk.appends:
                lengths = _cut_lengths(append)
                for base in self._cut_bases(append):
                    self._cuts += self._cut_states(append, base, lengths)
        return self._cuts

    def _cut_bases(self, append: Append) -> list[int]:
        disk = self._walk.disk
        first = append.units & -append.units
        earlier = disk.pending & (first - 1)
        needed = 0
        for bit in bits_of(append.units):
            needed |= disk.units[bit].down
        needed &= disk.pending & ~append.units
        return [earlier] if needed == earlier else [earlier, needed]

    def _cut_states(self, append: Append, base: int, lengths: list[int]) -> list[State]:
        named, image = self.state_with(base)
        tree = self._walk.tree_of(base)
        if append.ino not in tree.files:
            return [(self._name(named.missing, (append.position, lengths[0])), image)] if lengths else []
        whole = append.after
        start = _file(image.nodes, append.ino)
        if start.key != whole.truncate(append.offset).key:
            # Something earlier of this file is missing: the prefix stands on that.
            whole = start.write(append.offset, whole.read(append.offset, append.length))
        states: list[State] = []
        index = tree.files.index(append.ino) + 1
        key = list(image.state_key)
        for length in lengths:
            file = whole.truncate(append.offset + length)
            key[index] = file.key
            nodes = dict(image.nodes)
            nodes[append.ino] = file
            states.append((self._name(named.missing, (append.position, length)), CrashImage(nodes, tuple(key))))
        return states

    @property
    def _on_page_cache(self) -> bool:
        return self._walk.profile.medium == "page-cache"

    def _page_states(self) -> list[State]:
        if not self._on_page_cache:
            return []
        live = DiskImage(dict(self._walk.disk.live))
        item = self._inside
        if item is None:
            return [(self._name(()), CrashImage(live.nodes, state_key(live)))]
        if not isinstance(item, Write):
            return []
        states: list[State] = []
        end = item.offset + len(item.data)
        for stop in range((item.offset // PAGE + 1) * PAGE, end, PAGE):
            kept = stop - item.offset
            image = live.apply(Write(item.ino, item.offset, item.data[:kept]))
            states.append((self._name((), (self.position, kept)), CrashImage(image.nodes, state_key(image))))
        return states

    def _demand_current(self) -> None:
        if self._version != self._walk.disk.version:
            raise RuntimeError(
                f"kill-point {self.position} was asked after its walk went on to {self._walk.position}: "
                "read its states before feeding the next operation"
            )


def _cut_lengths(append: Append) -> list[int]:
    """The byte cuts of an append that are no cut between sectors, in bytes kept, shortest first."""
    return [length for length in range(1, append.length) if (append.offset + length) % SECTOR]


def _file(nodes: dict[int, Node], ino: int) -> File:
    node = nodes[ino]
    assert isinstance(node, File)
    return node


def _named_files(image: DiskImage) -> list[File]:
    """The named regular files, each once, by path."""
    found: dict[int, File] = {}
    for _, ino, node in image.walk():
        if isinstance(node, File):
            found.setdefault(ino, node)
    return list(found.values())
