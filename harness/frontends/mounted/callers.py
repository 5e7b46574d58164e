"""Callers: which process, thread and program a request comes from.

The kernel names the thread. Its process and the program it runs stand in `/proc`; a program may change (a shell becomes
the command it starts), so the name is read again at each operation, through a descriptor that stays with the thread: a
number that is given to another one later cannot be mistaken for it.
"""

import os
from typing import Final

from harness.trace import Process

KNOWN_MAX: Final = 128
"""Threads whose descriptor is kept open."""

UNKNOWN: Final = Process(0, 0, "kernel")
"""Nobody: the kernel writes back a shared mapping, or the caller lives in another process namespace."""


class Callers:
    """Threads by number. Not for use by several threads."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, bytes, Process]] = {}

    def of(self, thread: int) -> Process:
        """Who it is now. `UNKNOWN` for thread 0 and for one that is gone."""
        known = self._known.get(thread)
        if known is None:
            return self._look_up(thread)
        descriptor, name, process = known
        try:
            read = os.pread(descriptor, 64, 0)
        except OSError:  # that thread has ended; another one may have its number
            self._forget(thread)
            return self._look_up(thread)
        if read == name:
            return process
        process = Process(process.pid, thread, _text(read))
        self._known[thread] = descriptor, read, process
        return process

    def _look_up(self, thread: int) -> Process:
        if not thread:
            return UNKNOWN
        try:
            descriptor = os.open(f"/proc/{thread}/comm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return UNKNOWN
        try:
            name = os.pread(descriptor, 64, 0)
            process = Process(_process_of(thread), thread, _text(name))
        except OSError:
            os.close(descriptor)
            return UNKNOWN
        if len(self._known) >= KNOWN_MAX:
            self._forget(next(iter(self._known)))
        self._known[thread] = descriptor, name, process
        return process

    def _forget(self, thread: int) -> None:
        os.close(self._known.pop(thread)[0])

    def close(self) -> None:
        for thread in list(self._known):
            self._forget(thread)


def _text(comm: bytes) -> str:
    return comm.rstrip(b"\n").decode("utf-8", "backslashreplace")


def _process_of(thread: int) -> int:
    with open(f"/proc/{thread}/status", "rb") as status:
        for line in status:
            if line.startswith(b"Tgid:"):
                return int(line[5:])
    return thread
