"""The log of openclaw 2026.2.17 (catalogue 8.1): each change appends the whole record, the newest line of a call wins.

What the two seeds share; no bug of its own. There is no sequence number, no checksum, no lock and no compaction; what
cannot be read is skipped; the file is opened anew for each record. Identity, timers and obligations stay those of the
reference manager: the seeds are about the log, and the classes they inherit beside it have files of their own.
"""

import os

import msgspec

from scenarios.voice_call.manager.log_reading import LoadedLog
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.states import is_terminal
from scenarios.voice_call.manager.store import Store


class SnapshotStore(Store):
    """Reads and writes snapshots; how a line gets into the file is `append_line`."""

    def open(self) -> LoadedLog:
        os.makedirs(self.directory, exist_ok=True)
        return self.read_log(self.read_file())

    def read_file(self) -> bytes:
        """The log; none is an empty one."""
        if not os.path.exists(self.path):
            return b""
        with open(self.path, "rb") as file:
            return file.read()

    def read_log(self, data: bytes) -> LoadedLog:
        records: dict[str, CallRecord] = {}
        lines = data.split(b"\n")
        for line in lines:
            try:
                record = msgspec.json.decode(line, type=CallRecord)
            except msgspec.MsgspecError:
                continue
            records[record.call_id] = record
        return LoadedLog(
            records={call: self.reload_ids(record) for call, record in records.items()},
            quarantined={},
            kept_lines=[],
            last_seq=0,
            last_gen=0,
            lines=len(lines),
            good_end=len(data),
            newline_missing=False,
            last_line_at=0,
        )

    def reload_ids(self, record: CallRecord) -> CallRecord:
        """Ids come back with active calls; those of ended calls are taken for settled.

        A tombstone or a rejected caller keeps them: they are all it has, and the original knows neither.
        """
        if not is_terminal(record.state) or record.standing != "call":
            return record
        return msgspec.structs.replace(record, processed_event_ids=(), processed_event_times=())

    def append(self, before: CallRecord | None, after: CallRecord, kind: str) -> None:
        self.append_line(msgspec.json.encode(after) + b"\n")

    def wants_compaction(self) -> bool:
        return False
