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


class _Reading:
    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.entries: list[Entry] = []
        self.kept: list[bytes] = []
        self.quarantined: dict[str, str] = {}
        self.last_seq = 0
        self.last_gen = 0

    def line(self, raw: bytes, number: int) -> bool:
        """Take one line; False when it is damaged."""
        try:
            self.take(decode_line(raw))
        except UnknownLine as unknown:
            self.last_seq = max(self.last_seq, unknown.seq)
            self.last_gen = max(self.last_gen, unknown.gen)
            self.doubt(unknown.call, unknown.why, number)
            self.kept.append(raw)
        except DamagedLine:
            return False
        return True

    def take(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.last_seq = max(self.last_seq, entry.seq)
        self.last_gen = max(self.last_gen, entry.gen)

    def doubt(self, call: str | None, why: str, number: int) -> None:
        self.quarantined.setdefault(call or EVERY_CALL, why)
        self.log.warning("line-quarantined", line=number, call=call, why=why)

    def damaged(self, raw: bytes, number: int) -> None:
        """Damage in the middle: report it, keep it, and read the whole line that may be glued to its end."""
        at = _glued_line(raw)
        if at:
            try:
                self.take(decode_line(raw[at:]))
                self.log.warning("glued-line-recovered", line=number)
                raw = raw[:at]
            except (DamagedLine, UnknownLine):
                pass
        try:
            decode_line(raw)
        except DamagedLine as damage:
            self.doubt(damage.call, "a hole of zeros" if raw.strip(b"\0") == b"" else damage.why, number)
        except UnknownLine as unknown:
            self.doubt(unknown.call, unknown.why, number)
        self.kept.append(raw)


def _glued_line(raw: bytes) -> int:
    return max(raw.rfind(b'{"v":'), 0)


def read_log(data: bytes, log: EventLog, reload_ids: Callable[[CallRecord], CallRecord]) -> LoadedLog:
    """What these bytes say.

    `reload_ids` gives back the record with the event ids that a restart remembers.
    """
    reading = _Reading(log)
    chunks = data.split(b"\n")
    tail = chunks.pop()
    good_end = len(data) - len(tail)
    newline_missing = False
    if tail:
        # The tail was in flight when its writer died: nobody was told it is safe, unless it is whole.
        newline_missing = reading.line(tail, len(chunks) + 1)
        if newline_missing:
            log.info("tail-newline-added", line=len(chunks) + 1)
            good_end = len(data)
        else:
            log.info("nul-tail-cut" if b"\0" in tail else "tail-cut", bytes=len(tail))
    for number, raw in enumerate(chunks, 1):
        if reading.line(raw, number):
            continue
        if number == len(chunks) and not tail and b"\0" in raw:
            # The last line ends well but holds zeros: sectors of the append in flight that never reached the disk.
            log.info("nul-tail-cut", bytes=len(raw) + 1)
            good_end -= len(raw) + 1
            continue
        reading.damaged(raw, number)
    return _folded(reading, data, good_end, newline_missing, len(chunks), reload_ids)


def _folded(
    reading: _Reading,
    data: bytes,
    good_end: int,
    newline_missing: bool,
    lines: int,
    reload_ids: Callable[[CallRecord], CallRecord],
) -> LoadedLog:
    by_call: dict[str, list[Entry]] = {}
    for entry in in_order(reading.entries, reading.log):
        by_call.setdefault(entry.call, []).append(entry)
    records = {}
    for call, entries in by_call.items():
        record, doubtful = fold(call, entries)
        if doubtful:
            reading.doubt(call, "a field could not be read", 0)
        records[call] = reload_ids(record)
    _report_gaps(reading)
    return LoadedLog(
        records=records,
        quarantined=reading.quarantined,
        kept_lines=reading.kept,
        last_seq=reading.last_seq,
        last_gen=reading.last_gen,
        lines=lines,
        good_end=good_end,
        newline_missing=newline_missing,
        last_line_at=data.rfind(b"\n", 0, max(good_end - 1, 0)) + 1,
    )


def in_order(entries: list[Entry], log: EventLog) -> list[Entry]:
    """The entries that count, by sequence number; a stale generation's are left out, covered ones skipped."""
    ordered = sorted(entries, key=lambda entry: (entry.seq, -entry.gen))
    starts: dict[int, int] = {}
    for entry in ordered:
        starts[entry.gen] = min(starts.get(entry.gen, entry.seq), entry.seq)
    # Where the next higher generation begins, for each generation.
    limit: dict[int, int] = {}
    lowest: int | None = None
    for gen in sorted(starts, reverse=True):
        if lowest is not None:
            limit[gen] = lowest
        lowest = starts[gen] if lowest is None else min(lowest, starts[gen])
    counted: list[Entry] = []
    seen: dict[tuple[str, int], None] = {}
    for entry in ordered:
        stale = entry.gen in limit and entry.seq >= limit[entry.gen]
        if stale or (entry.call, entry.seq) in seen:
            log.warning("stale-line-ignored", seq=entry.seq, gen=entry.gen, call=entry.call)
            continue
        seen[(entry.call, entry.seq)] = None
        counted.append(entry)
    return counted


def _report_gaps(reading: _Reading) -> None:
    """A number that no line carries is a lost line, and nobody knows whose (compaction leaves none above `covers`).

     number that no line carries is a lost line, and nobody knows whose (compaction leaves none above
    `covers`).
    """
    covered = max((int(entry.body.get("covers", 0)) for entry in reading.entries), default=0)
    numbers = sorted({entry.seq for entry in reading.entries if entry.seq > covered})
    expected = covered
    for number in numbers:
        if number != expected + 1 and not reading.quarantined:
            reading.doubt(None, f"lines {expected + 1} to {number - 1} are missing", 0)
            return
        expected = number
