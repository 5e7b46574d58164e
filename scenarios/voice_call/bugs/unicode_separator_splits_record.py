"""`str.splitlines` cuts a record at U+2028: a line separator to Unicode, a plain character of a sentence to JSON.

The record was written whole and is on the disk whole; it is the reader who takes it for two broken ones.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.bugs.json_lines import UnescapingStore
from scenarios.voice_call.manager.log_reading import LogReader


class SplitlinesReader(LogReader):
    """Knows more line separators than the writer."""

    def split_lines(self, data: bytes) -> list[bytes]:
        text = data.decode("utf-8", "surrogateescape")
        lines = [line.encode("utf-8", "surrogateescape") for line in text.splitlines()]
        return [*lines, b""] if data.endswith(b"\n") or not data else lines


class SplittingStore(UnescapingStore):
    """Writes what was said as it was said, and reads it back in the wrong way."""

    reader = SplitlinesReader


BUG = SeededBug(
    id="unicode-separator-splits-record",
    number=40,
    group="store",
    source="bytedance/deer-flow#5420; volcengine/OpenViking#3988; huggingface/tau#354; wbolster/jsonlines#53",
    trigger="somebody says something with U+2028 in it, then a restart",
    expected="lost",
    build=with_parts(store=SplittingStore),
    workloads=("inbound",),
)
