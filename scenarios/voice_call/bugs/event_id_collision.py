"""Transcripts get their event ids from a millisecond clock, in one namespace for all calls.

What two people say in the same millisecond is one event, and the second is dropped as a duplicate. Source: the stream
transcripts before pull request 18852; openclaw/openclaw#6702 (review); bug-ops/zeph#5487.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent, EventRules
from scenarios.voice_call.manager.records import CallRecord


class ClockIds(EventRules):
    """Tells transcripts apart by their time."""

    def dedupe_key(self, event: CallEvent) -> str:
        return f"stt-{event.timestamp}" if event.type == "call.speech" else super().dedupe_key(event)

    def is_duplicate(self, record: CallRecord, event: CallEvent) -> bool:
        key = self.dedupe_key(event)
        return any(key in known.processed_event_ids for known in self.book.all())


BUG = SeededBug(
    id="event-id-collision",
    number=34,
    group="call-manager",
    source="openclaw/openclaw#6702; bug-ops/zeph#5487",
    trigger="two transcripts in the same millisecond",
    expected="lost",
    build=with_parts(rules=ClockIds),
    workloads=("two-calls",),
)
