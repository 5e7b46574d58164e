"""A start that fails keeps what it had taken: here the lock of the store; every later start finds it taken."""

import os

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.log_reading import LoadedLog
from scenarios.voice_call.manager.store import LOCK_NAME, Store, StoreUnavailable


class LeakyStore(Store):
    """Does not unwind a failed start."""

    def open(self) -> LoadedLog:
        try:
            self.make_directory(self.directory)
            self._lock = self.take_lock(os.path.join(self.directory, LOCK_NAME))
            self.remove_leftovers()
            loaded = self._open_log()
        except OSError as error:
            self._lock = self._fd = -1  # nobody holds the descriptors any more, and nobody has closed them
            raise StoreUnavailable(f"cannot open {self.path}: {error}") from error
        self._gen = loaded.last_gen + 1
        return loaded


BUG = SeededBug(
    id="leaked-or-double-listener",
    number=61,
    group="process",
    source="openclaw/openclaw#32387, #46832, #64117, #125354",
    trigger="a start that fails once, and another one in the same process",
    expected="unavailable",
    build=with_parts(store=LeakyStore),
    workloads=("unreadable-log",),
)
