"""Open file descriptions and the descriptors that name them.

What read(2), write(2), lseek(2), ftruncate(2) and fsync(2) do to one. A description holds its inode: an unlinked file
lives while it is open. Its `path` is the absolute one it was opened by, for fault plans and messages; a rename does not
change it.
"""

import errno
import os
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from harness.disk import File, Folder
from harness.frontends.simulated.kernel import DESCRIPTORS_MAX, FILE_BYTES_MAX
from harness.frontends.simulated.paths import os_error
from harness.frontends.simulated.write_errors import WriteErrors
from harness.trace import Fdatasync, Fsync, Truncate

if TYPE_CHECKING:
    from harness.frontends.simulated.injection import Outcome
    from harness.frontends.simulated.kernel import Kernel

_ACCESS: Final = os.O_ACCMODE
_WRITE_ONLY: Final = os.O_WRONLY
_O_APPEND: Final = os.O_APPEND
_O_DSYNC: Final = os.O_DSYNC

NULL: Final = -1
ZERO: Final = -2
RANDOM: Final = -3
DEVICES: Final = {"/dev/null": NULL, "/dev/zero": ZERO, "/dev/urandom": RANDOM, "/dev/random": RANDOM}


class OpenFile:
    """One open file description: an inode, a position, the way it was opened."""

    __slots__ = ("appends", "flags", "ino", "kernel", "owed_errno", "path", "position", "readable", "users", "writable")

    def __init__(self, kernel: "Kernel", ino: int, flags: int, path: str) -> None:
        self.kernel = kernel
        self.ino = ino
        self.flags = flags
        self.path = path
        self.position = 0
        self.users = 0
        access = flags & _ACCESS
        self.readable = access != _WRITE_ONLY
        self.writable = access != 0
        self.appends = flags & _O_APPEND != 0
        self.owed_errno = 0

    @property
    def file(self) -> File:
        node = self.kernel.nodes[self.ino]
        if not isinstance(node, File):
            raise os_error(errno.EISDIR)
        return node

    def read(self, count: int, offset: int | None = None) -> bytes:
        """Up to `count` bytes at the position (which moves), or at `offset` (and it does not)."""
        kernel = self.kernel
        outcome = kernel.call("read", self.path, count)
        if not self.readable:
            raise os_error(errno.EBADF)
        if outcome is not None:
            if outcome.errno is not None:
                raise os_error(outcome.errno)
            if outcome.allowed is not None:
                count = min(count, max(outcome.allowed, 1))
        if offset is not None and offset < 0:
            raise os_error(errno.EINVAL)
        if kernel.write_errors is not None:
            kernel.write_errors.look_at(self.ino)
        data = self._content(self.position if offset is None else offset, count)
        if offset is None:
            self.position += len(data)
        return data

    def _content(self, offset: int, count: int) -> bytes:
        kernel, ino = self.kernel, self.ino
        node = kernel.nodes[ino]
        if node.__class__ is not File:
            raise os_error(errno.EISDIR)
        kernel.look_at(ino, offset, offset + count)
        return node.read(offset, count)

    def write(self, data: bytes, offset: int | None = None) -> int:
        """Write at the position, at the end for O_APPEND, or at `offset`; how many bytes landed."""
        kernel = self.kernel
        size = len(data)
        outcome = kernel.call("write", self.path, size)
        if not self.writable:
            raise os_error(errno.EBADF)
        if outcome is not None or self.owed_errno:
            data = self._cut(data, outcome)
            size = len(data)
        if offset is not None and offset < 0:
            raise os_error(errno.EINVAL)
        if not size:
            return 0
        ino = self.ino
        # Linux appends a pwrite, too, to a file opened with O_APPEND (pwrite(2), BUGS)
        if self.appends:
            kernel.look_at_size(ino)
            at = kernel.nodes[ino].size  # type: ignore[union-attr]  # only files are opened for writing
        else:
            at = self.position if offset is None else offset
        if at + size > FILE_BYTES_MAX:
            if at >= FILE_BYTES_MAX:
                raise os_error(errno.EFBIG)
            size = FILE_BYTES_MAX - at
            data = data[:size]
        kernel.record_write(ino, at, data)
        if offset is None:
            self.position = at + size
        if self.flags & _O_DSYNC:
            self._sync_each_write()
        return size

    def _cut(self, data: bytes, outcome: "Outcome | None") -> bytes:
        """The bytes that land of a write that meets a fault; raises where none do."""
        if outcome is None or (outcome.errno is None and outcome.allowed is None):
            if self.owed_errno:
                number, self.owed_errno = self.owed_errno, 0
                raise os_error(number)
            return data
        self.owed_errno = 0
        landed = data[: outcome.allowed or 0]
        if outcome.errno is not None:
            if not landed:
                raise os_error(outcome.errno)
            if len(landed) < len(data):
                self.owed_errno = outcome.errno
        return landed

    def _sync_each_write(self) -> None:
        whole = self.flags & os.O_SYNC == os.O_SYNC
        if self.ino in self.kernel.nodes and self.ino >= 0:
            self.kernel.record_sync(Fsync(self.ino) if whole else Fdatasync(self.ino))

    def seek(self, offset: int, whence: int) -> int:
        self.kernel.check("seek", self.path)
        return self.seek_quietly(offset, whence)

    def seek_quietly(self, offset: int, whence: int) -> int:
        """As `seek`, for the seek that `open` makes by itself: no call of the subject's."""
        if whence == os.SEEK_SET:
            target = offset
        elif whence == os.SEEK_CUR:
            target = self.position + offset
        elif whence == os.SEEK_END:
            target = self.size() + offset
        elif whence in (os.SEEK_DATA, os.SEEK_HOLE):
            size = self.size()
            if not 0 <= offset < size:
                raise os_error(errno.ENXIO)
            target = offset if whence == os.SEEK_DATA else size
        else:
            raise os_error(errno.EINVAL)
        if target < 0:
            raise os_error(errno.EINVAL)
        self.position = target
        return target

    def size(self) -> int:
        node = self.kernel.nodes[self.ino]
        self.kernel.look_at_size(self.ino)
        return node.size if isinstance(node, File) else 0

    def truncate(self, size: int) -> None:
        self.kernel.check("truncate", self.path, size)
        if not self.writable or size < 0:
            raise os_error(errno.EINVAL)
        truncate(self.kernel, self.ino, size)

    def sync(self, kind: str) -> None:
        """fsync or fdatasync; one that fails, now or when it is told later, leaves its mark in the trace."""
        kernel = self.kernel
        outcome = kernel.call(kind, self.path)
        if outcome is not None:
            if outcome.errno is not None:
                write_errors_of(kernel).fail(self, outcome)
                return
            if getattr(outcome, "lying", False):
                return
        if kernel.write_errors is not None:
            kernel.write_errors.tell(self)
        kernel.record_sync(Fsync(self.ino) if kind == "fsync" else Fdatasync(self.ino))


