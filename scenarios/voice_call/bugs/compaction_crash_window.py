"""Snapshot and log are two files: a death after the snapshot took its place and before the log is cut counts twice.

The snapshot does not say which records it covers, so a start that finds both applies the log on top of it.
"""

import os

import msgspec

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.log_reading import LoadedLog
from scenarios.voice_call.manager.records import CallRecord, delta, encode_line
from scenarios.voice_call.manager.store import Store


class TwoFileStore(Store):
    """Compacts into `calls.snapshot`, then empties `calls.jsonl`."""

    @property
    def snapshot_path(self) -> str:
        return os.path.join(self.directory, "calls.snapshot")

    def read_log(self, data: bytes) -> LoadedLog:
        snapshot = b""
        if os.path.exists(self.snapshot_path):
            with open(self.snapshot_path, "rb") as file:
                snapshot = file.read()
        both = super().read_log(snapshot + data)
        return msgspec.structs.replace(
            both,
            good_end=both.good_end - len(snapshot),
            last_line_at=max(0, both.last_line_at - len(snapshot)),
            lines=data.count(b"\n"),
        )

    def compact(self, records: list[CallRecord]) -> bool:
        content = b"".join(
            encode_line(seq=0, gen=0, call=record.call_id, kind="snapshot", body=delta(None, record))
            for record in records
        )
        fd = self.make_temporary(os.O_WRONLY)
        try:
            self.fill(fd, [content])
        finally:
            os.close(fd)
        os.rename(self.temporary, self.snapshot_path)
        self.sync_directory(self.directory)
        os.ftruncate(self._fd, 0)
        self.sync_content()
        self._offset = self._lines = 0
        return True


BUG = SeededBug(
    id="compaction-crash-window",
    number=45,
    group="store",
    source="RayforceDB/rayforce#420; JDRaftKeeper/RaftKeeper#392; zopefoundation/ZODB#21; msiemens/tinydb#467",
    trigger="death between the rename of the snapshot and the cut of the log",
    expected="double-applied",
    build=with_parts(store=TwoFileStore),
    workloads=("compaction",),
)
