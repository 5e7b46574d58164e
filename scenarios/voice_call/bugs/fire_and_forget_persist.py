"""A record is handed to a background write that nobody waits for; what goes wrong with it is only logged.

The acknowledgement overtakes the record: a death between the two loses an event that the provider will not deliver
again. The lines keep their order here, and are synced (`pre-18852` has neither). Source: openclaw/openclaw#18851,
#18852, #145047; opencoredev/akeru-bot#11.
"""

import asyncio

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.store import Store, StoreUnavailable


class WritesLater(Store):
    """Returns from `append` before anything is written."""

    def append(self, before: CallRecord | None, after: CallRecord, kind: str) -> None:
        asyncio.get_running_loop().call_soon(self._append_later, before, after, kind)

    def _append_later(self, before: CallRecord | None, after: CallRecord, kind: str) -> None:
        try:
            super().append(before, after, kind)
        except StoreUnavailable as error:
            self._log.error("persist-failed", call=after.call_id, why=str(error))


BUG = SeededBug(
    id="fire-and-forget-persist",
    number=1,
    group="call-manager",
    source="openclaw/openclaw#18851, #18852, #145047; opencoredev/akeru-bot#11",
    trigger="a death right after a handler returned",
    expected="acked-not-durable",
    build=with_parts(store=WritesLater),
    workloads=("inbound",),
)
