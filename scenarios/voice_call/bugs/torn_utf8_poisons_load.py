"""The log is text to this reader: all of it is decoded at once, strictly, before it is split into lines.

A death in the middle of a character that takes several bytes leaves a file that no later start can read.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.bugs.json_lines import unescaped_line
from scenarios.voice_call.manager.log_reading import LogReader
from scenarios.voice_call.manager.records import CallRecord, delta
from scenarios.voice_call.manager.store import Store


class TextReader(LogReader):
    """Reads the file as one text."""

    def split_lines(self, data: bytes) -> list[bytes]:
        return [line.encode("utf-8") for line in data.decode("utf-8").split("\n")]


class TextStore(Store):
    """Writes what was said as it was said."""

    reader = TextReader

    def line_of(self, before: CallRecord | None, after: CallRecord, kind: str) -> bytes:
        body = delta(before, after)
        return unescaped_line(seq=self._seq + 1, gen=self._gen, call=after.call_id, kind=kind, body=body)


BUG = SeededBug(
    id="torn-utf8-poisons-load",
    group="store",
    source="Tracer-Cloud/opensre#6356; modelscope/ms-agent#1000; PrimeIntellect-ai/prime-agent#959",
    trigger="death inside a character of several bytes",
    expected="unavailable",
    build=with_parts(store=TextStore),
    workloads=("inbound",),
)
