"""An ended call leaves the only map that admission looks at: a late callback about it is taken for a new call.

The new record rings for ever, takes a slot, and is the second one of the same call. Source: openclaw/openclaw#130059,
#130145, #133811; #31181 widened it to outbound calls.
"""

import uuid

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent, EventRules
from scenarios.voice_call.manager.lifecycle import is_live
from scenarios.voice_call.manager.records import CallRecord


class OnlyTheLiving(EventRules):
    """Looks for calls among those that are not over, and makes up the ids of new ones."""

    def find(self, event: CallEvent) -> CallRecord | None:
        wanted = {event.call_id, event.provider_call_id}
        for record in self.book.live():
            if record.provider_call_id in wanted or record.call_id in wanted:
                return record
        found = super().find(event)
        return found if found is not None and is_live(found) else None

    def create_inbound(self, event: CallEvent, provider_id: str, now: int) -> CallRecord:
        return replace(super().create_inbound(event, provider_id, now), call_id=str(uuid.uuid4()))


BUG = SeededBug(
    id="late-callback-births-ghost-call",
    number=8,
    group="call-manager",
    source="openclaw/openclaw#130059, #130145, #133811, #31181",
    trigger="a status callback after the end of the call",
    expected="ghost-call",
    build=with_parts(rules=OnlyTheLiving),
    workloads=("inbound",),
)
