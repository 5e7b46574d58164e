"""A callback that is faster than the answer to the dial finds no call under its provider id, and is consumed.

The 200 is given, the answer of the person is never known. Source: openclaw/openclaw#118754, #145047, #89512.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import Absorbed, CallEvent, Change, EventRules
from scenarios.voice_call.manager.records import CallRecord


class KnowsProviderIdsOnly(EventRules):
    """Ignores our own key in a callback, and drops what it cannot place."""

    def find(self, event: CallEvent) -> CallRecord | None:
        return self.book.find(event.call_id) or self.book.find(event.provider_call_id)

    def admit_unknown(self, event: CallEvent, now: int) -> Change | Absorbed:
        if event.direction == "outbound":
            return Absorbed("unknown call")
        return super().admit_unknown(event, now)


BUG = SeededBug(
    id="early-event-before-registration",
    number=10,
    group="call-manager",
    source="openclaw/openclaw#118754, #145047, #89512",
    trigger="a callback before the answer to the dial",
    expected="lost",
    build=with_parts(rules=KnowsProviderIdsOnly),
    workloads=("at-once",),
)
