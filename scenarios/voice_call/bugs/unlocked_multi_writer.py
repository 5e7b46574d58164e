"""Nobody owns the log: a second manager starts on it while the first is still there, and both append.

Each numbers its records from what it has read, so that a later start cannot tell whose are right.
"""

import os

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.bugs.unwatched_store import UnwatchedStore


class UnlockedStore(UnwatchedStore):
    """Opens the lock file, and leaves it at that."""

    def take_lock(self, path: str) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


BUG = SeededBug(
    id="unlocked-multi-writer",
    number=49,
    group="store",
    source="yvgude/lean-ctx#852; NousResearch/hermes-agent#109192; openclaw/openclaw#77319, #47697",
    trigger="a second manager on the same store while the first one works",
    expected="lost",
    build=with_parts(store=UnlockedStore),
    workloads=("overlap",),
)
