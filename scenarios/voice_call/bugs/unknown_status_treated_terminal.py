"""A status that the manager does not know is looked up in a table of ends, and the default of the table is an end.

So a restart closes every call about which the provider says nothing certain, and leaves its line to nobody. Source:
openclaw/openclaw#137679.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.provider_client import CallStatus, StatusAnswer
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Finding, Restore


class DefaultsToTheEnd(Restore):
    """What is not in progress is over."""

    def judge(self, record: CallRecord, finding: Finding) -> CallRecord:
        if finding.answer.status is CallStatus.UNKNOWN and not finding.never_dialled:
            over = StatusAnswer(CallStatus.ENDED, "completed")
            finding = Finding(finding.provider_call_id, finding.never_dialled, over)
        return super().judge(record, finding)


BUG = SeededBug(
    id="unknown-status-treated-terminal",
    group="extras",
    source="openclaw/openclaw#137679",
    trigger="a restart during a call whose status the provider does not tell",
    expected="orphan-remote",
    build=with_parts(restore=DefaultsToTheEnd),
    workloads=("unanswered-questions",),
)
