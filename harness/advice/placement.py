"""Placements: where in a program a sync could stand, or stands, as source lines.

Advice is per line, not per execution: a placement stands for every time its line ran in the trace. Where a sync is
worth trying: right after a line that changed something, for the file it wrote or the folder whose entry it changed; and
right before a rename, for the file that is renamed (one sync there may serve many writes).

Not modelled: a sync in another place than these (at the end of a loop, say), and the line that called a helper: a
program that syncs in one function for all of its files has one line, whoever called it (folders are told apart).
"""

from collections.abc import Iterator, Sequence

import msgspec

from harness.disk import DiskImage, Folder
from harness.explore.inode_names import names_of
from harness.trace import (
    Create,
    FailedSync,
    Fdatasync,
    Fsync,
    Item,
    Link,
    Mark,
    Mkdir,
    Rename,
    Rmdir,
    Source,
    Symlink,
    SyncAll,
    Truncate,
    Unlink,
    Write,
)


class Line(msgspec.Struct, frozen=True, order=True):
    """A line of the subject; in a trace without sources each item is a line of its own (`file` is empty).

    Of a program seen from outside the line is not known: `line` is 0, and `file` says which call of it ("writer: write
    to log"), the same for all its executions.
    """

    file: str
    line: int

    def __str__(self) -> str:
        if self.file and not self.line:
            return self.file
        return f"{self.file.rpartition('/')[2]}:{self.line}" if self.file else f"item {self.line}"


class Placement(msgspec.Struct, frozen=True, order=True):
    """A sync that could be added. `when`: "after" or "before" the line; `what`: "file", "directory" (of the entry that
    the line made, moved or removed), or "old directory" (of a rename)."""

    line: Line
    when: str
    what: str


class Sync(msgspec.Struct, frozen=True, order=True):
    """A line of the program that syncs; of one that syncs several folders, each by its first name."""

    line: Line
    folder: str = ""

    def __str__(self) -> str:
        return f"{self.line} for {self.folder}" if self.folder else str(self.line)


class Occurrence(msgspec.Struct, frozen=True):
    """One execution of an added sync: it runs at kill-point `position` and syncs `ino`."""

    position: int
    ino: int


def line_at(sources: Sequence[Source | None], position: int) -> Line:
    source = sources[position] if position < len(sources) else None
    if source is None:
        return Line("", position)
    if not source.line:  # "4th write to log": which one it was makes no place of its own
        return Line(f"{source.file}: {source.function.partition(' ')[2]}", 0)
    return Line(source.file, source.line)


def placements(items: Sequence[Item], sources: Sequence[Source | None]) -> dict[Placement, list[Occurrence]]:
    """Every place where a sync is worth trying, with its executions in trace order.

    Where the next call is a sync that failed, one added before it would have met the same disk: it is none.
    """
    found: dict[Placement, list[Occurrence]] = {}
    for position, item in enumerate(items):
        if _a_failed_sync_follows(items, position):
            continue
        line = line_at(sources, position)
        for when, what, ino in _around(item):
            at = position + 1 if when == "after" else position
            found.setdefault(Placement(line, when, what), []).append(Occurrence(at, ino))
    return found


def _a_failed_sync_follows(items: Sequence[Item], position: int) -> bool:
    following = next((item for item in items[position + 1 :] if not isinstance(item, Mark)), None)
    return isinstance(following, FailedSync)


def _around(item: Item) -> Iterator[tuple[str, str, int]]:
    match item:
        case Write(ino=ino) | Truncate(ino=ino):
            yield "after", "file", ino
        case Create() | Mkdir() | Symlink() | Link() | Unlink() | Rmdir():
            yield "after", "directory", item.parent
        case Rename():
            yield "before", "file", item.ino
            yield "after", "directory", item.new_parent
            if item.parent != item.new_parent:
                yield "after", "old directory", item.parent


def syncs(base: DiskImage, items: Sequence[Item], sources: Sequence[Source | None]) -> dict[Sync, list[int]]:
    """The syncs of the program, with the positions at which they ran."""
    names = names_of(base, items)
    folders = {ino for ino, node in base.nodes.items() if isinstance(node, Folder)}
    folders |= {item.ino for item in items if isinstance(item, Mkdir)}
    found: dict[Sync, list[int]] = {}
    for position, item in enumerate(items):
        if isinstance(item, Fsync | Fdatasync | SyncAll):
            ino = None if isinstance(item, SyncAll) else item.ino
            folder = names.get(ino, "") if ino in folders and ino is not None else ""
            found.setdefault(Sync(line_at(sources, position), folder), []).append(position)
    return found
