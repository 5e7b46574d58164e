"""An event that is being worked on is a duplicate, and duplicates are answered 200, before anybody knows how the work ends.

The provider, who did not wait for the first answer, has its 200 from the second delivery and comes no more; then the first
one fails. Source: openclaw/openclaw#118754, #100263.
"""

from typing import Any

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent
from scenarios.voice_call.manager.webhook import Webhook


class ClaimsInFlight(Webhook):
    """Asks the provider about the call first, and releases the claim when it fails."""

    def __init__(self, *parts: Any, **others: Any) -> None:
        super().__init__(*parts, **others)
        self.claimed: set[str] = set()

    async def apply_one(self, event: CallEvent) -> None:
        if event.id in self.claimed:
            return
        self.claimed.add(event.id)
        try:
            record = self.rules.find(event)
            if record is not None and record.provider_call_id is not None:
                await self.client.status(record.provider_call_id)
            await super().apply_one(event)
        finally:
            self.claimed.discard(event.id)


BUG = SeededBug(
    id="duplicate-claim-answers-200-while-first-in-flight",
    group="extras",
    source="openclaw/openclaw#118754, #100263",
    trigger="a delivery that takes too long and fails, and its redelivery in between",
    expected="lost",
    build=with_parts(webhook=ClaimsInFlight),
    workloads=("slow-answer",),
)
