"""An index of the log is written when it is closed in an orderly way, and a start reads no further than the index says.

Who is killed has written no index. Source: python/cpython#100414, #134028, #83383, #91228 (dbm, shelve).
"""

import contextlib
import os

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.store import Store


class IndexedStore(Store):
    """Believes its index."""

    @property
    def index(self) -> str:
        return os.path.join(self.directory, "calls.index")

    def read_all(self, fd: int) -> bytes:
        data = super().read_all(fd)
        end = 0
        with contextlib.suppress(FileNotFoundError), open(self.index, "rb") as file:
            end = int(file.read())
        return data[:end]

    def close(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError), open(self.index, "wb") as file:
                file.write(str(self._offset).encode())
                file.flush()
                os.fsync(file.fileno())
        super().close()


BUG = SeededBug(
    id="close-time-index",
    group="extras",
    source="python/cpython#100414, #134028, #83383, #91228",
    trigger="a kill",
    expected="acked-not-durable",
    build=with_parts(store=IndexedStore),
    workloads=("inbound",),
)
