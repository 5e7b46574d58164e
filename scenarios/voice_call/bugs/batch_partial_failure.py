"""A request with several events is acknowledged when the first of them was applied.

The second failed, the third came after it; both are gone, because a request that was answered 200 is not repeated.
Source: backbay-labs/clawdstrike#145; cloudevents/spec#414; vercel/workflow#3025.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent, RetryLater
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.webhook import Webhook


class FirstOneCounts(Webhook):
    """Answers for the whole request what became of its first event."""

    async def apply_all(self, events: list[CallEvent]) -> int:
        for number, event in enumerate(events):
            try:
                await self.apply_one(event)
            except (StoreUnavailable, RetryLater) as error:
                self.log.warning("event-refused", id=event.id, type=event.type, why=type(error).__name__)
                return 503 if number == 0 else 200
        return 200


BUG = SeededBug(
    id="batch-partial-failure",
    number=56,
    group="webhook",
    source="backbay-labs/clawdstrike#145; cloudevents/spec#414; vercel/workflow#3025",
    trigger="the second event of a request cannot be written",
    expected="lost",
    build=with_parts(webhook=FirstOneCounts),
    workloads=("full-disk-batch",),
)
