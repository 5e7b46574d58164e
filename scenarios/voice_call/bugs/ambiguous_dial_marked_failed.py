"""A dial whose answer got lost is written down as failed: the slot is free, the caller is told to try again.

The call was made: it rings at the provider, and every event about it meets a record that is over. Source:
dograh-hq/dograh#566, #670; elizaOS/eliza#22382, #22384; voygr-tech/placecall#35.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import finish
from scenarios.voice_call.manager.outbound import InitiateResult, Outbound


class UnknownIsFailed(Outbound):
    """Knows two results of a dial where there are three."""

    def dial_unknown(self, call_id: str, why: str) -> InitiateResult:
        current = self.desk.again(call_id)
        failed = finish(replace(current, dial="refused"), "failed", self.desk.journal.now())
        self.desk.journal.commit(current, failed, "failed")
        return InitiateResult("refused", call_id, why)


BUG = SeededBug(
    id="ambiguous-dial-marked-failed",
    number=6,
    group="call-manager",
    source="dograh-hq/dograh#566, #670; elizaOS/eliza#22382, #22384; voygr-tech/placecall#35",
    trigger="the answer to a dial is lost after the provider accepted it",
    expected="orphan-remote",
    build=with_parts(outbound=UnknownIsFailed),
    workloads=("lost-dial",),
)
