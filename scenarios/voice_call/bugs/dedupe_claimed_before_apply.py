"""The id of an event is remembered before the event is written; when the write fails, the retry is a duplicate.

The first delivery is refused as it should be, the second is answered 200 and dropped. Source: the order of operations
before pull request 18852; dograh-hq/dograh#594; sh1nj1/plan42#1457; engram-app/Engram#566.
"""

from typing import Any

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent
from scenarios.voice_call.manager.webhook import Webhook


class ClaimsFirst(Webhook):
    """Takes note of an event, then tries to apply it."""

    def __init__(self, *parts: Any, **others: Any) -> None:
        super().__init__(*parts, **others)
        self.claimed: set[str] = set()

    async def apply_one(self, event: CallEvent) -> None:
        if event.id in self.claimed:
            return
        self.claimed.add(event.id)
        await super().apply_one(event)


BUG = SeededBug(
    id="dedupe-claimed-before-apply",
    number=9,
    group="call-manager",
    source="dograh-hq/dograh#594; sh1nj1/plan42#1457; engram-app/Engram#566",
    trigger="a write error after the id was claimed, then a redelivery",
    expected="lost",
    build=with_parts(webhook=ClaimsFirst),
    workloads=("full-disk",),
)
