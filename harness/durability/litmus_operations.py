"""Litmus questions about single operations: overlapping writes, holes, truncations, open files that lose their name, hard
links, folders that move. Each names every profile that allows the image, and the reason.

Numbers of rules are those of durability.md, section 2; "units" is its section 1.
"""

from collections.abc import Callable
from typing import Final

from harness.disk import DiskImage, File
from harness.durability.litmus import Question
from harness.durability.litmus_programs import DATA, base_with, content_of
from harness.durability.litmus_questions import BTRFS, EVERY_DISK, UNORDERED, WRITEBACK
from harness.trace import Create, Fsync, Link, Mkdir, Rename, Truncate, Unlink, Write

_NONE: Final[frozenset[str]] = frozenset()
_TORN_RENAMES: Final = frozenset({"ext2", "paranoid"})
_NOT_IN_TRACE_ORDER: Final = EVERY_DISK - {"ext4-journal"}

NEW: Final = 3
CUR: Final = 4


def _with_folders() -> DiskImage:
    """/data/new with a file in it, and /data/cur."""
    image = DiskImage.with_folders("/data", "/data/new", "/data/cur")
    return image.apply(Create(5, NEW, "old")).apply(Write(5, 0, b"old"))


def _holds(name: str, content: bytes) -> Callable[[DiskImage], bool]:
    def shown(image: DiskImage) -> bool:
        return content_of(image, name) == content

    return shown


def _has(*paths: str) -> Callable[[DiskImage], bool]:
    def shown(image: DiskImage) -> bool:
        return all(image.lookup(f"/data/{path}") is not None for path in paths)

    return shown


def _lacks(*paths: str) -> Callable[[DiskImage], bool]:
    def shown(image: DiskImage) -> bool:
        return all(image.lookup(f"/data/{path}") is None for path in paths)

    return shown


def _differ(one: str, other: str) -> Callable[[DiskImage], bool]:
    def shown(image: DiskImage) -> bool:
        first, second = image.lookup(f"/data/{one}"), image.lookup(f"/data/{other}")
        return isinstance(first, File) and isinstance(second, File) and first.data != second.data

    return shown


