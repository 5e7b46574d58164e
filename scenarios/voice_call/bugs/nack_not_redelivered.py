"""What the provider does not deliver again is never known: the manager waits for a retry that does not come.

Nobody asks the provider what became of a call, so one report that got lost leaves it active until its cap, and gives it
a wrong end. Source: Twilio's default of one retry for failed connections only; openclaw/openclaw#101107;
flowershow/flowershow#1316.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.obligations import Obligations


class TrustsRedelivery(Obligations):
    """Never asks."""

    async def poll(self, call_id: str) -> None:
        return None


BUG = SeededBug(
    id="nack-not-redelivered",
    number=51,
    group="webhook",
    source="openclaw/openclaw#101107; flowershow/flowershow#1316; Twilio's connection overrides",
    trigger="a report of an end that the provider does not repeat",
    expected="stale-active",
    build=with_parts(obligations=TrustsRedelivery),
    workloads=("lost-end",),
)
