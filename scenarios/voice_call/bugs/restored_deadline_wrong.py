"""A restored call gets the whole duration once more, instead of what is left of it.

In a crash loop it never ends. Source: openclaw 2026.3.13, which computes the time that has passed and arms the full
duration; kamailio/kamailio#4804 is the opposite error.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import MAX_DURATION
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Restore


class FullBudgetAgain(Restore):
    """Counts the duration from the restart."""

    def with_deadline(self, record: CallRecord, now: int) -> CallRecord:
        if MAX_DURATION not in record.deadlines:
            return super().with_deadline(record, now)
        return replace(record, deadlines=record.deadlines | {MAX_DURATION: now + self.desk.config.max_duration_ms})


BUG = SeededBug(
    id="restored-deadline-wrong",
    number=13,
    group="call-manager",
    source="openclaw 2026.3.13; kamailio/kamailio#4804",
    trigger="a restart late in a call",
    expected="timer-extended",
    build=with_parts(restore=FullBudgetAgain),
    workloads=("long-call",),
)
