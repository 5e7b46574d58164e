"""A record without a provider id can be neither ended, nor reaped, nor verified.

Each of these paths asks the provider, and there is nothing to ask it about. Source: openclaw/openclaw#129473, #4325.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.duties import Duty
from scenarios.voice_call.manager.outbound import EndResult, Outbound
from scenarios.voice_call.manager.provider_client import CallStatus, StatusAnswer
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Finding, Restore
from scenarios.voice_call.manager.switchboard import CallNotConnected
from scenarios.voice_call.manager.timers import Timers


class EndsConnectedCalls(Outbound):
    """Answers "not connected", which callers ignore."""

    async def end(self, any_id: str, reason: str) -> EndResult:
        record = self.desk.call(any_id)
        if record.provider_call_id is None:
            raise CallNotConnected(f"call {record.call_id} is not connected")
        return await super().end(any_id, reason)


class ReapsConnectedCalls(Timers):
    """Arms nothing for a call that the provider has not named."""

    def wanted(self, record: CallRecord) -> dict[str, Duty]:
        return {} if record.provider_call_id is None else super().wanted(record)


class KeepsUnconnectedCalls(Restore):
    """Cannot verify such a call, and keeps it."""

    async def ask(self, record: CallRecord) -> Finding:
        if record.provider_call_id is None:
            return Finding(None, False, StatusAnswer(CallStatus.UNKNOWN))
        return await super().ask(record)


BUG = SeededBug(
    id="unconnected-call-unendable",
    number=18,
    group="call-manager",
    source="openclaw/openclaw#129473, #4325",
    trigger="a death before the provider id is stored",
    expected="wedged-capacity",
    build=with_parts(outbound=EndsConnectedCalls, timers=ReapsConnectedCalls, restore=KeepsUnconnectedCalls),
    workloads=("notify",),
)
