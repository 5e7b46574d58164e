"""Several appends are on their way at once, and the order of the file is not the order of the changes.

Each is a snapshot and the last one in the file wins: a live one behind the terminal one brings the call back, and
nobody asks the provider whether that is true. On Node 20, 53 of 200 bursts of 20 appends came out in another order.
Source: derived from the store before pull request 18852; Prism-Shadow/penguin-harness#249; openclaw/openclaw#122954.
"""

import asyncio
from typing import Any, Final

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.log_reading import LoadedLog
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Restore
from scenarios.voice_call.manager.store import Store, StoreUnavailable

WORKERS_S: Final = (0.0, 0.0025, 0.0005, 0.001)
"""How long each thread of the runtime's pool takes for its append; they are given their work in turn."""


class RacingStore(Store):
    """Hands each snapshot to the next thread of a pool; a line gets its number when it is written."""

    def __init__(self, directory: str, **others: Any) -> None:
        super().__init__(directory, **others)
        self._handed_out = 0

    def append(self, before: CallRecord | None, after: CallRecord, kind: str) -> None:
        delay_s = WORKERS_S[self._handed_out % len(WORKERS_S)]
        self._handed_out += 1
        asyncio.get_running_loop().call_later(delay_s, self._append, after)

    def _append(self, after: CallRecord) -> None:
        try:
            super().append(None, after, "snapshot")
        except StoreUnavailable as error:
            self._log.error("persist-failed", call=after.call_id, why=str(error))


class BelievesTheLog(Restore):
    """The loader of that time: what the log says is how things are."""

    async def run(self, loaded: LoadedLog) -> None:
        return None


BUG = SeededBug(
    id="unordered-appends-resurrect",
    number=3,
    group="call-manager",
    source="Prism-Shadow/penguin-harness#249; openclaw/openclaw#122954; the store before #18852",
    trigger="two transitions in quick succession, then a restart",
    expected="resurrected",
    build=with_parts(store=RacingStore, restore=BelievesTheLog),
    workloads=("two-calls",),
)
