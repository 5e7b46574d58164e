"""After a power cut the file is longer than its data: zeros at its end. They are taken for nothing, and stay.

The next record is written behind the zeros, on the same line: nobody can read it after the next restart.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.log_reading import LogReader
from scenarios.voice_call.manager.store import Store


class ZeroBlindReader(LogReader):
    """Zeros are no tail to be cut, and a line that begins with them is damaged."""

    def split_lines(self, data: bytes) -> list[bytes]:
        lines = super().split_lines(data)
        if not lines[-1].strip(b"\0"):
            lines[-1] = b""
        return lines

    def take_damaged(self, raw: bytes, number: int) -> None:
        self.doubt(None, "no record", number)
        self.kept.append(raw)


class ZeroBlindStore(Store):
    """A store with this reader."""

    reader = ZeroBlindReader


BUG = SeededBug(
    id="nul-filled-tail",
    number=38,
    group="store",
    source="anthropics/claude-code#49876; peter-wangxu/persist-queue#56; balena/python-pqueue#12; logcabin#191",
    trigger="power loss that keeps the size of an append and not its data, one more event, one more restart",
    expected="torn-tail-swallow",
    build=with_parts(store=ZeroBlindStore),
    workloads=("inbound",),
)
