"""The answer leaves when the record is in the page cache: a killed process keeps it, a power cut does not."""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.store import Store


class CacheOnlyStore(Store):
    """Takes a write for the end of it."""

    def sync_content(self) -> None:
        """The kernel writes it some time."""


BUG = SeededBug(
    id="no-sync-before-ack",
    number=41,
    group="store",
    source="teng-lin/notebooklm-py#1269; automagik-dev/genie#774; ohdearquant/khive#1416; chiselstrike#1854",
    trigger="power loss after an acknowledgement",
    expected="acked-not-durable",
    build=with_parts(store=CacheOnlyStore),
    workloads=("hostile",),
)
