"""A buffered file keeps the bytes of a flush that failed, and writes them in front of the next record or on close.

The event was refused, so it is delivered again and written again: on the disk it happened twice. (Python's
`BufferedWriter` keeps what it could not write; measured with 3.11.)
"""

import io
import os

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.log_reading import LoadedLog
from scenarios.voice_call.manager.store import Store, StoreUnavailable


class BufferedStore(Store):
    """Writes through one buffered file for its whole life; a number it has given to a record is used up."""

    _file: io.BufferedWriter | None = None

    def open(self) -> LoadedLog:
        loaded = super().open()
        self._file = open(self.path, "ab")  # noqa: SIM115  # it stays open for life
        return loaded

    def append_line(self, line: bytes) -> None:
        assert self._file is not None
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._seq += 1
            raise StoreUnavailable(f"{self.path}: the record was not written: {error}") from error


BUG = SeededBug(
    id="failed-record-flushed-later",
    number=44,
    group="store",
    source="prometheus/prometheus#13027; neondatabase/neon#10993; tokio-rs/tokio#6330; python/cpython#1908",
    trigger="a write fails, the event is delivered again and written, then a restart",
    expected="double-applied",
    build=with_parts(store=BufferedStore),
    workloads=("short-write",),
)
