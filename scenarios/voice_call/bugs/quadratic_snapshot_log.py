"""Every event appends the whole record, with all that was said and all event ids, and nothing is ever dropped.

A talk of n lines takes n * n bytes; the disk that was large enough is full in the middle of it. Source:
openclaw/openclaw#6758, #7505, #117437, #88731.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.records import CallRecord, delta, encode_line
from scenarios.voice_call.manager.store import Store


class WholeRecordStore(Store):
    """Each line is a snapshot; there is no need for another one."""

    def line_of(self, before: CallRecord | None, after: CallRecord, kind: str) -> bytes:
        body = delta(None, after)
        return encode_line(seq=self._seq + 1, gen=self._gen, call=after.call_id, kind="snapshot", body=body)

    def wants_compaction(self) -> bool:
        return False


BUG = SeededBug(
    id="quadratic-snapshot-log",
    number=48,
    group="store",
    source="openclaw/openclaw#6758, #7505, #117437, #88731",
    trigger="a long talk on a small disk",
    expected="unavailable",
    build=with_parts(store=WholeRecordStore),
    workloads=("small-disk",),
)
