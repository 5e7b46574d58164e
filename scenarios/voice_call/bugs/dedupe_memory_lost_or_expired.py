"""Whether an event was seen is known to the memory of this process, and to nothing else.

After a restart a redelivery counts again: openclaw/openclaw#12053 sent messages once more that were 17 hours old.
Source: openclaw/openclaw#117437, #101107, #44438, #12053; elasticclaw/elasticclaw#112; getsentry/sentry#107734.
"""

from typing import Any

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent, EventRules
from scenarios.voice_call.manager.records import CallRecord


class ReplayCache(EventRules):
    """Keeps the keys it has seen in a set of its own."""

    def __init__(self, *parts: Any, **others: Any) -> None:
        super().__init__(*parts, **others)
        self._seen: set[tuple[str, str]] = set()

    def is_duplicate(self, record: CallRecord, event: CallEvent) -> bool:
        return (record.call_id, self.dedupe_key(event)) in self._seen

    def claim(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        self._seen.add((record.call_id, self.dedupe_key(event)))
        return super().claim(record, event, now)


BUG = SeededBug(
    id="dedupe-memory-lost-or-expired",
    number=54,
    group="webhook",
    source="openclaw/openclaw#117437, #101107, #44438, #12053; elasticclaw/elasticclaw#112; getsentry/sentry#107734",
    trigger="a restart between the first delivery and its retry",
    expected="double-applied",
    build=with_parts(rules=ReplayCache),
    workloads=("inbound",),
)
