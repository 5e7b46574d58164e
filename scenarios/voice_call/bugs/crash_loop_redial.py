"""Recovery finds a call whose dial was never answered, and dials again: a person is phoned once per restart."""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.provider_client import CallStatus, StatusAnswer
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Finding, Restore


class RedialingRestore(Restore):
    """Does what the record says was intended."""

    async def ask(self, record: CallRecord) -> Finding:
        if record.provider_call_id is not None:
            return await super().ask(record)
        dialled = await self.desk.line.dial(record, self.desk.new_id(), record.from_)
        return Finding(dialled.provider_call_id, False, StatusAnswer(CallStatus.IN_PROGRESS))


BUG = SeededBug(
    id="crash-loop-redial",
    number=65,
    group="process",
    source="openclaw/openclaw#48739 (ten calls in one night); elizaOS/eliza#22382; awesome-phone-call-agents#337",
    trigger="death between a dial and the record of its result",
    expected="side-effect-repeated",
    build=with_parts(restore=RedialingRestore),
    workloads=("notify",),
)
