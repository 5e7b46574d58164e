"""The journal of finished chunks: what a run that was killed need not do again, and must not forget.

One file a scenario, append-only. The first line holds the run's key, each further line one finished chunk: a checksum
(xxh64, 16 hex digits), a blank, JSON. Where `append` has returned, the chunk is durable: the line is written and synced
in one step, and the names of file and folders were synced when they were made. A failed append is cut back and closes
the journal: after a failed sync nobody knows what the disk holds.

Opening cuts what a death has left of the last line. A bad line with others behind it is no torn tail but damage, and a
journal of another run says nothing about this one: both are refused, not repaired.
"""

import contextlib
import fcntl
import os
import re
import zlib
from types import TracebackType
from typing import Final, TypeVar

import msgspec
import xxhash

from harness.gate.part import Piece
from harness.gate.run_key import RunKey, difference
from harness.gate.task import Task

JOURNAL_SCHEMA: Final = 1

HEADER_MOST: Final = 4_096
"""Bytes: a file that is longer and does not begin with a header is not a journal that was just begun."""


class JournalError(ValueError):
    """The journal cannot be used, or not any more; the message says why and what to do."""


class Header(msgspec.Struct, frozen=True):
    journal: int
    key: RunKey


LineT = TypeVar("LineT")


class Journal:
    """The finished chunks of one run. Open for one process at a time; a context manager."""

    def __init__(self, folder: str, key: RunKey) -> None:
        """Open, or begin, the journal of the run `key` in `folder`. Raises JournalError, OSError."""
        folder = os.path.abspath(folder)
        self.path: Final = f"{folder}/{_name(key.scenario)}.journal.jsonl"
        self.key: Final = key
        self.pieces: Final[dict[Task, Piece]] = {}
        self.cut = 0
        """Bytes of a torn tail that were cut off."""
        _make_folder(folder)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._end = 0
        try:
            self._lock()
            self._load(_content(self._file))
            _sync_folder(folder)
        except BaseException:
            self.close()
            raise

    @property
    def usable(self) -> bool:
        """False once it is closed, which a failed append does."""
        return self._file >= 0

    def append(self, piece: Piece) -> None:
        """Keep a finished chunk: durable when this returns. Raises OSError; then the journal is closed."""
        if not self.usable:
            raise JournalError(f"{self.path} is closed after an error: run again with the same --resume")
        if piece.task in self.pieces:
            raise JournalError(f"{self.path} has this chunk already: {piece.task}")
        self._write(_line(msgspec.json.encode(piece)))
        self.pieces[piece.task] = piece

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"{self.path} is in use: another run with the same --resume is going on") from None

    def _load(self, data: bytes) -> None:
        lines = _lines(data)
        head = _decoded(lines[0], Header) if lines else None
        if head is None:
            if len(lines) > 1 or len(data) > HEADER_MOST:
                raise JournalError(f"{self.path} is not a journal of this version: name another folder, or remove it")
            self._cut_to(0, len(data))
            self._write(_line(msgspec.json.encode(Header(JOURNAL_SCHEMA, self.key))))
            return
        if other := difference(head.key, self.key):
            raise JournalError(
                f"{self.path} belongs to another run ({other}): name another folder for --resume, or remove it"
            )
        kept = len(lines[0])
        for number, line in enumerate(lines[1:], 2):
            piece = _decoded(line, Piece)
            if piece is None:
                if number < len(lines):
                    raise JournalError(f"{self.path}, line {number} is damaged: remove the file and run anew")
                break
            self.pieces[piece.task] = piece
            kept += len(line)
        self._cut_to(kept, len(data))
        # Read, but perhaps not yet on the disk: the run before may have died between its write and its sync.
        os.fsync(self._file)

    def _cut_to(self, end: int, size: int) -> None:
        """What is appended next must not stand behind half a line, on the disk either."""
        self._end = end
        if end < size:
            self.cut = size - end
            os.ftruncate(self._file, end)
            os.fsync(self._file)

    def _write(self, line: bytes) -> None:
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)
            self.close()
            raise
        self._end += len(line)


def _name(reference: str) -> str:
    """A file name for any reference; those that look alike are told apart by a checksum."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", reference).strip("-")[-60:]
    return plain if plain == reference else f"{plain}-{zlib.crc32(reference.encode()):08x}"


def _line(content: bytes) -> bytes:
    return xxhash.xxh64_hexdigest(content).encode() + b" " + content + b"\n"


def _lines(data: bytes) -> list[bytes]:
    """Each with its end; the last one may lack it."""
    return re.findall(rb"[^\n]*\n|[^\n]+", data)


def _decoded(line: bytes, kind: type[LineT]) -> LineT | None:
    """None for what is not a whole line with its checksum."""
    checksum, _, content = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != xxhash.xxh64_hexdigest(content).encode():
        return None
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError:
        return None


def _content(file: int) -> bytes:
    parts: list[bytes] = []
    offset = 0
    while part := os.pread(file, 1 << 20, offset):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def _make_folder(folder: str) -> None:
    """With all above it. The names are synced each time: whoever made them may have died before it did.

    No error is forgiven, not even for a folder far above: one whose name is not on the disk loses all below it.
    """
    os.makedirs(folder, exist_ok=True)
    while folder != (above := os.path.dirname(folder)):
        folder = above
        _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
