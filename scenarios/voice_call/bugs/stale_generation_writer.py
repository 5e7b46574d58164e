"""After a restart in one process the old manager's timers live on, and write its old view into the successor's log.

Nothing fences the old writer, records are whole snapshots, and the loader believes the one that comes last in the file.
"""

import contextlib
import os

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.journal import Journal
from scenarios.voice_call.manager.log_reading import LogReader
from scenarios.voice_call.manager.records import CallRecord, Entry, delta, encode_line
from scenarios.voice_call.manager.store import Store
from scenarios.voice_call.manager.timers import Timers


class LastLineReader(LogReader):
    """Counts by position."""

    def in_order(self) -> list[Entry]:
        return self.entries


class UnfencedStore(Store):
    """Frees the lock and keeps the file."""

    reader = LastLineReader

    def line_of(self, before: CallRecord | None, after: CallRecord, kind: str) -> bytes:
        body = delta(None, after)
        return encode_line(seq=self._seq + 1, gen=self._gen, call=after.call_id, kind="snapshot", body=body)

    def close(self) -> None:
        lock, self._lock = self._lock, -1
        if lock >= 0:
            with contextlib.suppress(OSError):
                os.close(lock)


class UnfencedJournal(Journal):
    """Knows no end of its time."""

    def fence(self, why: str) -> None:
        """Whoever still runs may write."""


class ImmortalTimers(Timers):
    """Go on after the stop."""

    def stop(self) -> None:
        """They belong to the calls."""


BUG = SeededBug(
    id="stale-generation-writer",
    number=60,
    group="process",
    source="openclaw/openclaw#120288, #13823, #125458, #117686",
    trigger="stop and start in one process while timers are armed, then a death",
    expected="acked-not-durable",
    build=with_parts(store=UnfencedStore, journal=UnfencedJournal, timers=ImmortalTimers),
    workloads=("successor",),
)
