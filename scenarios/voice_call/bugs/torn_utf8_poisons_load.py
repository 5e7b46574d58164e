"""The log is text to this reader: all of it is decoded at once, strictly, before it is split into lines.

A death in the middle of a character that takes several bytes leaves a file that no later start can read.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.bugs.json_lines import UnescapingStore
from scenarios.voice_call.manager.log_reading import LogReader


class TextReader(LogReader):
    """Reads the file as one text."""

    def split_lines(self, data: bytes) -> list[bytes]:
        return [line.encode("utf-8") for line in data.decode("utf-8").split("\n")]


class TextStore(UnescapingStore):
    """Writes what was said as it was said, and reads it back in the wrong way."""

    reader = TextReader


BUG = SeededBug(
    id="torn-utf8-poisons-load",
    number=37,
    group="store",
    source="Tracer-Cloud/opensre#6356; modelscope/ms-agent#1000; PrimeIntellect-ai/prime-agent#959",
    trigger="death inside a character of several bytes",
    expected="unavailable",
    build=with_parts(store=TextStore),
    workloads=("inbound",),
)
