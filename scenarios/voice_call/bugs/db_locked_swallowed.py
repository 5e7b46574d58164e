"""A store that is busy is treated like one in which there is nothing: the manager starts with no calls at all.

Source: grantjenks/python-diskcache#112, #85; botify-labs/simpleflow#303.
"""

import os

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.bugs.unwatched_store import UnwatchedStore
from scenarios.voice_call.manager.store import StoreLocked


class BusyMeansEmpty(UnwatchedStore):
    """Somebody else has it: then there is nothing for us."""

    _busy = False

    def take_lock(self, path: str) -> int:
        try:
            return super().take_lock(path)
        except StoreLocked:
            self._busy = True
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def read_all(self, fd: int) -> bytes:
        return b"" if self._busy else super().read_all(fd)


BUG = SeededBug(
    id="db-locked-swallowed",
    group="extras",
    source="grantjenks/python-diskcache#112, #85; botify-labs/simpleflow#303",
    trigger="a second manager on the same store while the first one works",
    expected="lost",
    build=with_parts(store=BusyMeansEmpty),
    workloads=("overlap",),
)
