"""Before openclaw/openclaw#18852: the append of the record is started, not awaited, and its failure only logged.

Memory changes first, the webhook answers 200 in any case, nothing is ever synced. What follows is the issue: processed
ids that vanish, events that are applied twice after a restart, ended calls that come back as active.
"""

import asyncio
import os

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.bugs.snapshot_log import SnapshotStore


class FireAndForgetStore(SnapshotStore):
    """Starts a write for each record and looks after none of them."""

    def append_line(self, line: bytes) -> None:
        asyncio.get_running_loop().create_task(self._append(line))

    async def _append(self, line: bytes) -> None:
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self.write_fully(fd, line)
            finally:
                os.close(fd)
        except OSError as error:
            self._log.error("persist-failed", path=self.path, why=str(error))


BUG = SeededBug(
    id="pre-18852",
    group="call-manager",
    source="openclaw/openclaw#18851, as shipped in 2026.2.17",
    trigger="death right after an answer; any write error",
    expected="acked-not-durable",
    build=with_parts(store=FireAndForgetStore),
    workloads=("hostile",),
)
