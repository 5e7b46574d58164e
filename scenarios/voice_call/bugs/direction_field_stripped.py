"""The normaliser drops the direction, and an event about an unknown call that is not inbound is nobody's business.

So no inbound call ever begins, and all its events are answered 200. Source: openclaw/openclaw#16601, #40131.
"""

from typing import Any

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import Absorbed, CallEvent, Change, EventRules


class StripsTheDirection(EventRules):
    """Keeps the fields it has heard of."""

    def read_event(self, raw: dict[str, Any]) -> CallEvent:
        return super().read_event({key: value for key, value in raw.items() if key != "direction"})

    def admit_unknown(self, event: CallEvent, now: int) -> Change | Absorbed:
        self.log.warning("foreign-event-absorbed", id=event.id, type=event.type)
        return Absorbed("foreign")


BUG = SeededBug(
    id="direction-field-stripped",
    group="extras",
    source="openclaw/openclaw#16601, #40131",
    trigger="any inbound call",
    expected="lost",
    build=with_parts(rules=StripsTheDirection),
    workloads=("inbound",),
)
