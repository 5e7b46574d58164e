"""Disk images: immutable trees of inodes that share what did not change.

A `DiskImage` maps inode numbers to nodes; nodes are immutable, so two images that differ in one file share all
others. Applying an operation gives a new image. The same `apply_to` drives the simulated kernel, the replay of a
trace and the crash states: there is one meaning of an operation in the house.

A `File` shares its buffer with the versions it was appended to: version *n* of a log and version *n+1* look at one
growing buffer, each up to its own size, as does every prefix of it. A crash state that cuts an append costs no copy.

Not modelled: times, owners, permission bits, sparse blocks (a hole is zeros).
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import xxhash

from harness.trace import (
    ROOT,
    Create,
    Evict,
    FailedSync,
    Fdatasync,
    Fsync,
    Item,
    Link,
    Mark,
    Mkdir,
    Rename,
    Revert,
    Rmdir,
    Symlink,
    SyncAll,
    Truncate,
    Unlink,
    Write,
)

SECTOR: Final = 512
"""Bytes a disk writes atomically (durability.md, section 1)."""


class File:
    """The content of a regular file: the first `size` bytes of `buffer`.

    `key` identifies the content: 128 bits, the XOR of a hash of each sector (seeded with its index), so that a
    version costs what it changed. Two files with equal keys have equal bytes (to 2**-64 for non-adversarial input).
    """

    __slots__ = ("_key", "_origin", "buffer", "size")

    def __init__(self, buffer: bytes | bytearray = b"", size: int | None = None) -> None:
        self.buffer = buffer
        self.size = len(buffer) if size is None else size
        self._key: int | None = None
        # (an older version, the first byte that changed since): lets `key` be computed from the older one's, then
        # dropped. Never a chain: versions in between, whose key nobody asked for, must not live on.
        self._origin: tuple[File, int] | None = None

    @property
    def data(self) -> bytes:
        """The whole content, a copy."""
        if isinstance(self.buffer, bytes) and self.size == len(self.buffer):
            return self.buffer
        return bytes(memoryview(self.buffer)[: self.size])

    def read(self, offset: int, count: int) -> bytes:
        end = min(offset + count, self.size)
        return bytes(memoryview(self.buffer)[offset:end]) if offset < end else b""

    def write(self, offset: int, data: bytes) -> "File":
        size, buffer = self.size, self.buffer
        if offset == size == len(buffer) and buffer.__class__ is bytearray:
            buffer += data
            # What `File(…)` and `_descend_from` do, without their calls: an append is the commonest operation.
            new = _new_file(File)
            new.buffer = buffer
            new.size = size + len(data)
            new._key = None
            origin = self._origin
            new._origin = (self, size) if origin is None else origin if origin[1] <= size else (origin[0], size)
            return new
        end = offset + len(data)
        buffer = bytearray(memoryview(buffer)[:size])
        if offset > size:
            buffer += bytes(offset - size)
        buffer[offset:end] = data
        new = File(buffer, len(buffer))
        new._descend_from(self, min(offset, size))
        return new

    def truncate(self, size: int) -> "File":
        if size <= self.size:
            new = File(self.buffer, size)
        else:
            buffer = bytearray(memoryview(self.buffer)[: self.size])
            buffer += bytes(size - self.size)
            new = File(buffer, size)
        new._descend_from(self, min(size, self.size))
        return new

    def _descend_from(self, older: "File", changed: int) -> None:
        origin = older._origin
        self._origin = (older, changed) if origin is None else (origin[0], min(origin[1], changed))

    @property
    def key(self) -> int:
        if self._key is None:
            self._key = self._compute_key()
            self._origin = None
        return self._key

    def _compute_key(self) -> int:
        if self._origin is None:
            return _sectors_key(self.buffer, 0, self.size) ^ size_key(self.size)
        older, changed = self._origin
        first = changed - changed % SECTOR
        # A write in the middle leaves a tail that did not change; hashing it again is rare and only costs time.
        return (
            older.key
            ^ size_key(older.size)
            ^ _sectors_key(older.buffer, first, older.size)
            ^ _sectors_key(self.buffer, first, self.size)
            ^ size_key(self.size)
        )

    @classmethod
    def keyed(cls, buffer: bytes | bytearray, size: int, key: int) -> "File":
        """A content whose key is known, from `sector_key` and `size_key`; nothing is hashed."""
        file = cls.__new__(cls)
        file.buffer = buffer
        file.size = size
        file._key = key
        file._origin = None
        return file


_new_file: Final = File.__new__


def size_key(size: int) -> int:
    """What the size contributes to `File.key`."""
    return xxhash.xxh3_128_intdigest(size.to_bytes(8, "little"), seed=2**63)


def sector_key(index: int, data: bytes | bytearray | memoryview) -> int:
    """What sector `index` contributes to `File.key`; `data`: its bytes, at most `SECTOR`, fewer at the file's end."""
    return xxhash.xxh3_128_intdigest(data, seed=index)