_CONTENTS: Final = (
    Question(
        name="two writes into one sector: the second without the first",
        base=base_with(log=b"o" * 512),
        items=(Write(3, 0, b"a" * 100), Write(3, 50, b"b" * 100)),
        shows=_holds("log", b"o" * 50 + b"b" * 100 + b"o" * 362),
        may=_NONE,
        reason="rule 1: the data of one sector reaches the disk in order, there is one copy of it in the cache",
    ),
    Question(
        name="two writes into one sector: the first without the second",
        base=base_with(log=b"o" * 512),
        items=(Write(3, 0, b"a" * 100), Write(3, 50, b"b" * 100)),
        shows=_holds("log", b"a" * 100 + b"o" * 412),
        may=EVERY_DISK,
        reason="the cache may be written back between the two",
    ),
    Question(
        name="two writes into two sectors: the second without the first",
        base=base_with(log=b"o" * 1_024),
        items=(Write(3, 0, b"a" * 100), Write(3, 600, b"b" * 100)),
        shows=_holds("log", b"o" * 600 + b"b" * 100 + b"o" * 324),
        may=_NOT_IN_TRACE_ORDER,
        reason="units: each sector persists for itself; only data=journal keeps the order of the trace",
    ),
    Question(
        name="an overwrite across a sector edge: its second half alone",
        base=base_with(log=b"o" * 1_024),
        items=(Write(3, 500, b"n" * 24),),
        shows=_holds("log", b"o" * 512 + b"n" * 12 + b"o" * 500),
        may=_NOT_IN_TRACE_ORDER,
        reason="units: more than one sector is never atomic, and which comes first is the disk's choice",
    ),
    Question(
        name="an overwrite across a sector edge: its first half alone",
        base=base_with(log=b"o" * 1_024),
        items=(Write(3, 500, b"n" * 24),),
        shows=_holds("log", b"o" * 500 + b"n" * 12 + b"o" * 512),
        may=EVERY_DISK,
        reason="units: more than one sector is never atomic, data=journal included (Pillai et al., table 1)",
    ),
    Question(
        name="an overwrite within a sector: a part of it",
        base=base_with(log=b"o" * 512),
        items=(Write(3, 0, b"n" * 100),),
        shows=_holds("log", b"n" * 50 + b"o" * 462),
        may=_NONE,
        reason="units: a single-sector overwrite is atomic",
    ),
    Question(
        name="a write behind a hole: its size without its data",
        base=base_with(log=b""),
        items=(Write(3, 2_048, b"x" * 100),),
        shows=_holds("log", bytes(2_148)),
        may=UNORDERED | WRITEBACK,
        reason="rule 5: only where data comes before the size that exposes it is there no zero tail",
    ),
    Question(
        name="a write behind a hole, then one into the hole: the second alone",
        base=base_with(log=b""),
        items=(Write(3, 1_024, b"e" * 10), Write(3, 0, b"h" * 10)),
        shows=_holds("log", b"h" * 10),
        may=_NONE,
        reason="units: the size goes from 0 to 1,034 at once, there is no size that shows the beginning only",
    ),
    Question(
        name="a write behind a hole, then one into the hole: the first alone",
        base=base_with(log=b""),
        items=(Write(3, 1_024, b"e" * 10), Write(3, 0, b"h" * 10)),
        shows=_holds("log", bytes(1_024) + b"e" * 10),
        may=EVERY_DISK,
        reason="nothing that came later has to be there",
    ),
    Question(
        name="a file cut and appended to: the old bytes behind the cut",
        base=base_with(log=b"o" * 300),
        items=(Truncate(3, 100), Write(3, 100, b"n" * 50)),
        shows=_holds("log", b"o" * 150),
        may=_NONE,
        reason="units: a shrink discards every earlier byte behind it, whatever the size becomes",
    ),
    Question(
        name="a file cut and appended to: zeros in place of the append",
        base=base_with(log=b"o" * 300),
        items=(Truncate(3, 100), Write(3, 100, b"n" * 50)),
        shows=_holds("log", b"o" * 100 + bytes(50)),
        may=UNORDERED | WRITEBACK,
        reason="rule 5: the append has a size that exposes it",
    ),
    Question(
        name="a file cut to nothing and written anew, shorter: the new bytes and the old rest",
        base=base_with(log=b"o" * 300),
        items=(Truncate(3, 0), Write(3, 0, b"n" * 100)),
        shows=_holds("log", b"n" * 100 + b"o" * 200),
        may=_NOT_IN_TRACE_ORDER,
        reason="no rule puts the data of a file behind an earlier shrink, but the total order of data=journal",
    ),
    Question(
        name="a file made longer: not yet longer",
        base=base_with(log=b"o" * 300),
        items=(Truncate(3, 2_000),),
        shows=_holds("log", b"o" * 300),
        may=EVERY_DISK,
        reason="a size is pending until it is synced",
    ),
    Question(
        name="a file made longer, then written to: zeros in place of the data",
        base=base_with(log=b"o" * 300),
        items=(Truncate(3, 2_000), Write(3, 1_000, b"n" * 100)),
        shows=_holds("log", b"o" * 300 + bytes(1_700)),
        may=EVERY_DISK,
        reason="rule 5 binds a size to data that came before it: room that is made first is zeros",
    ),
)

