"""A restart takes a call without a provider id for one that was never dialled.

The provider had accepted the dial; the process died before the id it answered was written. The phone rings, somebody
answers, nobody hangs up: the client key of the intent would have told, and it is not asked. Source: the loader before
openclaw/openclaw#4325; CALLE-AI/awesome-phone-call-agents#137; signalwire/signalwire-legacy-js#1329.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.provider_client import CallStatus, StatusAnswer
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Finding, Restore


class NeverAsksByKey(Restore):
    """Without an id there was no call."""

    async def ask(self, record: CallRecord) -> Finding:
        if record.provider_call_id is None:
            return Finding(None, True, StatusAnswer(CallStatus.UNKNOWN))
        return await super().ask(record)


BUG = SeededBug(
    id="dial-accepted-id-not-durable",
    number=5,
    group="call-manager",
    source="openclaw/openclaw#4325; CALLE-AI/awesome-phone-call-agents#137; signalwire/signalwire-legacy-js#1329",
    trigger="a death between the dial and the record of the provider id",
    expected="orphan-remote",
    build=with_parts(restore=NeverAsksByKey),
    workloads=("notify",),
)