def _sectors_key(buffer: bytes | bytearray, first: int, size: int) -> int:
    key = 0
    hash_of = xxhash.xxh3_128_intdigest
    view = memoryview(buffer)
    for start in range(first, size, SECTOR):
        key ^= hash_of(view[start : min(start + SECTOR, size)], seed=start // SECTOR)
    view.release()
    return key


class Folder:
    """A folder's entries: name -> inode number. Never changed in place."""

    __slots__ = ("entries",)

    def __init__(self, entries: dict[str, int] | None = None) -> None:
        self.entries: dict[str, int] = entries if entries is not None else {}

    def with_entry(self, name: str, ino: int) -> "Folder":
        return Folder({**self.entries, name: ino})

    def without(self, name: str) -> "Folder":
        entries = dict(self.entries)
        entries.pop(name, None)
        return Folder(entries)


class SymbolicLink:
    """A symbolic link's target, as text."""

    __slots__ = ("target",)

    def __init__(self, target: str) -> None:
        self.target = target


Node: TypeAlias = File | Folder | SymbolicLink

Places: TypeAlias = dict[tuple[str, bool], tuple[int, str, int | None]]


def apply_to(nodes: dict[int, Node], op: Item) -> None:
    """Do to `nodes`, in place, what `op` did to the running disk; syncs and marks change nothing.

    The operation is taken as one that succeeded: KeyError or TypeError means that the trace does not fit the disk.
    """
    match op:
        case Write(ino=ino, offset=offset, data=data):
            nodes[ino] = _file(nodes, ino).write(offset, data)
        case Truncate(ino=ino, size=size):
            nodes[ino] = _file(nodes, ino).truncate(size)
        case Create(ino=ino, parent=parent, name=name):
            nodes[ino] = File(bytearray())
            nodes[parent] = _folder(nodes, parent).with_entry(name, ino)
        case Mkdir(ino=ino, parent=parent, name=name):
            nodes[ino] = Folder()
            nodes[parent] = _folder(nodes, parent).with_entry(name, ino)
        case Symlink(ino=ino, parent=parent, name=name, target=target):
            nodes[ino] = SymbolicLink(target)
            nodes[parent] = _folder(nodes, parent).with_entry(name, ino)
        case Link(ino=ino, parent=parent, name=name):
            nodes[parent] = _folder(nodes, parent).with_entry(name, ino)
        case Unlink(parent=parent, name=name) | Rmdir(parent=parent, name=name):
            nodes[parent] = _folder(nodes, parent).without(name)
        case Rename():
            nodes[op.parent] = _folder(nodes, op.parent).without(op.name)
            nodes[op.new_parent] = _folder(nodes, op.new_parent).with_entry(op.new_name, op.ino)
            if op.exchanged and op.replaced is not None:
                nodes[op.parent] = _folder(nodes, op.parent).with_entry(op.name, op.replaced)
        case Evict(ino=ino, pieces=pieces):
            nodes[ino] = _with_pieces(_file(nodes, ino), pieces)
        case Revert(ino=ino, size=size, pieces=pieces):
            nodes[ino] = _with_pieces(_file(nodes, ino).truncate(size), pieces)
        case Fsync() | Fdatasync() | SyncAll() | FailedSync() | Mark():
            pass


def _with_pieces(file: File, pieces: tuple[tuple[int, bytes], ...]) -> File:
    for offset, data in pieces:
        file = file.write(offset, data)
    return file


def _file(nodes: Mapping[int, Node], ino: int) -> File:
    node = nodes[ino]
    if not isinstance(node, File):
        raise TypeError(f"inode {ino} is a {type(node).__name__}, the operation needs a File")
    return node


def _folder(nodes: Mapping[int, Node], ino: int) -> Folder:
    node = nodes[ino]
    if not isinstance(node, Folder):
        raise TypeError(f"inode {ino} is a {type(node).__name__}, the operation needs a Folder")
    return node


class DiskImage:
    """What a disk holds: inode number -> node, from the root folder `ROOT` down.

    Inodes that no path reaches may be present (an open, unlinked file of a living process); they are not part of the
    image's identity, and after a crash they do not exist.

    `places` is where a kernel notes how it resolved a path, (path, last link followed) -> (folder, name, inode or None):
    images that differ only in the contents of files share it, so that a sweep resolves a path once and not in each state.
    """

    __slots__ = ("nodes", "places")

    def __init__(self, nodes: dict[int, Node] | None = None) -> None:
        self.nodes: dict[int, Node] = nodes if nodes is not None else {ROOT: Folder()}
        self.places: Places = {}

    @classmethod
    def with_folders(cls, *paths: str) -> "DiskImage":
        """An image with these empty folders (and their parents), all of it durable."""
        image = cls()
        for path in paths:
            image = image._with_folder([part for part in path.split("/") if part])
        return image

    @classmethod
    def made_by(cls, items: Iterable[Item]) -> "DiskImage":
        """What these operations make of an empty disk. KeyError or TypeError where they do not fit it."""
        image = cls()
        for item in items:
            apply_to(image.nodes, item)
        return image

    def _with_folder(self, parts: list[str]) -> "DiskImage":
        image, ino = self, ROOT
        for name in parts:
            entries = _folder(image.nodes, ino).entries
            if name not in entries:
                image = image.apply(Mkdir(image.next_ino, ino, name))
            ino = _folder(image.nodes, ino).entries[name]
        return image

    @property
    def next_ino(self) -> int:
        return max(self.nodes) + 1

    def apply(self, op: Item) -> "DiskImage":
        nodes = dict(self.nodes)
        apply_to(nodes, op)
        return DiskImage(nodes)

    def with_files(self, files: Mapping[int, File]) -> "DiskImage":
        """The same tree with other contents for some inodes."""
        return DiskImage({**self.nodes, **files})

    def walk(self) -> Iterator[tuple[str, int, Node]]:
        """(path, inode number, node) of all that has a name, sorted by path; the root is "/"."""
        stack: list[tuple[str, int]] = [("/", ROOT)]
        while stack:
            path, ino = stack.pop()
            node = self.nodes[ino]
            yield path, ino, node
            if isinstance(node, Folder):
                prefix = path.rstrip("/")
                stack.extend((f"{prefix}/{name}", node.entries[name]) for name in sorted(node.entries, reverse=True))

    def paths(self) -> dict[int, str]:
        """Inode number -> its first path."""
        found: dict[int, str] = {}
        for path, ino, _ in self.walk():
            found.setdefault(ino, path)
        return found

    def lookup(self, path: str) -> Node | None:
        """The node at `path` (symbolic links are not followed); None where there is none."""
        node: Node = self.nodes[ROOT]
        for name in path.split("/"):
            if name:
                if not isinstance(node, Folder) or name not in node.entries:
                    return None
                node = self.nodes[node.entries[name]]
        return node

    def read_file(self, path: str) -> bytes:
        """The bytes of the regular file at `path`; FileNotFoundError where there is none."""
        node = self.lookup(path)
        if not isinstance(node, File):
            raise FileNotFoundError(f"no regular file at {path} in this image")
        return node.data

    def identity(self) -> tuple[tuple[str, int, int | str], ...]:
        """Equal for two images with the same paths, types, bytes, link targets and hard-link identity.

        Each row is (path, group, content): `group` is the row number of the inode's first path.
        """
        rows: list[tuple[str, int, int | str]] = []
        first: dict[int, int] = {}
        for path, ino, node in self.walk():
            group = first.setdefault(ino, len(rows))
            content: int | str
            match node:
                case File():
                    content = node.key
                case SymbolicLink(target=target):
                    content = "@" + target
                case Folder():
                    content = "/"
            rows.append((path, group, content))
        return tuple(rows)

    def digest(self) -> str:
        """128 bits in hex over `identity`."""
        return xxhash.xxh3_128_hexdigest(repr(self.identity()).encode("utf-8", "surrogateescape"))

    def export(self, folder: Path) -> None:
        """Write the tree into the real, existing, empty `folder`; symbolic links are created, never followed."""
        made: dict[int, Path] = {}
        for path, ino, node in self.walk():
            if path == "/":
                continue
            target = folder / path[1:]
            if ino in made:
                os.link(made[ino], target, follow_symlinks=False)
                continue
            match node:
                case Folder():
                    target.mkdir()
                case File():
                    target.write_bytes(node.data)
                    made[ino] = target
                case SymbolicLink():
                    target.symlink_to(node.target)
                    made[ino] = target

    @classmethod
    def load(cls, folder: Path) -> "DiskImage":
        """Read a real folder (regular files, folders, symbolic links, hard links) as the root of an image."""
        nodes: dict[int, Node] = {ROOT: Folder()}
        seen: dict[tuple[int, int], int] = {}

        def read(real: Path, ino: int) -> None:
            entries: dict[str, int] = {}
            for item in sorted(real.iterdir()):
                status = item.lstat()
                known = seen.get((status.st_dev, status.st_ino))
                if known is not None:
                    entries[item.name] = known
                    continue
                child = max(nodes) + 1
                if item.is_symlink():
                    nodes[child] = SymbolicLink(os.readlink(item))
                elif item.is_dir():
                    nodes[child] = Folder()
                    read(item, child)
                else:
                    nodes[child] = File(item.read_bytes())
                if not isinstance(nodes[child], Folder):
                    seen[(status.st_dev, status.st_ino)] = child
                entries[item.name] = child
            nodes[ino] = Folder(entries)

        read(folder, ROOT)
        return cls(nodes)
