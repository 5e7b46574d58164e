"""Whatever is said next answers the question that is open, also when it answers the one before.

Source: openclaw/openclaw#152579, #153012, #112360, #112361.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent, EventRules
from scenarios.voice_call.manager.records import CallRecord


class AnyAnswerWillDo(EventRules):
    """Does not look at the turn in which something was said."""

    def apply_speech(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        token = None if record.turn is None else record.turn.token
        return super().apply_speech(record, replace(event, turn_token=token), now)


BUG = SeededBug(
    id="stale-turn-transcript",
    number=29,
    group="call-manager",
    source="openclaw/openclaw#152579, #153012, #112360, #112361",
    trigger="a question is abandoned, the next one is asked, the answer to the first arrives",
    expected="misattributed",
    build=with_parts(rules=AnyAnswerWillDo),
    workloads=("conversation",),
)
