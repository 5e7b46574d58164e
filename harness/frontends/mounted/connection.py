"""The connection to the kernel: requests read from /dev/fuse, answered one after the other.

One request at a time, in the order in which the kernel hands them out: that order is the global order of the trace.
"""

import errno
import os
from collections.abc import Callable
from typing import Final

from harness.frontends.mounted import protocol as wire
from harness.frontends.mounted.calls import Calls
from harness.frontends.mounted.choke_point import Frozen
from harness.frontends.mounted.protocol import Opcode
from harness.frontends.mounted.requirements import MountError

_GONE: Final = (errno.ENOENT, errno.EINTR, errno.EAGAIN)
"""Errors of one request: it was taken back, or there is none."""


class Connection:
    """One mounted file system. `freeze` is called before the call at a kill-point is answered: it kills the program."""

    def __init__(self, device: int, calls: Calls, freeze: Callable[[], None]) -> None:
        self.device = device
        self.open = True
        self._answers = calls.answers
        self._freeze = freeze
        self._buffer = bytearray(wire.BUFFER_BYTES)
        self._view = memoryview(self._buffer)

    def serve(self) -> None:
        """Answer one request that is there to be read."""
        try:
            length = os.readv(self.device, [self._buffer])
        except OSError as error:
            if error.errno == errno.ENODEV:
                self.open = False
            elif error.errno not in _GONE:
                raise
            return
        _, opcode, unique, node, uid, gid, thread, _, _ = wire.REQUEST.unpack_from(self._buffer)
        body = self._view[wire.REQUEST.size : length]
        answer = self._answers.get(opcode)
        number = 0
        reply = b""
        try:
            if answer is not None:
                reply = answer(node, thread, uid, gid, body)
            elif opcode == Opcode.INIT:
                reply = _greeting(body)
            else:
                number = errno.ENOSYS
        except OSError as error:
            number = error.errno or errno.EIO
        except Frozen:
            self._freeze()
            number = errno.EIO
        if opcode not in wire.UNANSWERED:
            self._reply(unique, number, reply if not number else b"")

    def _reply(self, unique: int, number: int, reply: bytes) -> None:
        try:
            os.writev(self.device, (wire.REPLY.pack(wire.REPLY.size + len(reply), -number, unique), reply))
        except OSError as error:
            if error.errno == errno.ENODEV:
                self.open = False
            elif error.errno not in _GONE:
                raise


def _greeting(body: memoryview) -> bytes:
    major, minor, readahead, low = wire.INIT_IN.unpack_from(body)
    if major != wire.MAJOR or minor < wire.MINOR_LEAST:
        raise MountError(f"the kernel speaks FUSE {major}.{minor}; 7.{wire.MINOR_LEAST} (Linux 5.4) is needed")
    offered = low
    if low & wire.INIT_EXT:
        (high,) = wire.INIT_FLAGS_2.unpack_from(body, wire.INIT_IN.size)
        offered |= high << 32
    taken = offered & (wire.WANTED | wire.INIT_EXT)
    return wire.INIT_OUT.pack(
        wire.MAJOR,
        min(minor, wire.MINOR_SPOKEN),
        readahead,
        taken & 0xFFFFFFFF,
        16,
        12,
        wire.WRITE_BYTES_MAX,
        wire.TIME_GRANULARITY_NS,
        wire.PAGES_MAX,
        0,
        taken >> 32,
    )
