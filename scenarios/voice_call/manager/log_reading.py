"""From the bytes of a log to what it says: pure, so that every damage can be tried without a disk.

Lines count by sequence number, never by position. Where two writers overlap the higher generation wins: once
generation G wrote number N, a lower generation's numbers from N on are a stale writer's. Damage is only
repaired at the very end of the file, where an append was in flight; elsewhere it is reported and its call
becomes uncertain.
"""

from collections.abc import Callable

import msgspec

from scenarios.voice_call.manager.config import EventLog
from scenarios.voice_call.manager.records import CallRecord, DamagedLine, Entry, UnknownLine, decode_line, fold

EVERY_CALL = "*"


class LoadedLog(msgspec.Struct, frozen=True):
    """What a log says. `quarantined`: call id (or EVERY_CALL, when the victim is unknown) to the reason.

    `kept_lines` are damaged and unknown lines, carried along as they are. `good_end` is the length of the
    file without an unfinished last line, `newline_missing` says that the last line is whole but for its LF,
    `last_line_at` is where the last line begins.
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


class LogReader:
    """Reads one log, once. Each method is one rule."""

    def __init__(self, log: EventLog, reload_ids: Callable[[CallRecord], CallRecord]) -> None:
        self.log = log
        self.reload_ids = reload_ids
        self.entries: list[Entry] = []
        self.kept: list[bytes] = []
        self.quarantined: dict[str, str] = {}
        self.last_seq = 0
        self.last_gen = 0

    def read(self, data: bytes) -> LoadedLog:
        """What these bytes say."""
        lines = self.split_lines(data)
        tail = lines.pop()
        good_end = len(data) - len(tail)
        newline_missing = bool(tail) and self.take_tail(tail, len(lines) + 1)
        if newline_missing:
            good_end = len(data)
        for number, raw in enumerate(lines, 1):
            if self.take_line(raw, number):
                continue
            if number == len(lines) and not tail and self.was_in_flight(raw):
                self.log.info("nul-tail-cut", bytes=len(raw) + 1)
                good_end -= len(raw) + 1
            else:
                self.take_damaged(raw, number)
        records = self.fold_all()
        self.report_gaps()
        return LoadedLog(
            records=records,
            quarantined=self.quarantined,
            kept_lines=self.kept,
            last_seq=self.last_seq,
            last_gen=self.last_gen,
            lines=len(lines),
            good_end=good_end,
            newline_missing=newline_missing,
            last_line_at=data.rfind(b"\n", 0, max(good_end - 1, 0)) + 1,
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
            return True
        except DamagedLine:
            return False
        self.entries.append(entry)
        self.last_seq = max(self.last_seq, entry.seq)
        self.last_gen = max(self.last_gen, entry.gen)
        return True

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
        self.kept.append(raw)

    def doubt(self, call: str | None, why: str, number: int) -> None:
        """A call is uncertain, or every call is when nobody knows whose line it was."""
        self.quarantined.setdefault(call or EVERY_CALL, why)
        self.log.warning("line-quarantined", line=number, call=call, why=why)

    def fold_all(self) -> dict[str, CallRecord]:
        """The record of each call, from the lines that count."""
        by_call: dict[str, list[Entry]] = {}
        for entry in self.in_order():
            by_call.setdefault(entry.call, []).append(entry)
        records = {}
        for call, entries in by_call.items():
            record, doubtful = fold(call, entries)
            if doubtful:
                self.doubt(call, "a field could not be read", 0)
            records[call] = self.reload_ids(record)
        return records

    def in_order(self) -> list[Entry]:
        """The entries that count, by sequence number; a stale generation's are left out."""
        ordered = sorted(self.entries, key=lambda entry: (entry.seq, -entry.gen))
        limit = _where_the_next_generation_begins(ordered)
        counted: list[Entry] = []
        seen: dict[tuple[str, int], None] = {}
        for entry in ordered:
            stale = entry.gen in limit and entry.seq >= limit[entry.gen]
            if stale or (entry.call, entry.seq) in seen:
                self.log.warning("stale-line-ignored", seq=entry.seq, gen=entry.gen, call=entry.call)
                continue
            seen[(entry.call, entry.seq)] = None
            counted.append(entry)
        return counted

    def report_gaps(self) -> None:
        """A number that no line carries is a lost line, and nobody knows whose (none is missing above `covers`)."""
        covered = max((int(entry.body.get("covers", 0)) for entry in self.entries), default=0)
        expected = covered
        for number in sorted({entry.seq for entry in self.entries if entry.seq > covered}):
            if number != expected + 1 and not self.quarantined:
                self.doubt(None, f"lines {expected + 1} to {number - 1} are missing", 0)
                return
            expected = number


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
