"""Scenes: the factors of the crash states of one kill-point.

A scene is one legal set of the spine: the names, and those units that tie names and files to each other. With it
decided, the contents of the files are independent, so that states are counted as sums of products and listed from short
lists (durability.md, section 5, "factor").
"""

from collections.abc import Callable, Mapping

from harness.disk import File, Node
from harness.durability.counting import bits_of, list_down_sets, union_size
from harness.durability.pending import Pending
from harness.durability.rows import Version
from harness.durability.sights import Sight
from harness.durability.trees import CrashImage, Tree
from harness.durability.units import EntryUnit, UnitId
from harness.durability.versions import FileVersions


class Scene:
    """One legal set of the spine: a tree, and what it leaves `open` about the contents of the files in it. `nameless` are
    the files that have no name in it, and pending units all the same."""

    __slots__ = ("missing", "nameless", "nodes", "open", "survived", "tree")

    def __init__(
        self,
        survived: int,
        tree: Tree,
        nodes: dict[int, Node],
        open_files: dict[int, FileVersions],
        missing: tuple[UnitId, ...],
        nameless: list[FileVersions],
    ) -> None:
        self.survived = survived
        self.tree = tree
        self.nodes = nodes
        self.open = open_files
        self.missing = missing
        self.nameless = nameless

    def at_most(self) -> int:
        total = 1
        for versions in self.open.values():
            total *= versions.at_most()
        return total

    def key_at(self, ino: int) -> int:
        """The key of a file whose contents this scene leaves no choice about."""
        return file_at(self.nodes, ino).key

    def ways(self, decided: Mapping[int, Version | Sight]) -> int:
        """How many legal sets of units are in this scene and fit what was decided about files."""
        total = 1
        for ino, versions in self.open.items():
            found = decided.get(ino)
            if found is None:
                total *= versions.ways()
            elif isinstance(found, Version):
                total *= versions.keyed_ways()[found.key]
            else:
                total *= found.ways()
        for versions in self.nameless:
            total *= versions.ways()
        return total

    def holds(self, image: CrashImage) -> bool:
        """Whether `image`, whose inodes are those of this walk or not, is one of the scene's."""
        if image.state_key[0] != self.tree.shape:
            return False
        for ino, theirs, key in zip(self.tree.files, image.files, image.state_key[1:], strict=True):
            versions = self.open.get(ino)
            if versions is None:
                if key != self.key_at(ino):
                    return False
            elif not versions.holds(file_at(image.nodes, theirs)):
                return False
        return True


class Scenes:
    """The scenes of one kill-point, made when first asked for."""

    __slots__ = ("_bound", "_disk", "_found", "_too_many", "_tree_of", "_versions_of")

    def __init__(self, disk: Pending, tree_of: Callable[[int], Tree], bound: int) -> None:
        self._disk = disk
        self._tree_of = tree_of
        self._bound = bound
        self._found: list[Scene] | None = None
        self._too_many = False
        self._versions_of: dict[tuple[int, int, int], FileVersions] = {}

    def scenes(self) -> list[Scene] | None:
        """All of them, the fullest first; None where there are more than the bound."""
        if self._found is None and not self._too_many:
            disk = self._disk
            down = {bit: disk.units[bit].down & disk.spine for bit in bits_of(disk.spine)}
            sets = list_down_sets(down, self._bound)
            self._too_many = sets is None
            if sets is not None:
                self._found = [self.scene_of(survived) for survived in sets]
        return self._found

    def scene_of(self, survived: int) -> Scene:
        """The scene of one down-set of the spine."""
        disk = self._disk
        tree = self._tree_of(survived)
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
        nameless: list[FileVersions] = []
        named = set(tree.files)
        for ino, history in disk.histories.items():
            if ino in named:
                open_files[ino] = self._versions(ino, inside, outside)
                continue
            nameless.append(self._versions(ino, inside, outside))
            if outside:
                missing += [unit.id for unit in history.units() if unit.bit & outside]
        nodes: dict[int, Node] = {**disk.nodes, **tree.folders}
        return Scene(survived, tree, nodes, open_files, tuple(missing), nameless)

    def _versions(self, ino: int, inside: int, outside: int) -> FileVersions:
        disk = self._disk
        history = disk.histories[ino]
        if inside or outside:
            own = 0
            for unit in history.units():
                own |= unit.bit
            inside, outside = inside & own, outside & own
        name = (ino, inside, outside)
        versions = self._versions_of.get(name)
        if versions is None:
            versions = self._versions_of[name] = FileVersions(history, disk.pending, inside, outside)
        return versions


def distinct_in(scenes: list[Scene], limit: int) -> tuple[int, bool]:
    """(number of different images, whether it is exact or an upper bound); lists no file's versions beyond `limit`."""
    shapes: dict[int, list[Scene]] = {}
    for scene in scenes:
        shapes.setdefault(scene.tree.shape, []).append(scene)
    total, exact = 0, True
    for alike in shapes.values():
        count, sure = _distinct_alike(alike, limit)
        total += count
        exact = exact and sure
    return total, exact


def _distinct_alike(scenes: list[Scene], limit: int) -> tuple[int, bool]:
    """How many different images scenes of one shape have: a union of products."""
    kinds = {
        tuple(
            id(scene.open[ino]) if ino in scene.open else file_at(scene.nodes, ino).key for ino in scene.tree.files
        ): scene
        for scene in scenes
    }
    if len(kinds) == 1:
        (scene,) = kinds.values()
        total, exact = 1, True
        for versions in scene.open.values():
            if versions.distinct_sizes():
                total, exact = total * versions.at_most(), exact and versions.counted()
            elif versions.at_most() <= limit:
                total *= len(versions.keys())
            else:
                total, exact = total * versions.at_most(), False
        return total, exact
    if any(versions.at_most() > limit for scene in kinds.values() for versions in scene.open.values()):
        return sum(scene.at_most() for scene in kinds.values()), False
    boxes = [
        tuple(
            scene.open[ino].keys() if ino in scene.open else frozenset((file_at(scene.nodes, ino).key,))
            for ino in scene.tree.files
        )
        for scene in kinds.values()
    ]
    return union_size(boxes), True


def file_at(nodes: Mapping[int, Node], ino: int) -> File:
    """The regular file `ino`."""
    node = nodes[ino]
    assert isinstance(node, File)
    return node