class DeviceFile(OpenFile):
    """/dev/null, /dev/zero or /dev/urandom (whose bytes come from the seed). Nothing about it is recorded."""

    __slots__ = ()

    def _content(self, offset: int, count: int) -> bytes:
        if self.ino == NULL:
            return b""
        return bytes(count) if self.ino == ZERO else self.kernel_entropy(count)

    def kernel_entropy(self, count: int) -> bytes:
        from harness.frontends.simulated.determinism import entropy_of

        return entropy_of(self.kernel).bytes(count)

    def write(self, data: bytes, offset: int | None = None) -> int:
        self.kernel.call("write", self.path, len(data))
        if not self.writable:
            raise os_error(errno.EBADF)
        return len(data)

    def size(self) -> int:
        return 0

    def seek_quietly(self, offset: int, whence: int) -> int:
        return 0

    def truncate(self, size: int) -> None:
        self.kernel.check("truncate", self.path, size)
        raise os_error(errno.EINVAL)

    def sync(self, kind: str) -> None:
        self.kernel.check(kind, self.path)
        raise os_error(errno.EINVAL)


def write_errors_of(kernel: "Kernel") -> WriteErrors:
    """What `kernel` remembers of failed syncs, from now on."""
    if kernel.write_errors is None:
        kernel.write_errors = WriteErrors(kernel)
    return kernel.write_errors


def truncate(kernel: "Kernel", ino: int, size: int) -> None:
    """Make the file `ino` `size` bytes long; recorded only if that changes it."""
    node = kernel.nodes[ino]
    if isinstance(node, Folder):
        raise os_error(errno.EISDIR)
    if not isinstance(node, File):
        raise os_error(errno.EINVAL)
    if size > FILE_BYTES_MAX:
        raise os_error(errno.EFBIG)
    old = node.size
    if size != old:
        kernel.record(Truncate(ino, size))
        freed = getattr(kernel.injector, "freed", None)
        if freed is not None and size < old:
            freed(old - size)
    if size == 0:
        kernel.discard(ino)


def install(kernel: "Kernel", open_file: OpenFile) -> int:
    """The lowest free descriptor, now naming `open_file`."""
    descriptors = kernel.descriptors
    if kernel.free_descriptors:
        fd = heappop(kernel.free_descriptors)
    else:
        fd = kernel.next_descriptor
        kernel.next_descriptor = fd + 1
    descriptors[fd] = open_file
    open_file.users += 1
    return fd


def demand_room(kernel: "Kernel") -> None:
    """EMFILE where the process has all the descriptors it may have."""
    if len(kernel.descriptors) >= DESCRIPTORS_MAX:
        raise os_error(errno.EMFILE)


def lookup(kernel: "Kernel", fd: int) -> OpenFile:
    try:
        return kernel.descriptors[fd]
    except KeyError:
        raise os_error(errno.EBADF) from None


def close(kernel: "Kernel", fd: int) -> None:
    """close(2): the descriptor goes even where the call fails."""
    open_file = kernel.descriptors.get(fd) or lookup(kernel, fd)
    outcome = kernel.call("close", open_file.path)
    if outcome is not None and outcome.errno is not None:
        write_errors_of(kernel).fail_close(open_file, outcome)
        drop(kernel, fd)
        raise os_error(outcome.errno)
    drop(kernel, fd)


def drop(kernel: "Kernel", fd: int) -> None:
    """Forget a descriptor; the last one of a description lets go of its locks and its inode."""
    open_file = kernel.descriptors.pop(fd)
    heappush(kernel.free_descriptors, fd)
    open_file.users -= 1
    if open_file.users:
        return
    ino = open_file.ino
    if kernel.locks:
        kernel.locks.release(ino, id(open_file))
    opened = kernel.opened
    left = opened.get(ino, 1) - 1
    if left:
        opened[ino] = left
    else:
        opened.pop(ino, None)
        if kernel.injector is not None and ino >= 0:
            kernel.give_back(ino)
