"""Litmus programs: the rows of durability.md, section 6, with their outcomes and numbers.

Sizes: 300-byte records, 2,000-byte replacements, 1,800-byte snapshots. Recovery here is the careful one: it reads a log
up to the first damaged record, and trusts only a whole snapshot.
"""

from collections.abc import Sequence
from typing import Final

from harness.disk import DiskImage, File
from harness.durability.litmus import Contract, Program
from harness.trace import Create, Fsync, Item, Mark, Rename, Truncate, Write

RECORD_SIZE: Final = 300
DATA: Final = 2
"""Inode of the folder /data."""


def record(number: int) -> bytes:
    """One record of a log: its number, over and over, so that every part of it is its own."""
    return f"{number:03d}".encode() * (RECORD_SIZE // 3)


def value(number: int) -> bytes:
    """One content of a replaced file, 2,000 bytes; no two share a sector."""
    return f"{number:04d}".encode() * 500


def _acknowledge(number: int) -> Mark:
    return Mark("acknowledged", str(number))


def base_with(**files: bytes) -> DiskImage:
    """/data with these files, inodes from 3 on in this order."""
    image = DiskImage.with_folders("/data")
    for name, data in files.items():
        ino = image.next_ino
        image = image.apply(Create(ino, DATA, name)).apply(Write(ino, 0, data))
    return image


def content_of(image: DiskImage, name: str) -> bytes | None:
    node = image.lookup(f"/data/{name}")
    return node.data if isinstance(node, File) else None


def _records(content: bytes | None) -> set[int]:
    """The numbers of the intact records at the start of a log."""
    found: set[int] = set()
    content = content or b""
    for start in range(0, len(content) - RECORD_SIZE + 1, RECORD_SIZE):
        block = content[start : start + RECORD_SIZE]
        if not block[:3].isdigit() or block != record(int(block[:3])):
            break
        found.add(int(block[:3]))
    return found


def _in_logs(*names: str) -> Contract:
    def fulfilled(image: DiskImage, acknowledged: frozenset[int]) -> bool:
        found: set[int] = set()
        for name in names:
            found |= _records(content_of(image, name))
        return acknowledged <= found

    return fulfilled


def _in_snapshot_or_log(image: DiskImage, acknowledged: frozenset[int]) -> bool:
    snapshot = _records(content_of(image, "snapshot"))
    whole = snapshot if len(snapshot) == 6 else set()
    return acknowledged <= whole | _records(content_of(image, "log"))


def _newest(image: DiskImage, acknowledged: frozenset[int]) -> bool:
    """`state` is one of its contents, whole, and not older than the last acknowledged one."""
    content = content_of(image, "state")
    known = {value(number): number for number in range(3)}
    return content in known and known[content] >= max(acknowledged, default=0)


def _whole_or_absent(image: DiskImage, acknowledged: frozenset[int]) -> bool:
    return content_of(image, "state") in (None, value(1))


def _whole_600(image: DiskImage, acknowledged: frozenset[int]) -> bool:
    return content_of(image, "state") in (value(0)[:600], value(1)[:600])


def _b_only_after_a(image: DiskImage, acknowledged: frozenset[int]) -> bool:
    return not _records(content_of(image, "b")) or bool(_records(content_of(image, "a")))


def _append(ino: int, numbers: Sequence[int], first_offset: int, *, synced: bool = True) -> list[Item]:
    items: list[Item] = []
    for index, number in enumerate(numbers):
        items.append(Write(ino, first_offset + index * RECORD_SIZE, record(number)))
        if synced:
            items.append(Fsync(ino))
        items.append(_acknowledge(number))
    return items


def _replace(ino: int, number: int, replaced: int | None, *, file: bool, folder: bool, told: bool = True) -> list[Item]:
    """`file`, `folder`: which of the two is synced."""
    items: list[Item] = [Create(ino, DATA, "tmp"), Write(ino, 0, value(number))]
    if file:
        items.append(Fsync(ino))
    items.append(Rename(ino, DATA, "tmp", DATA, "state", replaced))
    if folder:
        items.append(Fsync(DATA))
    if told:
        items.append(_acknowledge(number))
    return items


def _replace_twice(*, file: bool, folder: bool, told: bool = True) -> tuple[Item, ...]:
    first = _replace(4, 1, 3, file=file, folder=folder, told=told)
    return (*first, *_replace(5, 2, 4, file=file, folder=folder, told=told))


def _rotate(*, folder: bool) -> tuple[Item, ...]:
    items: list[Item] = [_acknowledge(0), Rename(3, DATA, "log", DATA, "log.1"), Create(4, DATA, "log")]
    if folder:
        items.append(Fsync(DATA))
    return (*items, *_append(4, (1, 2), 0))


def _snapshot(*, file: bool, folder: bool) -> tuple[Item, ...]:
    items: list[Item] = [_acknowledge(number) for number in range(6)]
    items += [Create(4, DATA, "tmp"), Write(4, 0, b"".join(record(number) for number in range(6)))]
    if file:
        items.append(Fsync(4))
    items.append(Rename(4, DATA, "tmp", DATA, "snapshot"))
    if folder:
        items.append(Fsync(DATA))
    return (*items, Truncate(3, 0), Fsync(3), *_append(3, (6,), 0))


_ALL_DISKS: Final = frozenset({"strict", "ext4", "ext4-documented", "xfs", "btrfs"})
_NONE: Final[frozenset[str]] = frozenset()
_STATE: Final = base_with(state=value(0))
_LOG: Final = base_with(log=b"".join(record(number) for number in range(6)))

TABLE: Final = (
    Program(
        name="append and fsync, directory synced once",
        base=base_with(),
        items=(Create(3, DATA, "log"), Fsync(DATA), *_append(3, range(5), 0)),
        contract=_in_logs("log"),
        violated=_NONE,
        most_legal=12,
        images=20,
    ),
    Program(
        name="append and fsync, directory never synced",
        base=base_with(),
        items=(Create(3, DATA, "log"), *_append(3, range(5), 0)),
        contract=_in_logs("log"),
        violated=frozenset({"strict"}),
        most_legal=24,
        images=20,
    ),
    Program(
        name="append, never synced",
        base=base_with(),
        items=(Create(3, DATA, "log"), Fsync(DATA), *_append(3, range(3), 0, synced=False)),
        contract=_in_logs("log"),
        violated=_ALL_DISKS,
        most_legal=45,
        images=22,
    ),
    Program(
        name="replace: write, fsync, rename, sync directory",
        base=_STATE,
        items=_replace_twice(file=True, folder=True),
        contract=_newest,
        violated=_NONE,
        most_legal=160,
        images=65,
    ),
    Program(
        name="replace without the file's fsync",
        base=_STATE,
        items=_replace_twice(file=False, folder=True),
        contract=_newest,
        violated=_ALL_DISKS - {"ext4-documented"},
        most_legal=19_200,
        images=1_050,
    ),
    Program(
        name="replace without the directory's sync",
        base=_STATE,
        items=_replace_twice(file=True, folder=False),
        contract=_newest,
        violated=_ALL_DISKS,
        most_legal=320,
        images=65,
    ),
    Program(
        name="replace without any sync, atomicity only",
        base=_STATE,
        items=_replace_twice(file=False, folder=False, told=False),
        contract=_newest,
        violated=_ALL_DISKS - {"ext4-documented"},
        most_legal=32_000,
        images=1_050,
    ),
    Program(
        name="replace without any sync, target absent before",
        base=base_with(),
        items=tuple(_replace(3, 1, None, file=False, folder=False, told=False)),
        contract=_whole_or_absent,
        violated=_ALL_DISKS,
        most_legal=240,
        images=63,
    ),
    Program(
        name="append to a unsynced, then append and fsync b",
        base=base_with(a=b"", b=b""),
        items=(Write(3, 0, record(0)), Write(4, 0, record(1)), Fsync(4)),
        contract=_b_only_after_a,
        violated=_ALL_DISKS,
        most_legal=16,
        images=9,
    ),
    Program(
        name="truncate and rewrite in place",
        base=base_with(state=value(0)[:600]),
        items=(Truncate(3, 0), Write(3, 0, value(1)[:600]), Fsync(3)),
        contract=_whole_600,
        violated=_ALL_DISKS | {"process"},
        most_legal=16,
        images=10,
    ),
    Program(
        name="rotation with directory sync",
        base=base_with(log=record(0)),
        items=_rotate(folder=True),
        contract=_in_logs("log.1", "log"),
        violated=_NONE,
        most_legal=12,
        images=11,
    ),
    Program(
        name="rotation without directory sync",
        base=base_with(log=record(0)),
        items=_rotate(folder=False),
        contract=_in_logs("log.1", "log"),
        violated=frozenset({"strict"}),
        most_legal=36,
        images=11,
    ),
    Program(
        name="snapshot, rename, directory sync, truncate the log",
        base=_LOG,
        items=_snapshot(file=True, folder=True),
        contract=_in_snapshot_or_log,
        violated=_NONE,
        most_legal=160,
        images=36,
    ),
    Program(
        name="snapshot without the directory sync",
        base=_LOG,
        items=_snapshot(file=True, folder=False),
        contract=_in_snapshot_or_log,
        violated=frozenset({"strict", "btrfs"}),
        most_legal=160,
        images=42,
    ),
    Program(
        name="snapshot without its fsync",
        base=_LOG,
        items=_snapshot(file=False, folder=True),
        contract=_in_snapshot_or_log,
        violated=_ALL_DISKS,
        most_legal=320,
        images=156,
    ),
)
"""The rows of durability.md, section 6, in order."""

COLUMNS: Final = ("process", "strict", "ext4", "ext4-documented", "xfs", "btrfs")
"""The profiles that the table has an outcome for."""

KILL_THEN_POWER: Final = Program(
    name="kill, recover, acknowledge, power cut",
    base=base_with(log=record(0)),
    items=(
        Write(3, RECORD_SIZE, record(1)),
        Mark("died", "process"),
        Mark("restarted"),
        Mark("observed", "1"),
    ),
    contract=_in_logs("log"),
    violated=_ALL_DISKS,
    most_legal=12,
    images=7,
)
"""Pending stays pending: the restarted process read from the page cache what the power cut then takes."""
