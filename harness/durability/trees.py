"""Trees: one version of all names on a disk, whatever the files contain."""

from collections.abc import Iterable, Mapping
from typing import Final

import xxhash

from harness.disk import DiskImage, File, Folder, Node, Places, SymbolicLink
from harness.durability.units import Edit
from harness.trace import ROOT


class Tree:
    """`folders`: those that differ from the durable ones; `files`: inodes of the named regular files, by path; `places`:
    what kernels found out about paths (`DiskImage.places`).

    `shape` stands for all paths, types, link targets and hard links (a hash): two images are one exactly when their
    shapes and the keys of their files, in order, are equal.
    """

    __slots__ = ("files", "folders", "places", "shape")

    def __init__(self, folders: dict[int, Folder], shape: int, files: tuple[int, ...]) -> None:
        self.folders: Final = folders
        self.places: Final[Places] = {}
        self.shape: Final = shape
        self.files: Final = files


def tree_with(nodes: Mapping[int, Node], edits: Iterable[Edit]) -> Tree:
    """The tree that `nodes` and then `edits`, in order, give."""
    folders: dict[int, Folder] = {}
    for directory, name, ino in edits:
        folder = folders.get(directory)
        if folder is None:
            durable = nodes[directory]
            assert isinstance(durable, Folder)
            folder = folders[directory] = Folder(dict(durable.entries))
        if ino is None:
            folder.entries.pop(name, None)
        else:
            folder.entries[name] = ino
    shape, files = shape_of(nodes, folders)
    return Tree(folders, shape, files)


def shape_of(nodes: Mapping[int, Node], folders: Mapping[int, Folder]) -> tuple[int, tuple[int, ...]]:
    """(shape, inodes of the named regular files by path) of `nodes` with `folders` in place of theirs."""
    rows: list[str] = []
    files: list[int] = []
    first: dict[int, int] = {}
    stack: list[tuple[str, int]] = [("/", ROOT)]
    while stack:
        path, ino = stack.pop()
        node = folders.get(ino) or nodes[ino]
        if ino in first:
            rows.append(f"{path}\0={first[ino]}")
            continue
        first[ino] = len(rows)
        if node.__class__ is File:
            rows.append(f"{path}\0f")
            files.append(ino)
        elif isinstance(node, SymbolicLink):
            rows.append(f"{path}\0@{node.target}")
        elif isinstance(node, Folder):
            rows.append(f"{path}\0/")
            prefix = path if path == "/" else path + "/"
            stack.extend((prefix + name, child) for name, child in sorted(node.entries.items(), reverse=True))
    text = "\0\0".join(rows).encode("utf-8", "surrogateescape")
    return xxhash.xxh3_128_intdigest(text), tuple(files)


StateKey = tuple[int, ...]
"""(shape, keys of the named files by path): equal exactly when `DiskImage.identity` is."""


class CrashImage(DiskImage):
    """A disk image that knows its `state_key`, and the inodes of its named regular files, each once, by path."""

    __slots__ = ("files", "state_key")

    def __init__(
        self, nodes: dict[int, Node], state_key: StateKey, files: tuple[int, ...], places: Places | None = None
    ) -> None:
        self.nodes = nodes
        self.state_key = state_key
        self.files = files
        self.places = places if places is not None else {}

    @classmethod
    def of(cls, image: DiskImage) -> "CrashImage":
        """`image` with its key."""
        if isinstance(image, CrashImage):
            return image
        shape, files = shape_of(image.nodes, {})
        key = [shape]
        for ino in files:
            node = image.nodes[ino]
            assert isinstance(node, File)
            key.append(node.key)
        return cls(image.nodes, tuple(key), files)


def state_key(image: DiskImage) -> StateKey:
    """Equal for two images exactly when their `identity` is; also across walks."""
    return CrashImage.of(image).state_key
