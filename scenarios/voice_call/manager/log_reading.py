"""From the bytes of a log to what it says: pure, so that every damage can be tried without a disk.

Lines count by sequence number, never by position. Where two writers overlap the higher generation wins: once
generation G wrote number N, a lower generation's numbers from N on are a stale writer's. Damage is only
repaired at the very end of the file, where an append was in flight; elsewhere it is reported and its call
becomes uncertain.

A long log is read in pieces: the lines of a piece are put in order, folded into the records and forgotten. That
needs each piece to come after the ones before it, as one writer leaves them. Where it does not (OutOfOrder), the
log must be read again in one piece, and then takes several times its size in memory.
"""

import math
import zlib
from collections.abc import Callable

import msgspec

from scenarios.voice_call.manager import old_lines
from scenarios.voice_call.manager.config import EventLog
from scenarios.voice_call.manager.records import CallRecord, DamagedLine, Entry, RecordFold, UnknownLine, decode_line

EVERY_CALL = "*"


class OutOfOrder(ValueError):
    """A piece holds lines that belong before lines which are folded already: read the log in one piece."""


class LoadedLog(msgspec.Struct, frozen=True):
    """What a log says. `quarantined`: call id (or EVERY_CALL, when the victim is unknown) to the reason.

    `kept_lines` are damaged and unknown lines, carried along as they are. `good_end` is the length of the
    file without an unfinished last line, `newline_missing` says that the last line is whole but for its LF,
    `last_line_at` is where the last line begins, `begins_at` where the last piece begins, and `checksum` is the
    CRC-32 of the pieces before it. All in bytes from the beginning of the file. `is_old`: written by version 0.
    `is_unreadable`: it holds several whole lines, and none that anybody could have read. One alone may be what a
    death left of the first record.
    """

    records: dict[str, CallRecord]
    quarantined: dict[str, str]
    kept_lines: list[bytes]
    last_seq: int
    last_gen: int
    lines: int
    good_end: int
    newline_missing: bool
    last_line_at: int
    begins_at: int = 0
    checksum: int = 0
    is_old: bool = False
    is_unreadable: bool = False


