"""The vocabulary: what a run did to the disk, what it told the world, in order.

An *operation* is a call that changed or synced something on the disk; a *mark* is a point visible outside the
process. Both are frozen records. A *trace* is one run's operations and marks in their one global order, each with
the source line of the subject that issued it and the (virtual) time at which it happened.

Modelled: the units of ALICE's and Ferrite's file-system vocabulary (Pillai et al., OSDI'14, section 3; Bornholt et
al., ASPLOS'16, section 3). Not modelled: times and permission bits of inodes, extended attributes, devices. Calls
that change nothing (reads, opens, closes, locks) are numbered by the frontend but leave no operation.

Inode numbers are positive, handed out in order of creation and never reused; the root folder is `ROOT`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

ROOT: Final = 1
"""Inode number of the root folder of every disk."""

TRACE_SCHEMA: Final = 1

Scalar: TypeAlias = str | int | float | bool | None
"""A value that a mark's detail may carry."""


CachePolicy: TypeAlias = Literal["drop-clean", "late-report", "revert", "stay-dirty"]
"""What a sync that fails leaves in the page cache (durability.md, section 4)."""


class Operation(msgspec.Struct, frozen=True, gc=False, tag_field="op"):
    """A call that changed or synced something on the disk."""


class Create(Operation, frozen=True, gc=False, tag="create"):
    """A new, empty regular file `ino` under `name` in folder `parent`."""

    ino: int
    parent: int
    name: str


class Mkdir(Operation, frozen=True, gc=False, tag="mkdir"):
    """A new, empty folder `ino` under `name` in folder `parent`."""

    ino: int
    parent: int
    name: str


class Symlink(Operation, frozen=True, gc=False, tag="symlink"):
    """A new symbolic link `ino`; its target is part of the entry (durability.md, section 1)."""

    ino: int
    parent: int
    name: str
    target: str


class Link(Operation, frozen=True, gc=False, tag="link"):
    """A further name for the existing inode `ino`."""

    ino: int
    parent: int
    name: str


class Unlink(Operation, frozen=True, gc=False, tag="unlink"):
    """The name of a file or symbolic link goes; the inode lives on while another name or descriptor holds it."""

    ino: int
    parent: int
    name: str


class Rmdir(Operation, frozen=True, gc=False, tag="rmdir"):
    """The empty folder `ino` goes."""

    ino: int
    parent: int
    name: str


class Rename(Operation, frozen=True, gc=False, tag="rename"):
    """`ino` moves from (`parent`, `name`) to (`new_parent`, `new_name`).

    `replaced` is the inode that had the new name and lost it. With `exchanged` (RENAME_EXCHANGE) that inode took the
    old name instead.
    """

    ino: int
    parent: int
    name: str
    new_parent: int
    new_name: str
    replaced: int | None = None
    exchanged: bool = False


class Write(Operation, frozen=True, gc=False, tag="write"):
    """`data` lands at `offset` bytes; a gap between the old end and `offset` reads as zeros."""

    ino: int
    offset: int
    data: bytes


class Truncate(Operation, frozen=True, gc=False, tag="truncate"):
    """The size becomes `size` bytes: a shrink discards, an extension shows zeros (also `posix_fallocate`)."""

    ino: int
    size: int


class Fsync(Operation, frozen=True, gc=False, tag="fsync"):
    """A sync of a file or a folder that returned 0.

    `begun` is the trace position at which it began; None where nothing can run between its begin and its end.
    """

    ino: int
    begun: int | None = None


class Fdatasync(Operation, frozen=True, gc=False, tag="fdatasync"):
    """As `Fsync`, for the data and the size of `ino`."""

    ino: int
    begun: int | None = None


class SyncAll(Operation, frozen=True, gc=False, tag="sync"):
    """`sync(2)`: everything becomes durable."""

    begun: int | None = None


class FailedSync(Operation, frozen=True, gc=False, tag="failed-sync"):
    """A sync that wrote nothing (durability.md, section 4; Rebello et al., ATC'20, table 1).

    `errno` is what it returned: 0 where the error comes at the next sync of the file ("late-report"). `cache` is what
    became of the pages: left clean and never written again ("drop-clean", "late-report"), put back to what was durable
    (a `Revert` follows), still dirty. "untouched": the error of an earlier failure, told to another descriptor.
    """

    ino: int
    errno: int
    cache: CachePolicy | Literal["untouched"] = "drop-clean"


