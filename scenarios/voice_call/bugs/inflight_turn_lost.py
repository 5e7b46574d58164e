"""Who waits for an answer, and for how long, is known to the process that asked and to nobody else.

After a restart the call is stuck in the middle of its question: no answer is tied to it, no deadline ends it, and no
other question may be asked. Source: the waiters before pull request 18852; openclaw/openclaw#145047;
langchain-ai/langgraph#8039.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import TRANSCRIPT, without_deadline
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Restore


class ForgetsWhoAsked(Restore):
    """Restores the question as it stood, without its deadline."""

    def tidy(self, record: CallRecord) -> CallRecord:
        tidied = super().tidy(record)
        return without_deadline(replace(tidied, turn=record.turn), TRANSCRIPT)


BUG = SeededBug(
    id="inflight-turn-lost",
    number=16,
    group="call-manager",
    source="openclaw/openclaw#145047; langchain-ai/langgraph#8039",
    trigger="a restart while a question waits for its answer",
    expected="stale-active",
    build=with_parts(restore=ForgetsWhoAsked),
    workloads=("conversation",),
)
