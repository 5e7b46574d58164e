"""What an event does and the note that it was seen are two writes, and nothing says which of them comes first.

The note is the smaller one and is usually first on the disk; a death between them leaves an event that was seen and never
happened, and its redelivery is a duplicate. Source: langchain-ai/langgraph#8039, #8234.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.journal import Journal
from scenarios.voice_call.manager.records import CallRecord


class TwoWriters(Journal):
    """Writes the ids of a known call, then what they stand for."""

    def write(self, before: CallRecord | None, after: CallRecord, kind: str) -> None:
        if before is None or before.processed_event_ids == after.processed_event_ids:
            super().write(before, after, kind)
            return
        seen = replace(
            before,
            processed_event_ids=after.processed_event_ids,
            processed_event_times=after.processed_event_times,
        )
        super().write(before, seen, "seen")
        super().write(seen, after, kind)


BUG = SeededBug(
    id="ack-order-of-two-writes",
    group="extras",
    source="langchain-ai/langgraph#8039, #8234",
    trigger="a death between the two writes, then a redelivery",
    expected="lost",
    build=with_parts(journal=TwoWriters),
    workloads=("across-restart",),
)
