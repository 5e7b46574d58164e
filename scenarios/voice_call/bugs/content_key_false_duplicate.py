"""The dedupe key is made of what an event says: who says the same thing twice has said it once.

Source: sprintberlin/openclaw-cliq#196; simstudioai/sim#5230; openclaw/openclaw#56091; elasticclaw/elasticclaw#112.
"""

import uuid

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent, EventRules


class KeyOfContent(EventRules):
    """Two events with the same words are one."""

    def dedupe_key(self, event: CallEvent) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{event.type}:{event.transcript}:{event.reason}"))


BUG = SeededBug(
    id="content-key-false-duplicate",
    number=53,
    group="webhook",
    source="sprintberlin/openclaw-cliq#196; simstudioai/sim#5230; openclaw/openclaw#56091; elasticclaw/elasticclaw#112",
    trigger="a caller says the same word twice",
    expected="lost",
    build=with_parts(rules=KeyOfContent),
    workloads=("inbound",),
)
