"""The sync fails after the write: the event is refused and memory unchanged, but the record stays in the file.

The redelivery writes the same change once more, under the next number; the file says it twice from then on.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.store import Store, StoreUnavailable


class ForgetfulStore(Store):
    """Rolls back memory where the disk cannot be rolled back."""

    def append_line(self, line: bytes) -> None:
        try:
            self.write_fully(self._fd, line)
        except OSError as error:
            self.cut_back(error)
            raise StoreUnavailable(f"{self.path}: the record was not written: {error}") from error
        try:
            self.sync_content()
        except OSError as error:
            self._seq += 1  # the number is in the file
            self._offset += len(line)
            raise StoreUnavailable(f"{self.path}: the record was not synced: {error}") from error


BUG = SeededBug(
    id="error-after-data-landed",
    number=43,
    group="store",
    source="wiredtiger/wiredtiger#4072; neondatabase/neon#8140; clockworklabs/SpacetimeDB#1145; python-diskcache#20",
    trigger="fsync fails after a whole write, then the redelivery, then a restart",
    expected="double-applied",
    build=with_parts(store=ForgetfulStore),
    workloads=("failed-sync",),
)
