"""The loader knows a closed list of kinds, one release older than the writer's: lines of other kinds are dropped.

What such a line did (a pressed key, a late event of an ended call) never happened for the program that starts on it.
"""

from typing import Final

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.log_reading import LogReader
from scenarios.voice_call.manager.store import Store

NOT_YET_KNOWN: Final = frozenset(("call.dtmf", "call.silence", "absorbed"))


class OlderReader(LogReader):
    """Reads what its release knew, and skips the rest as invalid."""

    def take_line(self, raw: bytes, number: int) -> bool:
        taken = super().take_line(raw, number)
        if taken and self.entries and self.entries[-1].raw is raw and self.entries[-1].kind in NOT_YET_KNOWN:
            self.entries.pop()
        return taken


class OlderStore(Store):
    """A store with this reader."""

    reader = OlderReader


BUG = SeededBug(
    id="strict-schema-drops-records",
    number=47,
    group="store",
    source="openclaw 2026.2.17 (schema parse per line); bloknayrb/tandem#1791; garden-co/jazz#1374",
    trigger="a kind of record that the program that starts does not know",
    expected="lost",
    build=with_parts(store=OlderStore),
    workloads=("batches",),
)
