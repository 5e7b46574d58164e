"""The hang-up that follows a notification is a timer of the process that played it, and in no record.

After a restart between the message and the hang-up the line stays open until the cap of the call. Source: the outbound
path before pull request 18852; openclaw/openclaw#3510, #18437.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import NOTIFY_HANG_UP, without_deadline
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Restore


class ForgetsToHangUp(Restore):
    """Restores a notification without the hang-up that was to follow."""

    def tidy(self, record: CallRecord) -> CallRecord:
        return super().tidy(without_deadline(record, NOTIFY_HANG_UP))


BUG = SeededBug(
    id="notify-hangup-delay-lost",
    number=15,
    group="call-manager",
    source="openclaw/openclaw#3510, #18437",
    trigger="a restart between the message and the hang-up",
    expected="timer-lost",
    build=with_parts(restore=ForgetsToHangUp),
    workloads=("notify",),
)