class Evict(Operation, frozen=True, gc=False, tag="evict"):
    """The page cache forgot sectors of `ino` that a failed sync had left clean: reads see the old blocks.

    `pieces` are (offset, bytes) of what is read now, one for each sector. Whoever read the old block knows that the
    dropped bytes are not on the disk: they cannot survive a crash any more.
    """

    ino: int
    pieces: tuple[tuple[int, bytes], ...]


class Revert(Operation, frozen=True, gc=False, tag="revert"):
    """A failed sync put `ino` back to what was durable: `size` bytes, with `pieces` in place of what differed."""

    ino: int
    size: int
    pieces: tuple[tuple[int, bytes], ...] = ()


class Mark(msgspec.Struct, frozen=True, tag_field="op", tag="mark"):
    """A point visible outside the process. It makes nothing durable and orders nothing on the disk.

    `kind` is one of `MARK_KINDS`; `event` names what it is about (an event id, a call id, a printed line).
    """

    kind: str
    event: str = ""
    detail: dict[str, Scalar] = msgspec.field(default_factory=dict)


MARK_KINDS: Final = (
    "attempted",  # the world handed the subject an event (or a request)
    "acknowledged",  # the subject said: it is mine, I have it
    "refused",  # the subject said no, or the attempt ended without an answer
    "effect",  # a side effect reached the world: a dial, a hang-up, a played text
    "world",  # the outside world changed by itself: the caller hung up
    "printed",  # a line of output
    "observed",  # the world read the subject's state and now relies on it
    "told",  # the subject reported a failure by other means: an exception, False
    "died",  # a death inside one history: the process, or the power
    "stopping",  # an orderly stop begins
    "restarted",
)

Item: TypeAlias = (
    Create
    | Mkdir
    | Symlink
    | Link
    | Unlink
    | Rmdir
    | Rename
    | Write
    | Truncate
    | Fsync
    | Fdatasync
    | SyncAll
    | FailedSync
    | Evict
    | Revert
    | Mark
)


class Process(msgspec.Struct, frozen=True, gc=False):
    """Who made a call, where several processes or threads do: process id, thread id, the name of the program."""

    pid: int
    thread: int
    program: str


class Source(msgspec.Struct, frozen=True, gc=False):
    """The line of the subject that issued an operation.

    Of a program that is seen from outside only, the call is known and not its line: then `line` is 0, `file` the name of
    the program and `function` the call's place, such as "4th write to calls.jsonl".
    """

    file: str
    line: int
    function: str = ""
    process: Process | msgspec.UnsetType = msgspec.UNSET

    def __str__(self) -> str:
        name = self.file.rpartition("/")[2]
        return f"{name}:{self.line}" if self.line else f"{name}: {self.function}"


class Entry(msgspec.Struct, frozen=True):
    """One place in a trace: `position` counts items, `operation` counts operations before this item."""

    position: int
    operation: int
    item: Item
    source: Source | None
    at: float


class Program(msgspec.Struct, frozen=True):
    """The program that a trace is of. `exit_code`: as `subprocess` has it (negative: the signal), None while unknown."""

    command: tuple[str, ...]
    exit_code: int | None = None


class Trace:
    """Operations and marks of one run, in order. Grows only at its end.

    `items`, `sources`, `times` (seconds since the epoch, virtual) are parallel lists. `base`: operations that make what
    was on the disk, durably, before the run; none where the frontend's caller knows the disk (`DiskImage.made_by` folds
    them). `program`: whose run it was, where that is not a scenario's.
    """

    __slots__ = ("base", "items", "operation_count", "program", "sources", "times")

    def __init__(self, base: Iterable[Item] = (), program: Program | None = None) -> None:
        self.base: tuple[Item, ...] = tuple(base)
        self.program = program
        self.items: list[Item] = []
        self.sources: list[Source | None] = []
        self.times: list[float] = []
        self.operation_count = 0

    def record(self, item: Item, source: Source | None, at: float) -> None:
        self.items.append(item)
        self.sources.append(source)
        self.times.append(at)
        if item.__class__ is not Mark:
            self.operation_count += 1

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Entry]:
        operation = 0
        for position, item in enumerate(self.items):
            yield Entry(position, operation, item, self.sources[position], self.times[position])
            operation += item.__class__ is not Mark

    def marks(self, before: int | None = None) -> list[Mark]:
        """The marks at positions below `before` (all of them for None)."""
        return [item for item in self.items[:before] if isinstance(item, Mark)]

    def digest(self) -> str:
        """sha256 of items and times: two runs with the same digest did the same, byte for byte."""
        return hashlib.sha256(_encoder.encode([self.items, self.times])).hexdigest()


