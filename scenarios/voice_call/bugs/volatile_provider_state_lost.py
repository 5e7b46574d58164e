"""The tokens of media streams are known to the object that talks to the provider, and to nobody after a restart.

A stream that was granted before is sent away as a stranger's; what had been heard of before has no end that anybody
waits for. Source: the Twilio and Plivo providers before pull request 18852; openclaw/openclaw#13823, #12340, #11571;
OpenSIPS/opensips#101.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Restore


class ForgetsTokens(Restore):
    """Restores what a call is, and not what it takes to hear it."""

    def without_stream(self, record: CallRecord, now: int) -> CallRecord:
        return replace(record, media=None)


BUG = SeededBug(
    id="volatile-provider-state-lost",
    number=20,
    group="call-manager",
    source="openclaw/openclaw#13823, #12340, #11571; OpenSIPS/opensips#101",
    trigger="a restart between the answer that grants a stream and the stream",
    expected="stale-active",
    build=with_parts(restore=ForgetsTokens),
    workloads=("stream",),
)
