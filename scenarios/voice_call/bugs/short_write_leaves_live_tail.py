"""The disk is full in the middle of a record: the error is told, memory stays as it was, and the prefix stays too.

When there is room again the same process writes the next record, which is acknowledged, onto the line of the prefix.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.bugs.unwatched_store import UnwatchedStore


class LitteringStore(UnwatchedStore):
    """Leaves what a failed append wrote."""

    def cut_back(self, error: OSError) -> None:
        """Memory was not changed: nothing else is thought of."""


BUG = SeededBug(
    id="short-write-leaves-live-tail",
    number=36,
    group="store",
    source="timeplus-io/proton#1229; prometheus/prometheus#13027; scrapy/queuelib#14; scylladb/scylladb#6653",
    trigger="a full disk in the middle of a record, room again, another event",
    expected="acked-not-durable",
    build=with_parts(store=LitteringStore),
    workloads=("short-write", "full-disk"),
)
