"""What was loaded is taken for clean, and a log that is written anew gets only what changed since.

So a call that was quiet since the last start is not in it. Source: kamailio/kamailio#3669.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.journal import Journal
from scenarios.voice_call.manager.log_reading import LoadedLog
from scenarios.voice_call.manager.records import CallRecord


class DirtyOnly(Journal):
    """Keeps what this process has changed."""

    _loaded: dict[str, CallRecord]

    def open(self) -> LoadedLog:
        loaded = super().open()
        self._loaded = dict(loaded.records)
        return loaded

    def retain(self) -> list[CallRecord]:
        return [record for record in super().retain() if self._loaded.get(record.call_id) is not record]


BUG = SeededBug(
    id="loaded-state-not-resaved",
    group="extras",
    source="kamailio/kamailio#3669",
    trigger="a restart during a quiet call, then a compaction because of another one",
    expected="lost",
    build=with_parts(journal=DirtyOnly),
    workloads=("quiet-call",),
)
