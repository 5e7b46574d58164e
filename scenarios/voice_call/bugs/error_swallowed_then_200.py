"""The webhook catches what goes wrong with an event, logs it, and answers 200 all the same.

The provider has its 200 and never delivers the event again: what the full disk refused is gone for good. Source: the
webhook of openclaw's voice call plugin before pull request 18852; openclaw/openclaw#118754, #110899.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent
from scenarios.voice_call.manager.webhook import Webhook


class AlwaysContent(Webhook):
    """Says OK whatever became of the events."""

    async def apply_all(self, events: list[CallEvent]) -> int:
        for event in events:
            try:
                await self.apply_one(event)
            except Exception as error:
                self.log.error("event-failed", id=event.id, type=event.type, why=type(error).__name__)
        return 200


BUG = SeededBug(
    id="error-swallowed-then-200",
    number=2,
    group="call-manager",
    source="openclaw/openclaw#118754, #110899; the webhook before #18852",
    trigger="a persistence error while an event is applied",
    expected="lost",
    build=with_parts(webhook=AlwaysContent),
    workloads=("full-disk",),
)
