"""The fix proposed in openclaw/openclaw#18852: a synchronous append with a flush of the file, whose errors are told.

Memory is rolled back when the write fails, side effects come after the record, the webhook lets the error through and
answers 500. What it leaves: a failed append keeps its prefix in the file, a torn tail is never repaired, the ids of
ended calls are not loaded, and the log's name in its directory is not synced.
"""

import os

from harness.scenario import Facet, SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.bugs.snapshot_log import SnapshotStore
from scenarios.voice_call.manager.events import CallEvent
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.webhook import Webhook


class FlushingStore(SnapshotStore):
    """`fs.appendFileSync(path, line, {flush: true})`: open, write, fsync, close, and raise what went wrong."""

    def append_line(self, line: bytes) -> None:
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self.write_fully(fd, line)
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise StoreUnavailable(f"{self.path}: the record was not written: {error}") from error


class ThrowingWebhook(Webhook):
    """An event that cannot be persisted ends the request with 500; the provider may try again."""

    async def apply_all(self, events: list[CallEvent]) -> int:
        for event in events:
            await self.apply_one(event)
        return 200


BUG = SeededBug(
    id="pr-18852",
    group="call-manager",
    source="openclaw/openclaw#18852, closed unmerged",
    trigger="death in a write, a full disk, a redelivery after the end, power loss after the first record",
    expected="torn-tail-swallow",
    build=with_parts(store=FlushingStore, webhook=ThrowingWebhook),
    workloads=("short-write", "batches"),
    facets=(
        Facet("short-write-leaves-live-tail", ("swallowed-error",), operation="last before the death: *"),
        Facet("torn-tail-swallows-next", ("torn-tail-swallow",), fault="", operation="*bytes of the write*"),
        Facet("terminal-dedupe-keys-not-reloaded", ("double-applied",), fault="", summary="* is found 2 times"),
        Facet("parent-dir-not-synced", ("acked-not-durable",), fault="", operation="the entry * in *"),
    ),
)
