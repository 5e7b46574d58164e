"""Disk images as files: what goes into a bundle or comes from a stranger. Reading one runs no code and trusts nothing."""

from collections.abc import Mapping
from typing import Final

import msgspec

from harness.disk import DiskImage, File, Folder, Node, SymbolicLink
from harness.trace import ROOT

DEEPEST: Final = 4_096
"""Folders inside each other: a path has at most as many characters (PATH_MAX)."""


class _StoredNode(msgspec.Struct, frozen=True, omit_defaults=True):
    data: bytes | None = None
    entries: dict[str, int] | None = None
    target: str | None = None


class ImageFileError(ValueError):
    """The value is not a stored disk image; the message says why."""


def encode_image(image: DiskImage) -> bytes:
    """The image as JSON: inode number -> one of {"data": base64}, {"entries": {...}}, {"target": "..."}."""
    stored: dict[str, _StoredNode] = {}
    for ino, node in sorted(image.nodes.items()):
        match node:
            case File():
                stored[str(ino)] = _StoredNode(data=node.data)
            case Folder(entries=entries):
                stored[str(ino)] = _StoredNode(entries=entries)
            case SymbolicLink(target=target):
                stored[str(ino)] = _StoredNode(target=target)
    return msgspec.json.encode(stored, order="deterministic")


def decode_image(data: bytes) -> DiskImage:
    """Read what `encode_image` wrote. Raises `ImageFileError` for anything that is not a tree of safe names."""
    try:
        stored = msgspec.json.decode(data, type=dict[int, _StoredNode], strict=False)
    except msgspec.MsgspecError as error:
        raise ImageFileError(f"not a disk image: {error}") from None
    nodes: dict[int, Node] = {}
    for ino, node in stored.items():
        if node.entries is not None:
            for name, child in node.entries.items():
                if name in ("", ".", "..") or "/" in name or "\0" in name:
                    raise ImageFileError(f"not a disk image: {name!r} in folder {ino} is not a file name")
                if child not in stored:
                    raise ImageFileError(
                        f"not a disk image: {name!r} in folder {ino} names inode {child}, which is absent"
                    )
            nodes[ino] = Folder(dict(node.entries))
        elif node.target is not None:
            nodes[ino] = SymbolicLink(node.target)
        elif node.data is not None:
            nodes[ino] = File(node.data)
        else:
            raise ImageFileError(f"not a disk image: inode {ino} is empty")
    if not isinstance(nodes.get(ROOT), Folder):
        raise ImageFileError(f"not a disk image: inode {ROOT} is no folder")
    _demand_tree(nodes)
    return DiskImage(nodes)


def _demand_tree(nodes: Mapping[int, Node]) -> None:
    parents: dict[int, int] = {}
    for ino, node in nodes.items():
        if isinstance(node, Folder):
            for name, child in node.entries.items():
                if isinstance(nodes[child], Folder):
                    if child in parents or child == ROOT:
                        raise ImageFileError(f"not a disk image: folder {child} ({name!r}) has two parents")
                    parents[child] = ino
    depths: dict[int, int] = {}
    for ino in parents:
        _demand_depth(ino, parents, depths)


def _demand_depth(ino: int, parents: Mapping[int, int], depths: dict[int, int]) -> None:
    """Climb until a folder whose depth is known, or that has no parent; `depths` grows by those on the way."""
    way: dict[int, None] = {}
    above: int | None = ino
    while above is not None and above not in depths:
        if above in way:
            raise ImageFileError(f"not a disk image: folder {above} contains itself")
        way[above] = None
        above = parents.get(above)
    depth = depths[above] if above is not None else -1
    for folder in reversed(way):
        depth += 1
        depths[folder] = depth
    if depth > DEEPEST:
        raise ImageFileError(f"not a disk image: folder {ino} lies {depth} folders deep, at most {DEEPEST} are read")
