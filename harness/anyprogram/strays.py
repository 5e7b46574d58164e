"""Strays: processes that a checker started and that left its process group (a daemon it forgot to stop).

On Linux whoever lost its parent becomes ours (`PR_SET_CHILD_SUBREAPER`), so that a look at our own children, 10 µs, tells
whether a check left anything behind. Which check it was is read from `HARNESS_ROOT` and the working directory. A stray of
an unknown check is ended with the sweep. Elsewhere strays are not found.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_CHILD_SUBREAPER: Final = 37
_ROUNDS: Final = 200
"""Generations of children that are followed: who dies leaves its own children to us."""


class Strays:
    """While it is entered, orphans of this process's descendants are its own. Used by several threads."""

    def __init__(self) -> None:
        self._children = -1
        self._known: frozenset[int] = frozenset()
        self._before = 0

    def __enter__(self) -> "Strays":
        self._before = _subreaper()
        _set_subreaper(1)
        with contextlib.suppress(OSError):
            orphans = f"/proc/self/task/{threading.main_thread().native_id}/children"
            self._children = os.open(orphans, os.O_RDONLY | os.O_CLOEXEC)
        self._known = frozenset(self._ours())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_all()
        _set_subreaper(self._before)
        if self._children >= 0:
            os.close(self._children)
            self._children = -1

    def end_of(self, root: Path) -> int:
        """End those that belong to `root`; how many there were."""
        return self._end(str(root))

    def end_all(self) -> int:
        """End all that came since it was entered."""
        return self._end("")

    def _end(self, root: str) -> int:
        ended = 0
        for _ in range(_ROUNDS):
            found = [pid for pid in self._ours() if pid not in self._known and (not root or _belongs(pid, root))]
            for pid in found:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(OSError):
                    os.waitpid(pid, 0)
                    ended += 1
            if not found:
                break
        return ended

    def _ours(self) -> list[int]:
        if self._children < 0:
            return []
        listed = os.pread(self._children, 1 << 16, 0)
        return [int(pid) for pid in listed.split()] if listed else []


def _belongs(pid: int, root: str) -> bool:
    """Is it a process of the check in `root`? One that is over already belongs to whoever looks."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as given:
            environment = given.read()
        with open(f"/proc/{pid}/stat", "rb") as told:
            over = told.read().rpartition(b")")[2].split()[0] == b"Z"
        folder = "" if over else os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return False
    return over or b"HARNESS_ROOT=" + os.fsencode(root) in environment.split(b"\0") or folder.startswith(root)


def _subreaper() -> int:
    if sys.platform != "linux":
        return 0
    value = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(value), 0, 0, 0)
    return value.value


def _set_subreaper(value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, value, 0, 0, 0)
