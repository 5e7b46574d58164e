"""The calls on files: open, read, write, truncate, allocate, sync, and the attributes of an inode.

A truncate to the size that is there records nothing, `fallocate` that extends is a truncate, `O_SYNC` is a write and a
sync. A write that meets a fault lands as far as the fault lets it.
"""

import errno
import os
import stat
import time
from typing import Final

from harness.faults import Outcome
from harness.frontends.mounted import protocol as wire
from harness.frontends.mounted.ground import NO_DATA, Ground
from harness.frontends.mounted.handles import Handle
from harness.frontends.mounted.inodes import Inode
from harness.trace import SyncAll, Truncate, Write

FILE_BYTES_MAX: Final = 256 * 2**20
"""A file that grows past this gets EFBIG: a sparse write far out would be materialised (as on the simulated disk)."""


KEEP_SIZE: Final = 1
PUNCH_HOLE: Final = 2
ZERO_RANGE: Final = 16


class FileCalls(Ground):
    """Requests about what is in files."""

    def set_attributes(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        fields, _, _, size, _, atime, mtime, ctime, atime_ns, mtime_ns, ctime_ns, mode, _, owner, group, _ = (
            wire.SETATTR_IN.unpack_from(body)
        )
        inode = self._inode(node)
        if fields & wire.SET_SIZE:
            self._truncate(inode, size, thread)
        now = time.time_ns()
        if fields & wire.SET_MODE:
            inode.mode = stat.S_IFMT(inode.mode) | stat.S_IMODE(mode)
        if fields & wire.SET_UID:
            inode.uid = owner
        if fields & wire.SET_GID:
            inode.gid = group
        if fields & wire.SET_ATIME:
            inode.atime = now if fields & wire.SET_ATIME_NOW else _nanoseconds(atime, atime_ns)
        if fields & wire.SET_MTIME:
            inode.mtime = now if fields & wire.SET_MTIME_NOW else _nanoseconds(mtime, mtime_ns)
        inode.ctime = _nanoseconds(ctime, ctime_ns) if fields & wire.SET_CTIME else now
        return self.get_attributes(node, thread, uid, gid, body)

    def _open(self, inode: Inode, flags: int) -> bytes:
        handle = self.handles.open(inode, flags)
        return wire.OPEN_OUT.pack(handle.number, self._open_flags, 0)

    def open(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        flags, _ = wire.OPEN_IN.unpack_from(body)
        inode = self._inode(node)
        if flags & os.O_TRUNC:
            self._truncate(inode, 0, thread)
        return self._open(inode, flags)

    def create(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        flags, mode, _, _ = wire.CREATE_IN.unpack_from(body)
        (name,) = wire.names_in(bytes(body[wire.CREATE_IN.size :]))
        inode = self._new_file(node, name, mode, thread, uid, gid)
        return self._entry(inode) + self._open(inode, flags)

    def read(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        _, offset, size, _, _, _, _ = wire.READ_IN.unpack_from(body)
        return bytes(memoryview(self._inode(node).data)[offset : offset + size])

    def write(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        number, offset, size, write_flags, _, flags, _ = wire.WRITE_IN.unpack_from(body)
        inode = self._inode(node)
        handle = None if write_flags & wire.WRITE_FROM_CACHE else self.handles.get(number)
        data = bytes(body[wire.WRITE_IN.size : wire.WRITE_IN.size + size])
        # the kernel knows the end of the file only as long as no failed sync has moved it
        if flags & os.O_APPEND and handle is not None:
            offset = len(inode.data)
        if offset + size > FILE_BYTES_MAX:
            if offset >= FILE_BYTES_MAX:
                raise OSError(errno.EFBIG, "the mounted folder holds its files in memory")
            data = data[: FILE_BYTES_MAX - offset]
        outcome = self.choke.ask("write", self.table.path(inode), len(data), thread)
        if outcome is not None or (handle is not None and handle.owed_errno):
            data = _landing(data, outcome, handle)
        if data:
            self._put(inode, offset, data)
            if flags & os.O_DSYNC and handle is not None:
                self.choke.record_sync(node, flags & os.O_SYNC != os.O_SYNC)
        return wire.WRITE_OUT.pack(len(data), 0)

    def _put(self, inode: Inode, offset: int, data: bytes) -> None:
        self.choke.record(Write(inode.ino, offset, data))
        content = inode.data
        if offset > len(content):
            content += bytes(offset - len(content))
        content[offset : offset + len(data)] = data
        inode.mtime = inode.ctime = time.time_ns()

    def _truncate(self, inode: Inode, size: int, thread: int) -> None:
        if inode.is_folder:
            raise OSError(errno.EISDIR, "a folder has no size")
        if size > FILE_BYTES_MAX:
            raise OSError(errno.EFBIG, "the mounted folder holds its files in memory")
        content = inode.data
        old = len(content)
        if size != old:
            self._may("truncate", self.table.path(inode), thread, size)
            self.choke.record(Truncate(inode.ino, size))
            if size < old:
                del content[size:]
                self.choke.freed(old - size)
            else:
                content += bytes(size - old)
        inode.mtime = inode.ctime = time.time_ns()

    def allocate(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        _, offset, length, mode, _ = wire.FALLOCATE_IN.unpack_from(body)
        if mode & ~(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE):
            raise OSError(errno.EOPNOTSUPP, "ranges cannot be collapsed or inserted")
        inode = self._inode(node)
        size = len(inode.data)
        end = offset + length
        if mode & (PUNCH_HOLE | ZERO_RANGE):
            cleared = min(end, size) - offset
            if cleared > 0 and any(memoryview(inode.data)[offset : offset + cleared]):
                self._may("write", self.table.path(inode), thread, cleared)
                self._put(inode, offset, bytes(cleared))
        if end > size and not mode & KEEP_SIZE:
            self._truncate(inode, end, thread)
        return NO_DATA

    def sync(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        """fsync or fdatasync of a file or a folder; one that fails leaves its mark in the trace."""
        number, flags, _ = wire.FSYNC_IN.unpack_from(body)
        data_only = bool(flags & wire.FSYNC_DATA_ONLY)
        inode = self._inode(node)
        if inode.is_special:
            return NO_DATA
        outcome = self.choke.ask("fdatasync" if data_only else "fsync", self.table.path(inode), 0, thread)
        handle = self.handles.get(number)
        if outcome is not None and outcome.errno == errno.EINTR:
            raise OSError(errno.EINTR, "a signal came first")  # nothing was tried: what is dirty stays dirty
        if outcome is not None and outcome.errno is not None:
            self.failed_syncs.fail(inode, handle, outcome)
            return NO_DATA  # told at the next sync only
        if outcome is not None and outcome.lying:
            return NO_DATA
        self.failed_syncs.tell(inode, handle)
        self.choke.record_sync(node, data_only)
        return NO_DATA

    def sync_all(self, thread: int) -> None:
        """sync(2), or syncfs(2) of this folder."""
        outcome = self.choke.ask("sync", "/", 0, thread)
        if outcome is None or not outcome.lying:
            self.choke.record(SyncAll())

    def release(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        number, _, _, _ = wire.RELEASE_IN.unpack_from(body)
        handle = self.handles.close(number)
        if handle is not None:
            self.failed_syncs.closed(handle)
            self._let_go(handle.inode)
        return NO_DATA


def _landing(data: bytes, outcome: Outcome | None, handle: Handle | None) -> bytes:
    """The bytes that land of a write that meets a fault; raises where none do.

    Of a write cut by an error the prefix lands and is counted, the next write to the open file gets the error (write(2)).
    """
    if outcome is None or (outcome.errno is None and outcome.allowed is None):
        if handle is not None and handle.owed_errno:
            number, handle.owed_errno = handle.owed_errno, 0
            raise OSError(number, "what the last write was cut by")
        return data
    if handle is not None:
        handle.owed_errno = 0
    landed = data[: outcome.allowed or 0]
    if outcome.errno is not None:
        if not landed:
            raise OSError(outcome.errno, "a fault of the plan")
        if len(landed) < len(data) and handle is not None:
            handle.owed_errno = outcome.errno
    return landed


def _nanoseconds(seconds: int, rest: int) -> int:
    # the wire has unsigned seconds; times before 1970 come as their two's complement
    return (seconds - 2**64 if seconds >= 2**63 else seconds) * 10**9 + rest
