"""Each delivery of an event gets an id of its own, made up on arrival: no redelivery is ever recognised.

Source: the normalisers for Twilio, Plivo and the mock before openclaw's "bind dedupe to verified request identity"
(remoteclaw/remoteclaw#1158); openclaw/openclaw#25832, #100263.
"""

import uuid
from typing import Any

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent, EventRules


class MakesUpIds(EventRules):
    """Does not take the provider's ids."""

    def read_event(self, raw: dict[str, Any]) -> CallEvent:
        return super().read_event(raw | {"id": str(uuid.uuid4())})


BUG = SeededBug(
    id="random-event-id-defeats-dedupe",
    number=52,
    group="webhook",
    source="remoteclaw/remoteclaw#1158; openclaw/openclaw#25832, #100263",
    trigger="any redelivery",
    expected="double-applied",
    build=with_parts(rules=MakesUpIds),
    workloads=("inbound",),
)
