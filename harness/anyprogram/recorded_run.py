"""A recorded run as it is swept: a trace, the disk it began on, and what a checker is told at each kill-point.

Trace files come from strangers. Before any of it becomes a folder of this machine, each item is held against a tree of
names: names that are no names (`..`, `a/b`, NUL), folders with two parents, inodes that nobody made, sizes that nobody
can hold are refused, with the item's number.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from harness.anyprogram.checker import line_of
from harness.disk import DiskImage, File, Folder, SymbolicLink, apply_to
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
    Source,
    Symlink,
    Trace,
    TraceFileError,
    Truncate,
    Unlink,
    Write,
    decode,
    describe,
)

LARGEST_TRACE: Final = 1 << 30
"""Bytes of a trace file."""

LARGEST_DISK: Final = 1 << 30
"""Bytes of all files of a trace together, each at its largest."""

LONGEST_NAME: Final = 255
DEEPEST: Final = 64
"""Folders within folders: below it, a path of long names is still one that the system takes."""


class UnfitTrace(ValueError):
    """The trace cannot be swept; the message says which item, and why."""


class RecordedRun:
    """`name` for reports; `base`, the disk before the first item, all of it durable."""

    def __init__(self, name: str, base: DiskImage, trace: Trace) -> None:
        self.name: Final = name
        self.base: Final = base
        self.trace: Final = trace
        self.items: Final[Sequence[Item]] = trace.items
        self.sources: Final[Sequence[Source | None]] = trace.sources
        self._lines = [line_of(item) for item in trace.items if isinstance(item, Mark)]
        self._told_at = [0]
        for item in trace.items:
            self._told_at.append(self._told_at[-1] + isinstance(item, Mark))

    @property
    def end(self) -> int:
        return len(self.items)

    def told_at(self, position: int) -> int:
        """How many marks came before the kill-point."""
        return self._told_at[position]

    def input_at(self, position: int) -> bytes:
        """These marks, as a checker reads them."""
        return b"".join(self._lines[: self._told_at[position]])

    def disk_at(self, position: int) -> DiskImage:
        """The disk as the program saw it before item `position`."""
        nodes = dict(self.base.nodes)
        for item in self.items[:position]:
            apply_to(nodes, item)
        return DiskImage(nodes)

    @property
    def largest_state(self) -> int:
        """At most this many bytes are in any state of the run."""
        sizes = {ino: node.size for ino, node in self.base.nodes.items() if isinstance(node, File)}
        for item in self.items:
            if isinstance(item, Write):
                sizes[item.ino] = max(sizes.get(item.ino, 0), item.offset + len(item.data))
            elif isinstance(item, Truncate | Revert):
                sizes[item.ino] = max(sizes.get(item.ino, 0), item.size)
        return sum(sizes.values())


def load_run(file: Path, folders: Sequence[str] = ("/data",)) -> RecordedRun:
    """Read a trace file. `folders`: what was there before, for a trace that does not tell. Raises UnfitTrace."""
    try:
        size = file.stat().st_size
        if size > LARGEST_TRACE:
            raise UnfitTrace(f"{file} has {size} bytes; a trace has at most {LARGEST_TRACE}")
        trace = decode(file.read_bytes())
    except OSError as error:
        raise UnfitTrace(f"cannot read {file}: {error.strerror or error}") from None
    except (TraceFileError, RecursionError) as error:
        raise UnfitTrace(f"{file}: {error}") from None
    return run_of(file.name, trace, folders)


def run_of(name: str, trace: Trace, folders: Sequence[str] = ("/data",)) -> RecordedRun:
    """The run of a trace in memory; see `load_run`."""
    if trace.program is None:
        base = DiskImage.with_folders(*folders)
    else:
        demand_sound(name, DiskImage(), trace.base)
        base = DiskImage.made_by(trace.base)
    demand_sound(name, base, trace.items)
    return RecordedRun(name, base, trace)


def demand_sound(name: str, base: DiskImage, items: Iterable[Item]) -> None:
    """Raises UnfitTrace for the first item that no file system would have done, or that is too large to play."""
    tree = _Tree(base)
    for position, item in enumerate(items):
        why = tree.refusal(item)
        if why:
            raise UnfitTrace(f"{name}: item {position} ({describe(item)[:200]}): {why}")


class _Tree:
    """The names of a disk, and the kinds and sizes of its inodes, while items are held against them."""

    def __init__(self, base: DiskImage) -> None:
        self.entries: dict[int, dict[str, int]] = {}
        self.sizes: dict[int, int] = {}
        self.links: set[int] = set()
        self.above: dict[int, int] = {}
        for ino, node in base.nodes.items():
            match node:
                case Folder(entries=entries):
                    self.entries[ino] = dict(entries)
                case File(size=size):
                    self.sizes[ino] = size
                case SymbolicLink():
                    self.links.add(ino)
        self.held = sum(self.sizes.values())
        for ino, entries in self.entries.items():
            self.above |= {child: ino for child in entries.values() if child in self.entries}

    def refusal(self, item: Item) -> str:
        """Why the item cannot have happened; "" where it can, and has now."""
        match item:
            case Mark():
                return ""
            case Create() | Mkdir() | Symlink():
                return self._made(item)
            case Link(ino=ino, parent=parent, name=name):
                if ino not in self.sizes and ino not in self.links:
                    return f"inode {ino} is no file"
                return self._enter(parent, name, ino)
            case Unlink(ino=ino, parent=parent, name=name) | Rmdir(ino=ino, parent=parent, name=name):
                if self.entries.get(parent, {}).get(name) != ino:
                    return f"inode {ino} is not called {name!r} in folder {parent}"
                if isinstance(item, Rmdir) == (ino not in self.entries) or self.entries.get(ino):
                    return f"inode {ino} cannot be removed like this"
                del self.entries[parent][name]
                return ""
            case Rename():
                return self._renamed(item)
            case Write(ino=ino, offset=offset, data=data):
                return self._sized(ino, [(offset, len(data))])
            case Truncate(ino=ino, size=size):
                return self._sized(ino, [(size, 0)])
            case Evict(ino=ino, pieces=pieces):
                return self._sized(ino, [(offset, len(data)) for offset, data in pieces])
            case Revert(ino=ino, size=size, pieces=pieces):
                return self._sized(ino, [(size, 0), *((offset, len(data)) for offset, data in pieces)])
            case Fsync(ino=ino) | Fdatasync(ino=ino) | FailedSync(ino=ino):
                known = ino in self.sizes or ino in self.entries or ino in self.links
                return "" if known else f"nobody made inode {ino}{_before()}"
        return ""

    def _made(self, item: Create | Mkdir | Symlink) -> str:
        ino = item.ino
        if ino <= ROOT or ino in self.sizes or ino in self.entries or ino in self.links:
            return f"inode {ino} is there already"
        if isinstance(item, Symlink) and (not item.target or "\0" in item.target or len(item.target) > 4_000):
            return "its target is no path"
        why = self._enter(item.parent, item.name, ino)
        if why:
            return why
        if isinstance(item, Create):
            self.sizes[ino] = 0
        elif isinstance(item, Symlink):
            self.links.add(ino)
        else:
            self.entries[ino] = {}
            self.above[ino] = item.parent
            if self._depth(ino) > DEEPEST:
                return f"more than {DEEPEST} folders within each other"
        return ""

    def _enter(self, parent: int, name: str, ino: int) -> str:
        if parent not in self.entries:
            return f"nobody made folder {parent}{_before()}"
        why = _no_name(name)
        if not why and name in self.entries[parent]:
            why = f"{name!r} is in folder {parent} already"
        if not why:
            self.entries[parent][name] = ino
        return why

    def _renamed(self, item: Rename) -> str:
        old, new = self.entries.get(item.parent), self.entries.get(item.new_parent)
        if old is None or new is None:
            return f"nobody made folder {item.parent if old is None else item.new_parent}{_before()}"
        if old.get(item.name) != item.ino:
            return f"inode {item.ino} is not called {item.name!r} in folder {item.parent}"
        if new.get(item.new_name) != item.replaced or (item.exchanged and item.replaced is None):
            return f"{item.new_name!r} in folder {item.new_parent} is not inode {item.replaced}"
        why = _no_name(item.new_name)
        if why:
            return why
        moved = [(item.ino, item.new_parent)]
        if item.exchanged and item.replaced is not None:
            moved.append((item.replaced, item.parent))
        elif item.replaced is not None and self.entries.get(item.replaced):
            return f"folder {item.replaced} is not empty"
        if any(ino in self.entries and self._is_within(parent, ino) for ino, parent in moved):
            return "a folder would be within itself"
        if item.exchanged and item.replaced is not None:
            old[item.name] = item.replaced
        else:
            del old[item.name]
        new[item.new_name] = item.ino
        for ino, parent in moved:
            if ino in self.entries:
                self.above[ino] = parent
                if self._depth(ino) > DEEPEST:
                    return f"more than {DEEPEST} folders within each other"
        return ""

    def _sized(self, ino: int, pieces: Sequence[tuple[int, int]]) -> str:
        if ino not in self.sizes:
            return f"inode {ino} is no file that was made here{_before()}"
        for offset, length in pieces:
            if offset < 0 or offset + length > LARGEST_DISK:
                return f"byte {offset + length} is beyond {LARGEST_DISK}, the most that all files may have here"
            grown = max(0, offset + length - self.sizes[ino])
            self.sizes[ino] += grown
            self.held += grown
        if self.held > LARGEST_DISK:
            return f"all files together have {self.held} bytes, {LARGEST_DISK} is the most"
        return ""

    def _is_within(self, folder: int, other: int) -> bool:
        while folder != other and folder in self.above:
            folder = self.above[folder]
        return folder == other

    def _depth(self, folder: int) -> int:
        depth = 0
        while folder in self.above and depth <= DEEPEST:
            folder, depth = self.above[folder], depth + 1
        return depth


def _before() -> str:
    return ": name the folders that were there before with --folder, in the order in which they were made"


def _no_name(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        return f"{name!r} is no file name"
    try:
        length = len(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return f"{name!r} is no file name"
    return f"the name has {length} bytes, {LONGEST_NAME} is the most" if length > LONGEST_NAME else ""
