"""Sync calls that name no file: `sync(2)`, and `syncfs(2)` on the mounted folder.

The kernel does not pass them on to a file system like ours. So the program runs under a seccomp filter (seccomp(2),
SECCOMP_RET_USER_NOTIF) that stops at just these two and asks us; all its children inherit it. The call waits until we have
answered, so its place among the operations is exact. `sync` then returns at once: the machine's other disks are none of
the run's business. Where the filter cannot be installed the two calls stay unseen.

Not covered: dirty pages of a shared mapping, which a real `sync` would write back first (msync and fsync do).
"""

import array
import fcntl
import os
import platform
import select
import socket
from collections.abc import Callable
from struct import Struct
from typing import Final

from harness.frontends.mounted.seccomp_filter import FILTERED

_RECEIVE: Final = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV
_SEND: Final = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND
_CONTINUE: Final = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE

_NOTICE: Final = Struct("=QIIiIQ6Q")
"""id, thread, flags, call number, architecture, instruction, arguments"""
_ANSWER: Final = Struct("=QqiI")
"""id, return value, negative errno, flags"""


class SyncCalls:
    """The listening end of a program's filter. `synced` is told the thread of each call that concerns the folder `root`."""

    def __init__(self, listener: int, root: str, synced: Callable[[int], None]) -> None:
        self.listener = listener
        self._root = root
        self._synced = synced
        self._syncfs = FILTERED[platform.machine()].syncfs
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        self.ended = False

    def serve(self) -> None:
        """Answer one call, if there is one; `ended` once nobody is left who could make one."""
        events = dict(self._poll.poll(0)).get(self.listener, 0)
        if not events & select.POLLIN:
            self.ended = bool(events)
            return
        notice = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(self.listener, _RECEIVE, notice)
        except OSError:  # whoever called was killed meanwhile
            return
        number, thread, _, call, _, _, first = _NOTICE.unpack(notice)[:7]
        ours = call != self._syncfs or self._is_ours(thread, first)
        if ours:
            self._synced(thread)
        answer = bytearray(_ANSWER.pack(number, 0, 0, 0 if ours else _CONTINUE))
        try:
            fcntl.ioctl(self.listener, _SEND, answer)
        except OSError:  # killed while we looked
            return

    def _is_ours(self, thread: int, descriptor: int) -> bool:
        try:
            path = os.readlink(f"/proc/{thread}/fd/{descriptor & 0x7FFFFFFF}")
        except OSError:
            return False
        return path == self._root or path.startswith(f"{self._root}/")

    def close(self) -> None:
        os.close(self.listener)


def received(channel: socket.socket) -> int | None:
    """The listener that the program's process sent before it became the program; None where it could not make one."""
    descriptors = array.array("i")
    try:
        flags = socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
        _, ancillary, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(descriptors.itemsize), flags)
    except OSError:
        return None
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: descriptors.itemsize])
    return descriptors[0] if descriptors else None
