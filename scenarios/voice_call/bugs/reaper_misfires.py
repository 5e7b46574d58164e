"""The reaper measures the age of a call from its creation, and does not ask whether somebody answered.

A conversation longer than the threshold is cut off. Source: openclaw/openclaw#79121, #79124, #90620, #106396, #18437.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent, EventRules
from scenarios.voice_call.manager.lifecycle import UNANSWERED
from scenarios.voice_call.manager.records import CallRecord


class ReapsTheAnswered(EventRules):
    """Lets the deadline of unanswered calls stand after the answer."""

    def apply_answered(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        after = super().apply_answered(record, event, now)
        reaped_at = {kind: due for kind, due in record.deadlines.items() if kind == UNANSWERED}
        return replace(after, deadlines=after.deadlines | reaped_at)


BUG = SeededBug(
    id="reaper-misfires",
    number=27,
    group="call-manager",
    source="openclaw/openclaw#79121, #79124, #90620, #106396, #18437",
    trigger="a conversation longer than the reaper's threshold",
    expected="wrong-terminal",
    build=with_parts(rules=ReapsTheAnswered),
    workloads=("long-call",),
)
