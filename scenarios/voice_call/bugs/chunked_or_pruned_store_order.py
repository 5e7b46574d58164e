"""Retention by count: compaction keeps the calls with the newest events, and a quiet call that is live is not among them."""

from typing import Final

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.journal import Journal
from scenarios.voice_call.manager.records import CallRecord

KEPT_CALLS: Final = 2


class CountingJournal(Journal):
    """Keeps a number of calls, whatever they are doing."""

    def retain(self) -> list[CallRecord]:
        by_activity = sorted(self.book.all(), key=lambda record: max(record.processed_event_times, default=0))
        return by_activity[-KEPT_CALLS:]


BUG = SeededBug(
    id="chunked-or-pruned-store-order",
    number=50,
    group="store",
    source="openclaw/openclaw#122954, #88609, #88731; retention of 1,000 events in the later store",
    trigger="more calls than are retained while one of them is quiet",
    expected="lost",
    build=with_parts(journal=CountingJournal),
    workloads=("compaction",),
)