class LogReader:
    """Reads one log, once: `take_piece` any number of times, then `read`. Each method is one rule.

    `entries` are the lines of the piece at hand.
    """

    def __init__(self, log: EventLog, reload_ids: Callable[[CallRecord], CallRecord]) -> None:
        self.log = log
        self.reload_ids = reload_ids
        self.entries: list[Entry] = []
        self.kept: list[bytes] = []
        self.quarantined: dict[str, str] = {}
        self.last_seq = 0
        self.last_gen = 0
        self._lines = 0
        self._begins_at = 0
        self._checksum = 0
        self._folds: dict[str, RecordFold] = {}
        self._folded_to: float = -math.inf
        self._folded_gen: float = -math.inf
        self._covered = 0
        self._missing: list[tuple[int, int]] = []
        self._last_number = 0
        self._of_newer_versions: list[int] = []
        self._damaged = 0
        self._intact = False
        self._old: dict[str, tuple[int, bytes]] = {}

    def take_piece(self, data: bytes) -> bytes:
        """Take and fold a piece but for its last two lines; give back what belongs to the next piece.

        Two, because the end of a log is judged as a whole: where the last line turns out to be an append in
        flight, the one before is the last. Raises OutOfOrder.
        """
        end = len(data)
        for _ in range(3):
            end = data.rfind(b"\n", 0, end)
            if end < 0:
                return data
        piece = data[: end + 1]
        lines = self.split_lines(piece)
        for number, raw in enumerate(lines[:-1], self._lines + 1):
            if not self.take_line(raw, number):
                self.take_damaged(raw, number)
        self.fold_piece()
        self._lines += len(lines) - 1
        self._begins_at += len(piece)
        self._checksum = zlib.crc32(piece, self._checksum)
        return data[end + 1 :]

    def read(self, data: bytes) -> LoadedLog:
        """What the log says: the pieces taken before, and these bytes, which are its end. Raises OutOfOrder."""
        lines = self.split_lines(data)
        tail = lines.pop()
        last = self._lines + len(lines)
        good_end = len(data) - len(tail)
        for number, raw in enumerate(lines, self._lines + 1):
            if self.take_line(raw, number):
                continue
            if number == last and not tail and self.was_in_flight(raw):
                self.log.info("nul-tail-cut", bytes=len(raw) + 1)
                good_end -= len(raw) + 1
            else:
                self.take_damaged(raw, number)
        newline_missing = bool(tail) and self.take_tail(tail, last + 1)
        if newline_missing:
            good_end = len(data)
        is_old = bool(self._old) and not self._intact
        records = self.fold_old() if is_old else self.fold_all()
        self.report_gaps()
        return LoadedLog(
            records=records,
            quarantined=self.quarantined,
            kept_lines=self.kept,
            last_seq=self.last_seq,
            last_gen=self.last_gen,
            lines=last,
            good_end=self._begins_at + good_end,
            newline_missing=newline_missing,
            last_line_at=self._begins_at + data.rfind(b"\n", 0, max(good_end - 1, 0)) + 1,
            begins_at=self._begins_at,
            checksum=self._checksum,
            is_old=is_old,
            is_unreadable=self._damaged > 1 and not self._intact and not self._old,
        )

    def split_lines(self, data: bytes) -> list[bytes]:
        """The lines, and what stands after the last LF. LF bytes only: other separators are text."""
        return data.split(b"\n")

    def decode(self, raw: bytes) -> Entry:
        """One line on its own: what is wrong with it does not touch the others. Raises DamagedLine, UnknownLine."""
        return decode_line(raw)

    def take_tail(self, tail: bytes, number: int) -> bool:
        """The tail was in flight when its writer died: nobody was told it is safe, unless it is whole."""
        if self.take_line(tail, number):
            self.log.info("tail-newline-added", line=number)
            return True
        self.log.info("nul-tail-cut" if b"\0" in tail else "tail-cut", bytes=len(tail))
        return False

    def was_in_flight(self, last_line: bytes) -> bool:
        """Whether a damaged last line that ends well holds sectors of an append that never reached the disk."""
        return b"\0" in last_line

    def take_line(self, raw: bytes, number: int) -> bool:
        """Take one line; False when it is damaged."""
        try:
            entry = self.decode(raw)
        except UnknownLine as unknown:
            self.last_seq = max(self.last_seq, unknown.seq)
            self.last_gen = max(self.last_gen, unknown.gen)
            self.doubt(unknown.call, unknown.why, number)
            self.kept.append(raw)
            self._of_newer_versions.append(unknown.seq)
            self._intact = True
            return True
        except DamagedLine:
            return self.take_old_line(raw, number)
        self._intact = True
        self.entries.append(entry)
        self.last_seq = max(self.last_seq, entry.seq)
        self.last_gen = max(self.last_gen, entry.gen)
        return True

    def take_old_line(self, raw: bytes, number: int) -> bool:
        """Take a snapshot of version 0; False when it is none. The newest of a call wins, if this is an old log."""
        call = old_lines.call_of(raw)
        if call is not None:
            self._old[call] = (number, raw)
        return call is not None

    def take_damaged(self, raw: bytes, number: int) -> None:
        """Damage in the middle: report it and keep it; a line that follows a hole of zeros counts."""
        after_hole = raw.lstrip(b"\0")
        if len(after_hole) < len(raw) and after_hole and self.take_line(after_hole, number):
            self.log.warning("line-after-hole-recovered", line=number)
            raw = raw[: len(raw) - len(after_hole)]
        try:
            self.decode(raw)
        except DamagedLine as damage:
            self.doubt(damage.call, damage.why if raw.strip(b"\0") else "a hole of zeros", number)
            self._damaged += 1
        self.kept.append(raw)

    def doubt(self, call: str | None, why: str, number: int) -> None:
        """A call is uncertain, or every call is when nobody knows whose line it was."""
        self.quarantined.setdefault(call or EVERY_CALL, why)
        self.log.warning("line-quarantined", line=number, call=call, why=why)

    def fold_piece(self) -> None:
        """Bring the records up to the lines of this piece, and forget the lines."""
        self.note_numbers()
        for entry in self.in_order():
            fold = self._folds.get(entry.call)
            if fold is None:
                fold = self._folds[entry.call] = RecordFold()
            fold.apply(entry)
        self.entries.clear()

    def fold_all(self) -> dict[str, CallRecord]:
        """The record of each call, from the lines that count."""
        self.fold_piece()
        for call, (number, raw) in self._old.items():
            self.doubt(call, "a line of version 0 in a newer log", number)
            self.kept.append(raw)
        records = {}
        for call in list(self._folds):
            record, doubtful = self._folds.pop(call).record(call)
            if doubtful:
                self.doubt(call, "a field could not be read", 0)
            records[call] = self.reload_ids(record)
        return records

    def fold_old(self) -> dict[str, CallRecord]:
        """The record of each call of an old log."""
        records = {}
        for call, (number, raw) in self._old.items():
            record, doubtful = old_lines.record_of(raw)
            if doubtful:
                self.doubt(call, "a field could not be read", number)
            records[call] = self.reload_ids(record)
        return records

    def in_order(self) -> list[Entry]:
        """The entries of this piece that count, by sequence number; a stale generation's are left out."""
        ordered = sorted(self.entries, key=lambda entry: (entry.seq, -entry.gen))
        limit = _where_the_next_generation_begins(ordered)
        counted: list[Entry] = []
        seen: dict[str, int | None] = {}
        for entry in ordered:
            call, seq = entry.call, entry.seq
            if call not in seen:
                seen[call] = self._folds[call].seq if call in self._folds else None
            if seen[call] == seq or (entry.gen in limit and seq >= limit[entry.gen]):
                self.log.warning("stale-line-ignored", seq=seq, gen=entry.gen, call=call)
                continue
            seen[call] = seq
            counted.append(entry)
        return counted

    def note_numbers(self) -> None:
        """Which numbers this piece holds, and which are missing before them. Raises OutOfOrder."""
        self.check_order()
        for number in sorted({entry.seq for entry in self.entries}.union(self._of_newer_versions)):
            if number > self._last_number + 1:
                self._missing.append((self._last_number + 1, number - 1))
            self._last_number = max(self._last_number, number)
            self._folded_to = number
        self._folded_gen = max((entry.gen for entry in self.entries), default=self._folded_gen)
        self._covered = max(self._covered, max((entry.body.covers for entry in self.entries), default=0))
        self._of_newer_versions.clear()

    def check_order(self) -> None:
        """Whether this piece goes on where the one before has ended. Raises OutOfOrder."""
        lowest = min((*(entry.seq for entry in self.entries), *self._of_newer_versions), default=self._folded_to)
        if lowest < self._folded_to:
            raise OutOfOrder(f"number {lowest} comes after number {self._folded_to}")
        for entry in self.entries:
            if entry.gen < self._folded_gen or (entry.seq == self._folded_to and entry.gen > self._folded_gen):
                raise OutOfOrder(f"generation {entry.gen} comes after generation {self._folded_gen}")

    def report_gaps(self) -> None:
        """A number that no line carries is a lost line, and nobody knows whose (none is missing above `covers`).

        A damaged line explains one number, whichever it was; a line of a newer version carries its own.
        """
        holes = [(max(first, self._covered + 1), last) for first, last in self._missing if last > self._covered]
        if sum(last - first + 1 for first, last in holes) > self._damaged:
            self.doubt(None, f"lines {holes[0][0]} to {holes[0][1]} are missing", 0)


def _where_the_next_generation_begins(ordered: list[Entry]) -> dict[int, int]:
    """For each generation but the highest, the lowest number of any higher one."""
    starts: dict[int, int] = {}
    for entry in ordered:
        starts[entry.gen] = min(starts.get(entry.gen, entry.seq), entry.seq)
    limit: dict[int, int] = {}
    lowest: int | None = None
    for gen in sorted(starts, reverse=True):
        if lowest is not None:
            limit[gen] = lowest
        lowest = starts[gen] if lowest is None else min(lowest, starts[gen])
    return limit