_NAMES: Final = (
    Question(
        name="a replaced file that is still open is appended to and synced: the late bytes under the name",
        base=base_with(state=b"old", tmp=b"new"),
        items=(Rename(4, DATA, "tmp", DATA, "state", 3), Write(3, 3, b" late"), Fsync(3)),
        shows=_holds("state", b"old late"),
        may=UNORDERED | BTRFS,
        reason="rule 9: the sync commits the rename along with the size; rule 8 is about names that the file has",
    ),
    Question(
        name="a replaced file that is still open is written to: the late bytes in the new file",
        base=base_with(state=b"old", tmp=b"new"),
        items=(Rename(4, DATA, "tmp", DATA, "state", 3), Write(3, 0, b"LATE"), Fsync(3)),
        shows=_holds("state", b"LATE"),
        may=UNORDERED | BTRFS,
        reason="the old file may have its name back, with them; the new one never has them",
    ),
    Question(
        name="an unlinked file that is still open is appended to and synced: back, with the late bytes",
        base=base_with(log=b"old"),
        items=(Unlink(3, DATA, "log"), Write(3, 3, b" late"), Fsync(3)),
        shows=_holds("log", b"old late"),
        may=UNORDERED | BTRFS,
        reason="rule 9: the sync commits the unlink along with the size; rule 8 is about names that the file has",
    ),
    Question(
        name="an unlinked file, its folder synced, is written to: back",
        base=base_with(log=b"old"),
        items=(Unlink(3, DATA, "log"), Fsync(DATA), Write(3, 3, b" late"), Fsync(3)),
        shows=_has("log"),
        may=frozenset({"apfs"}),
        reason="what has no durable name does not exist after a crash; only macOS takes fsync lightly",
    ),
    Question(
        name="a second name, the file appended to and synced: without the second name",
        base=base_with(log=b"old"),
        items=(Link(3, DATA, "again"), Write(3, 3, b" more"), Fsync(3)),
        shows=_lacks("again"),
        may=UNORDERED,
        reason="rule 8: a sync of the file covers the entries that name it",
    ),
    Question(
        name="a second name, the first one removed: neither",
        base=base_with(log=b"old"),
        items=(Link(3, DATA, "again"), Unlink(3, DATA, "log")),
        shows=_lacks("log", "again"),
        may=UNORDERED | {"btrfs"},
        reason="rule 3: entries of one folder in order, or not; link and unlink are no rename",
    ),
    Question(
        name="a file written to through one of two names: another content under the other",
        base=base_with(log=b"old"),
        items=(Link(3, DATA, "again"), Fsync(DATA), Write(3, 0, b"new")),
        shows=_differ("log", "again"),
        may=_NONE,
        reason="two names of one inode, whose content is one",
    ),
    Question(
        name="a folder moved to another folder: under neither name",
        base=_with_folders(),
        items=(Rename(NEW, DATA, "new", CUR, "new"),),
        shows=_lacks("new", "cur/new"),
        may=_TORN_RENAMES,
        reason="rule 6: the halves of a rename are one unit, for folders also where those of files are not (btrfs)",
    ),
    Question(
        name="a folder moved to another folder: under both names",
        base=_with_folders(),
        items=(Rename(NEW, DATA, "new", CUR, "new"),),
        shows=_has("new", "cur/new"),
        may=_NONE,
        reason="a folder has one name; where renames tear, its old name goes first",
    ),
    Question(
        name="a folder moved into one that is then moved: the second move alone",
        base=_with_folders(),
        items=(Rename(NEW, DATA, "new", CUR, "new"), Rename(CUR, DATA, "cur", DATA, "box")),
        shows=_has("new", "box"),
        may=_NONE,
        reason="rule 4: moves of folders reach the disk in order, else a cycle could come loose from the root",
    ),
    Question(
        name="a file made in a moved folder and synced: in the folder's old place",
        base=_with_folders(),
        items=(Rename(NEW, DATA, "new", CUR, "new"), Create(6, NEW, "msg"), Write(6, 0, b"x"), Fsync(6)),
        shows=_has("new/msg"),
        may=UNORDERED | BTRFS,
        reason="rule 8 covers what names the file, not the renames of its folders; rule 9 commits those as well",
    ),
    Question(
        name="a file made in a moved folder and synced: nowhere",
        base=_with_folders(),
        items=(Rename(NEW, DATA, "new", CUR, "new"), Create(6, NEW, "msg"), Write(6, 0, b"x"), Fsync(6)),
        shows=_lacks("new/msg", "cur/new/msg"),
        may=UNORDERED,
        reason="rule 8: only without an implied entry is a synced file without a name",
    ),
    Question(
        name="a file made in a new folder and synced: nowhere",
        base=base_with(),
        items=(Mkdir(3, DATA, "box"), Create(4, 3, "msg"), Write(4, 0, b"x"), Fsync(4)),
        shows=_lacks("box/msg"),
        may=UNORDERED,
        reason="rule 8: the sync of a file covers the entries that made its new ancestors",
    ),
)

OPERATIONS: Final = (*_CONTENTS, *_NAMES)
"""One question or more about each kind of operation."""
