"""Litmus questions: Ferrite's prefix append (Bornholt et al., ASPLOS'16) and the kernel measurements behind the rules.

Each asks for one image at the end of a trace, and names every profile that allows it: the others must not.
"""

from collections.abc import Callable
from typing import Final

from harness.disk import DiskImage
from harness.durability.litmus import Question
from harness.durability.litmus_programs import DATA, RECORD_SIZE, base_with, content_of, record, value
from harness.trace import Create, Fdatasync, Fsync, Rename, Truncate, Unlink, Write


def _zero_tail(image: DiskImage) -> bool:
    return content_of(image, "log") == b"a" * 2_500 + bytes(4_096 - 2_500)


def _names(*names: str) -> Callable[[DiskImage], bool]:
    def shown(image: DiskImage) -> bool:
        return all(image.lookup(f"/data/{name}") is not None for name in names)

    return shown


def _lost(name: str) -> Callable[[DiskImage], bool]:
    def shown(image: DiskImage) -> bool:
        return image.lookup(f"/data/{name}") is None

    return shown


def _new_is_not_whole(image: DiskImage) -> bool:
    return content_of(image, "log") != b"new"


def _shrunk_under_the_old_name(image: DiskImage) -> bool:
    return content_of(image, "log") == b"" and image.lookup("/data/snapshot") is None


UNORDERED: Final = frozenset({"strict", "ext2", "paranoid", "freebsd-ufs", "apfs"})
WRITEBACK: Final = frozenset({"ext3-writeback", "ext4-writeback", "ext4"})
ORDERED_EXT: Final = frozenset({"ext3", "ext4-nodelalloc", "ext4-documented", "ext4-journal"})
BTRFS: Final = frozenset({"btrfs", "btrfs-documented"})
EVERY_DISK: Final = UNORDERED | WRITEBACK | ORDERED_EXT | BTRFS | {"xfs"}

QUESTIONS: Final = (
    Question(
        name="2,500 and 2,500 bytes appended: 4,096 bytes with a zero tail",  # Ferrite, prefix-append
        base=base_with(log=b""),
        items=(Write(3, 0, b"a" * 2_500), Write(3, 2_500, b"b" * 2_500)),
        shows=_zero_tail,
        may=UNORDERED | WRITEBACK,
    ),
    Question(
        name="fsync, rename, fdatasync: the old name",  # the kernel's ext4: 12 of 12; xfs and btrfs: the new
        base=base_with(),
        items=(
            Create(3, DATA, "old"),
            Fsync(DATA),
            Write(3, 0, record(0)),
            Fsync(3),
            Rename(3, DATA, "old", DATA, "new"),
            Fdatasync(3),
        ),
        shows=_names("old"),
        may=UNORDERED | WRITEBACK | ORDERED_EXT,
    ),
    Question(
        name="fsync, rename, append, fdatasync: the old name",
        base=base_with(old=record(0)),
        items=(Rename(3, DATA, "old", DATA, "new"), Write(3, RECORD_SIZE, record(1)), Fdatasync(3)),
        shows=_names("old"),
        may=UNORDERED,
    ),
    Question(
        name="unlink, create, write, fsync: anything but the new content",
        base=base_with(log=b"old"),
        items=(Unlink(3, DATA, "log"), Create(4, DATA, "log"), Write(4, 0, b"new"), Fsync(4)),
        shows=_new_is_not_whole,
        may=UNORDERED,
    ),
    Question(
        name="rename, shrink, fsync of the shrunk: the old name and the shrunk file",  # the kernel: 5 of 5
        base=base_with(log=record(0), tmp=record(0)),
        items=(Rename(4, DATA, "tmp", DATA, "snapshot"), Truncate(3, 0), Fsync(3)),
        shows=_shrunk_under_the_old_name,
        may=UNORDERED | BTRFS,
    ),
    Question(
        name="rename, shrink, nothing synced: the old name and the shrunk file",
        base=base_with(log=record(0), tmp=record(0)),
        items=(Rename(4, DATA, "tmp", DATA, "snapshot"), Truncate(3, 0)),
        shows=_shrunk_under_the_old_name,
        may=UNORDERED | BTRFS,
    ),
    Question(
        name="an unsynced unlink: undone",  # on all four kernels
        base=base_with(log=record(0)),
        items=(Unlink(3, DATA, "log"),),
        shows=_names("log"),
        may=EVERY_DISK,
    ),
    Question(
        name="a rename over a name: neither the old file nor the new under it",
        base=base_with(state=value(0), tmp=value(1)),
        items=(Rename(4, DATA, "tmp", DATA, "state", 3),),
        shows=_lost("state"),
        may=frozenset({"ext2", "paranoid"}),
    ),
)
"""Further litmus tests: durability.md, below its table; Ferrite; the kernel measurements behind rules 8 and 9."""