class _File(msgspec.Struct, frozen=True):
    schema: int
    items: list[Item]
    sources: list[Source | None]
    times: list[float]
    base: list[Item] | msgspec.UnsetType = msgspec.UNSET
    program: Program | msgspec.UnsetType = msgspec.UNSET


class TraceFileError(ValueError):
    """The bytes are not a trace this version reads; the message says why."""


_encoder: Final = msgspec.json.Encoder(order="deterministic")


def encode(trace: Trace) -> bytes:
    """The trace as one JSON document (schema `TRACE_SCHEMA`); file contents are base64."""
    base = list(trace.base) or msgspec.UNSET
    program = trace.program or msgspec.UNSET
    return _encoder.encode(_File(TRACE_SCHEMA, trace.items, trace.sources, trace.times, base, program))


def decode(data: bytes) -> Trace:
    """Read what `encode` wrote; runs no code. Raises `TraceFileError`."""
    try:
        file = msgspec.json.decode(data, type=_File)
    except msgspec.MsgspecError as error:
        raise TraceFileError(f"not a trace file: {error}") from None
    if file.schema > TRACE_SCHEMA:
        raise TraceFileError(
            f"trace file of schema {file.schema}, this version reads up to {TRACE_SCHEMA}: use a newer harness"
        )
    if not len(file.items) == len(file.sources) == len(file.times):
        raise TraceFileError(
            f"not a trace file: {len(file.items)} items, {len(file.sources)} sources, {len(file.times)} times"
        )
    trace = Trace(file.base or (), file.program or None)
    for item, source, at in zip(file.items, file.sources, file.times, strict=True):
        trace.record(item, source, at)
    return trace


def describe(item: Item, path_of: Mapping[int, str] | None = None) -> str:
    """One item in a few words, for timelines; `path_of` turns inode numbers into paths."""

    def place(ino: int, name: str | None = None) -> str:
        known = (path_of or {}).get(ino, f"inode {ino}")
        return known if name is None else f"{known.rstrip('/')}/{name}"

    match item:
        case Create(parent=parent, name=name):
            return f"create {place(parent, name)}"
        case Mkdir(parent=parent, name=name):
            return f"mkdir {place(parent, name)}"
        case Symlink(parent=parent, name=name, target=target):
            return f"symlink {place(parent, name)} -> {target}"
        case Link(ino=ino, parent=parent, name=name):
            return f"link {place(ino)} as {place(parent, name)}"
        case Unlink(parent=parent, name=name):
            return f"unlink {place(parent, name)}"
        case Rmdir(parent=parent, name=name):
            return f"rmdir {place(parent, name)}"
        case Rename(parent=parent, name=name, new_parent=new_parent, new_name=new_name, exchanged=exchanged):
            verb = "exchange" if exchanged else "rename"
            return f"{verb} {place(parent, name)} -> {place(new_parent, new_name)}"
        case Write(ino=ino, offset=offset, data=data):
            return f"write {len(data)} bytes at {offset} to {place(ino)}"
        case Truncate(ino=ino, size=size):
            return f"truncate {place(ino)} to {size} bytes"
        case Fsync(ino=ino):
            return f"fsync {place(ino)}"
        case Fdatasync(ino=ino):
            return f"fdatasync {place(ino)}"
        case SyncAll():
            return "sync"
        case FailedSync(ino=ino, errno=0):
            return f"fsync {place(ino)} reported success and wrote nothing: its error comes at the next one"
        case FailedSync(ino=ino, errno=number, cache="untouched"):
            return f"fsync {place(ino)} reported the earlier failure (errno {number})"
        case FailedSync(ino=ino, errno=number):
            return f"fsync {place(ino)} failed (errno {number})"
        case Evict(ino=ino, pieces=pieces):
            sectors, blocks = ("sector", "block is") if len(pieces) == 1 else ("sectors", "blocks are")
            return f"the page cache forgot {len(pieces)} {sectors} of {place(ino)}: the old {blocks} read"
        case Revert(ino=ino, size=size):
            return f"{place(ino)} went back to the {size} bytes that were durable"
        case Mark(kind=kind, event=event):
            return f"{kind} {event}".rstrip()
