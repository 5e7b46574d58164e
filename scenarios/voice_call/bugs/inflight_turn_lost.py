"""Who waits for an answer, and for how long, is known to the process that asked and to nobody else.

After a restart the call is stuck in the middle of its question: no deadline ends it, and no other question may be asked.
A question that was answered is not known any more, and whose answer it was nobody can tell. Source: the waiters before
pull request 18852; openclaw/openclaw#145047; langchain-ai/langgraph#8039.
"""

from msgspec.structs import replace

from harness.scenario import Facet, SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import TRANSCRIPT, without_deadline
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Restore


class ForgetsWhoAsked(Restore):
    """Restores an open question as it stood, without its deadline, and no other."""

    def tidy(self, record: CallRecord) -> CallRecord:
        tidied = super().tidy(record)
        unfinished = record.turn if record.turn is not None and record.turn.open else None
        return without_deadline(replace(tidied, turn=unfinished), TRANSCRIPT)


BUG = SeededBug(
    id="inflight-turn-lost",
    number=16,
    group="call-manager",
    source="openclaw/openclaw#145047; langchain-ai/langgraph#8039",
    trigger="a restart while a question waits for its answer",
    expected="stale-active",
    build=with_parts(restore=ForgetsWhoAsked),
    workloads=("conversation",),
    facets=(
        Facet("open-for-ever", ("stale-active",), summary="* waits for an answer that nobody awaits"),
        Facet("lost-result", ("lost",), summary="* answers a question that call * does not know of"),
    ),
)
