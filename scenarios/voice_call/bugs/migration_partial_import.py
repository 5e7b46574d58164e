"""The log of an older version is put aside, and then its calls are written into the new one, one after the other.

When that ends half-way, the next start finds a log of its own version, and nothing tells that calls are missing. Source:
openclaw/openclaw#88731; getagentseal/codeburn#1259; ccusage/ccusage#1700.
"""

import os

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.log_reading import LoadedLog
from scenarios.voice_call.manager.store import Store


class CallByCall(Store):
    """Archives first, imports afterwards."""

    def import_old_log(self, loaded: LoadedLog) -> None:
        os.rename(self.path, self.original)
        os.close(self._fd)
        self._fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.sync_directory(self.directory)
        self._seq = self._lines = self._offset = 0
        for record in loaded.records.values():
            self.append(None, record, "imported")


BUG = SeededBug(
    id="migration-partial-import",
    group="extras",
    source="openclaw/openclaw#88731; getagentseal/codeburn#1259; ccusage/ccusage#1700",
    trigger="a disk that is full in the middle of an import, and another start",
    expected="lost",
    build=with_parts(store=CallByCall),
    workloads=("old-log",),
)
