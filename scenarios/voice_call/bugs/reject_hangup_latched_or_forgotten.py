"""A rejected caller counts as hung up from the first attempt on, whether it succeeded or not.

The provider did not answer that one attempt: the caller hears it ring until they give up. Source:
openclaw/openclaw#13242, #7498, #15892, #117437.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.obligations import Obligations
from scenarios.voice_call.manager.provider_client import ProviderUnavailable
from scenarios.voice_call.manager.records import CallRecord


class RejectsOnce(Obligations):
    """Latches the rejection before its hang-up succeeded."""

    async def hang_up(self, record: CallRecord) -> CallRecord:
        if record.standing != "rejected":
            return await super().hang_up(record)
        latched = replace(record, hang_up_owed=False, owed_since=None)
        self.desk.journal.commit(record, latched, "rejected")
        try:
            await self.desk.line.hang_up(record)
        except ProviderUnavailable as error:
            self.desk.log.warning("reject-hang-up-failed", call=record.call_id, why=str(error))
        return latched


BUG = SeededBug(
    id="reject-hangup-latched-or-forgotten",
    number=28,
    group="call-manager",
    source="openclaw/openclaw#13242, #7498, #15892, #117437",
    trigger="a provider error on the hang-up of a rejected caller",
    expected="side-effect-lost",
    build=with_parts(obligations=RejectsOnce),
    workloads=("stranger",),
)
