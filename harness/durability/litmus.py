"""Litmus: tiny programs and their known outcome under each profile (durability.md, section 6).

Two kinds. A `Program` acknowledges records and has a contract; it is *held* under a profile when every legal image of
every kill-point fulfils it. A `Question` asks whether a certain image may be found at the end of a trace (the suite of
Bornholt et al., ASPLOS'16, is of this kind). Sizes: 300-byte records, 2,000-byte replacements, 1,800-byte snapshots.

Recovery here is the careful one: it reads a log up to the first damaged record, and trusts only a whole snapshot.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from harness.disk import DiskImage, File
from harness.durability.crash_states import CrashStates
from harness.durability.profiles import Profile, with_sector_tears
from harness.trace import (
    Create,
    Fdatasync,
    Fsync,
    Item,
    Mark,
    Rename,
    Truncate,
    Unlink,
    Write,
)

RECORD_SIZE: Final = 300
DATA: Final = 2
"""Inode of the folder /data."""

Contract = Callable[[DiskImage, frozenset[int]], bool]
"""(image, numbers acknowledged before the death) -> fulfilled."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """`violated`: the profiles, of the table's six columns, that break the contract. `most_legal`, `images`: under
    `strict` with sector tears, the most legal states at one kill-point and the different images in all."""

    name: str
    base: DiskImage
    items: tuple[Item, ...]
    contract: Contract
    violated: frozenset[str]
    most_legal: int
    images: int


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """May an image that `shows` it be found after a power cut at the end? `may`: the profiles that allow it."""

    name: str
    base: DiskImage
    items: tuple[Item, ...]
    shows: Callable[[DiskImage], bool]
    may: frozenset[str]


class Outcome(msgspec.Struct, frozen=True):
    """What a sweep of all kill-points of one program found."""

    held: bool
    most_legal: int
    images: int


def sweep(program: Program, profile: Profile) -> Outcome:
    """Judge every different image at every kill-point, those inside writes included."""
    walk = CrashStates(program.base, profile)
    acknowledged: frozenset[int] = frozenset()
    held, most_legal = True, 0
    keys: set[tuple[int, ...]] = set()
    for position in range(len(program.items) + 1):
        points = [walk.at()]
        if position < len(program.items):
            points.append(walk.during(program.items[position]))
        for point in points:
            most_legal = max(most_legal, point.legal)
            for _, image in point.states():
                keys.add(image.state_key)
                held = held and program.contract(image, acknowledged)
        if position < len(program.items):
            item = program.items[position]
            walk.feed(position, item)
            if isinstance(item, Mark) and item.kind in ("acknowledged", "observed"):
                acknowledged |= {int(item.event)}
    return Outcome(held, most_legal, len(keys))


def sweep_in_sectors(program: Program, profile: Profile) -> Outcome:
    """As `sweep`, with writes that stop at sector boundaries only: the numbers of the table."""
    return sweep(program, with_sector_tears(profile))


def may_show(question: Question, profile: Profile) -> bool:
    """Whether any legal image at the end of the trace shows what the question asks for."""
    walk = CrashStates(question.base, profile)
    for position, item in enumerate(question.items):
        walk.feed(position, item)
    return any(question.shows(image) for _, image in walk.at().states())


# -- what the programs write, and how their recovery reads it --------------------------------------------------------


def record(number: int) -> bytes:
    """One record of a log: its number, over and over, so that every part of it is its own."""
    return f"{number:03d}".encode() * (RECORD_SIZE // 3)


def value(number: int) -> bytes:
    """One content of a replaced file, 2,000 bytes; no two share a sector."""
    return f"{number:04d}".encode() * 500


def _acknowledge(number: int) -> Mark:
    return Mark("acknowledged", str(number))


def _base(**files: bytes) -> DiskImage:
    """/data with these files, inodes from 3 on in this order."""
    image = DiskImage.with_folders("/data")
    for name, data in files.items():
        ino = image.next_ino
        image = image.apply(Create(ino, DATA, name)).apply(Write(ino, 0, data))
    return image


def _content(image: DiskImage, name: str) -> bytes | None:
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
            found |= _records(_content(image, name))
        return acknowledged <= found

    return fulfilled


def _in_snapshot_or_log(image: DiskImage, acknowledged: frozenset[int]) -> bool:
    snapshot = _records(_content(image, "snapshot"))
    whole = snapshot if len(snapshot) == 6 else set()
    return acknowledged <= whole | _records(_content(image, "log"))


def _newest(image: DiskImage, acknowledged: frozenset[int]) -> bool:
    """`state` is one of its contents, whole, and not older than the last acknowledged one."""
    content = _content(image, "state")
    known = {value(number): number for number in range(3)}
    return content in known and known[content] >= max(acknowledged, default=0)


def _whole_or_absent(image: DiskImage, acknowledged: frozenset[int]) -> bool:
    return _content(image, "state") in (None, value(1))


def _whole_600(image: DiskImage, acknowledged: frozenset[int]) -> bool:
    return _content(image, "state") in (value(0)[:600], value(1)[:600])


def _b_only_after_a(image: DiskImage, acknowledged: frozenset[int]) -> bool:
    return not _records(_content(image, "b")) or bool(_records(_content(image, "a")))


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
_STATE: Final = _base(state=value(0))
_LOG: Final = _base(log=b"".join(record(number) for number in range(6)))

TABLE: Final = (
    Program(
        name="append and fsync, directory synced once",
        base=_base(),
        items=(Create(3, DATA, "log"), Fsync(DATA), *_append(3, range(5), 0)),
        contract=_in_logs("log"),
        violated=_NONE,
        most_legal=12,
        images=20,
    ),
    Program(
        name="append and fsync, directory never synced",
        base=_base(),
        items=(Create(3, DATA, "log"), *_append(3, range(5), 0)),
        contract=_in_logs("log"),
        violated=frozenset({"strict"}),
        most_legal=24,
        images=20,
    ),
    Program(
        name="append, never synced",
        base=_base(),
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
        base=_base(),
        items=tuple(_replace(3, 1, None, file=False, folder=False, told=False)),
        contract=_whole_or_absent,
        violated=_ALL_DISKS,
        most_legal=240,
        images=63,
    ),
    Program(
        name="append to a unsynced, then append and fsync b",
        base=_base(a=b"", b=b""),
        items=(Write(3, 0, record(0)), Write(4, 0, record(1)), Fsync(4)),
        contract=_b_only_after_a,
        violated=_ALL_DISKS,
        most_legal=16,
        images=9,
    ),
    Program(
        name="truncate and rewrite in place",
        base=_base(state=value(0)[:600]),
        items=(Truncate(3, 0), Write(3, 0, value(1)[:600]), Fsync(3)),
        contract=_whole_600,
        violated=_ALL_DISKS | {"process"},
        most_legal=16,
        images=10,
    ),
    Program(
        name="rotation with directory sync",
        base=_base(log=record(0)),
        items=_rotate(folder=True),
        contract=_in_logs("log.1", "log"),
        violated=_NONE,
        most_legal=12,
        images=11,
    ),
    Program(
        name="rotation without directory sync",
        base=_base(log=record(0)),
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
    base=_base(log=record(0)),
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


def _zero_tail(image: DiskImage) -> bool:
    return _content(image, "log") == b"a" * 2_500 + bytes(4_096 - 2_500)


def _names(*names: str) -> Callable[[DiskImage], bool]:
    def shown(image: DiskImage) -> bool:
        return all(image.lookup(f"/data/{name}") is not None for name in names)

    return shown


def _lost(name: str) -> Callable[[DiskImage], bool]:
    def shown(image: DiskImage) -> bool:
        return image.lookup(f"/data/{name}") is None

    return shown


def _new_is_not_whole(image: DiskImage) -> bool:
    return _content(image, "log") != b"new"


def _shrunk_under_the_old_name(image: DiskImage) -> bool:
    return _content(image, "log") == b"" and image.lookup("/data/snapshot") is None


_UNORDERED: Final = frozenset({"strict", "ext2", "paranoid", "apfs"})
_WRITEBACK: Final = frozenset({"ext3-writeback", "ext4-writeback", "ext4"})
_ORDERED_EXT: Final = frozenset({"ext3", "ext4-nodelalloc", "ext4-documented", "ext4-journal"})
_BTRFS: Final = frozenset({"btrfs", "btrfs-documented"})
_EVERY_DISK: Final = _UNORDERED | _WRITEBACK | _ORDERED_EXT | _BTRFS | {"xfs"}

QUESTIONS: Final = (
    Question(
        name="2,500 and 2,500 bytes appended: 4,096 bytes with a zero tail",  # Ferrite, prefix-append
        base=_base(log=b""),
        items=(Write(3, 0, b"a" * 2_500), Write(3, 2_500, b"b" * 2_500)),
        shows=_zero_tail,
        may=_UNORDERED | _WRITEBACK,
    ),
    Question(
        name="fsync, rename, fdatasync: the old name",  # the kernel's ext4: 12 of 12; xfs and btrfs: the new
        base=_base(),
        items=(
            Create(3, DATA, "old"),
            Fsync(DATA),
            Write(3, 0, record(0)),
            Fsync(3),
            Rename(3, DATA, "old", DATA, "new"),
            Fdatasync(3),
        ),
        shows=_names("old"),
        may=_UNORDERED | _WRITEBACK | _ORDERED_EXT,
    ),
    Question(
        name="fsync, rename, append, fdatasync: the old name",
        base=_base(old=record(0)),
        items=(Rename(3, DATA, "old", DATA, "new"), Write(3, RECORD_SIZE, record(1)), Fdatasync(3)),
        shows=_names("old"),
        may=_UNORDERED,
    ),
    Question(
        name="unlink, create, write, fsync: anything but the new content",
        base=_base(log=b"old"),
        items=(Unlink(3, DATA, "log"), Create(4, DATA, "log"), Write(4, 0, b"new"), Fsync(4)),
        shows=_new_is_not_whole,
        may=_UNORDERED,
    ),
    Question(
        name="rename, shrink, fsync of the shrunk: the old name and the shrunk file",  # the kernel: 5 of 5
        base=_base(log=record(0), tmp=record(0)),
        items=(Rename(4, DATA, "tmp", DATA, "snapshot"), Truncate(3, 0), Fsync(3)),
        shows=_shrunk_under_the_old_name,
        may=_UNORDERED | _BTRFS,
    ),
    Question(
        name="rename, shrink, nothing synced: the old name and the shrunk file",
        base=_base(log=record(0), tmp=record(0)),
        items=(Rename(4, DATA, "tmp", DATA, "snapshot"), Truncate(3, 0)),
        shows=_shrunk_under_the_old_name,
        may=_UNORDERED | _BTRFS,
    ),
    Question(
        name="an unsynced unlink: undone",  # on all four kernels
        base=_base(log=record(0)),
        items=(Unlink(3, DATA, "log"),),
        shows=_names("log"),
        may=_EVERY_DISK,
    ),
    Question(
        name="a rename over a name: neither the old file nor the new under it",
        base=_base(state=value(0), tmp=value(1)),
        items=(Rename(4, DATA, "tmp", DATA, "state", 3),),
        shows=_lost("state"),
        may=frozenset({"ext2", "paranoid"}),
    ),
)
"""Further litmus tests: durability.md, below its table; Ferrite; the kernel measurements behind rules 8 and 9."""
