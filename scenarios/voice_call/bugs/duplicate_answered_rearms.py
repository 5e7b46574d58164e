"""Each report of the answer overwrites the time of the answer and starts the duration timer anew.

A provider that repeats itself under a fresh id prolongs the call. Source: the event handler before pull request 18852;
openclaw/openclaw#118754 (the timer is not started again for a call that was answered).
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent, EventRules
from scenarios.voice_call.manager.lifecycle import MAX_DURATION, UNANSWERED, move
from scenarios.voice_call.manager.records import CallRecord


class LastAnswerWins(EventRules):
    """Takes each answer for the first."""

    def apply_answered(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        at = self.instant(record, event, now)
        deadlines = {kind: due for kind, due in record.deadlines.items() if kind != UNANSWERED}
        deadlines[MAX_DURATION] = at + self.config.max_duration_ms
        return replace(move(record, "answered"), answered_at=at, deadlines=deadlines)


BUG = SeededBug(
    id="duplicate-answered-rearms",
    number=11,
    group="call-manager",
    source="openclaw/openclaw#118754; the event handler before #18852",
    trigger="a second report of the answer under another id",
    expected="timer-extended",
    build=with_parts(rules=LastAnswerWins),
    workloads=("long-call",),
)
