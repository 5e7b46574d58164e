"""The cap of a call lives in the process that heard the answer: a restored call has none.

A restart in the middle of a conversation makes it endless. Source: openclaw/openclaw#4325 (review);
node-schedule/node-schedule#228, #500; apache/incubator-kie-issues#1578.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import MAX_DURATION, without_deadline
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Restore


class RestoresWithoutCap(Restore):
    """Restores everything of a call but its cap."""

    def with_deadline(self, record: CallRecord, now: int) -> CallRecord:
        return without_deadline(record, MAX_DURATION)


BUG = SeededBug(
    id="duration-timer-not-rearmed",
    number=12,
    group="call-manager",
    source="openclaw/openclaw#4325; node-schedule/node-schedule#228, #500; apache/incubator-kie-issues#1578",
    trigger="a restart while a call is answered",
    expected="timer-lost",
    build=with_parts(restore=RestoresWithoutCap),
    workloads=("across-restart",),
)
