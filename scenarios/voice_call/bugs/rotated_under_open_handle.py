"""The log is replaced by a shorter one while it is held open, and records go on into the file that has no name any more.

Who moves a log under its writer is usually somebody else; here it is the writer's own compaction, which forgets that it
has the old file open. Source: rapid7/guardian#11; logrotate/logrotate#34; rsyslog/rsyslog#2640.
"""

import os

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.bugs.unwatched_store import UnwatchedStore
from scenarios.voice_call.manager.records import CallRecord


class HoldsOn(UnwatchedStore):
    """Goes on with the descriptor it has."""

    def compact(self, records: list[CallRecord]) -> bool:
        held = os.dup(self._fd)
        done = super().compact(records)
        new, self._fd = self._fd, held
        os.close(new)
        return done


BUG = SeededBug(
    id="rotated-under-open-handle",
    group="extras",
    source="rapid7/guardian#11; logrotate/logrotate#34; rsyslog/rsyslog#2640",
    trigger="a compaction, one more event, a restart",
    expected="acked-not-durable",
    build=with_parts(store=HoldsOn),
    workloads=("compaction",),
)
