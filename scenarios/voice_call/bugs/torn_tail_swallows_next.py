"""A crash leaves half a line; it is never repaired, and the next record is written onto that same line.

The loader skips what it cannot read, so the half line does no harm until something is appended to it: then an
acknowledged record is part of a line that nobody can read. A whole record that misses only its line feed dies so too.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.log_reading import LoadedLog
from scenarios.voice_call.manager.store import Store


class UnrepairedStore(Store):
    """Appends at the end of the file, whatever is there."""

    def repair_tail(self, loaded: LoadedLog, data: bytes) -> None:
        self._offset = len(data)


BUG = SeededBug(
    id="torn-tail-swallows-next",
    number=35,
    group="store",
    source="anthropics/claude-code#52387; Tracer-Cloud/opensre#5750; QwenLM/qwen-code#3656; ms-agent#1000",
    trigger="death inside the write of a record, one more event, one more restart",
    expected="torn-tail-swallow",
    build=with_parts(store=UnrepairedStore),
    workloads=("inbound",),
)
