"""What is in the log is synced, its name in the directory is not: after a power cut there is no log at all."""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.store import Store


class NamelessStore(Store):
    """Syncs files only."""

    def sync_directory(self, path: str) -> None:
        """A directory is not a file."""


BUG = SeededBug(
    id="parent-dir-not-synced",
    number=42,
    group="store",
    source="ClickHouse/ClickHouse#116316; apache/kafka#10405; google/leveldb#196; npm/write-file-atomic#64",
    trigger="power loss after the first acknowledged record of a new log",
    expected="acked-not-durable",
    build=with_parts(store=NamelessStore),
    workloads=("hostile",),
)
