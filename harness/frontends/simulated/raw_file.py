"""The raw file under the interpreter's own buffered and text layers."""

import io
import os
from typing import TYPE_CHECKING, Any

from harness.frontends.simulated import descriptors
from harness.frontends.simulated.kernel import running

if TYPE_CHECKING:
    from harness.frontends.simulated.descriptors import OpenFile
    from harness.frontends.simulated.kernel import Kernel


class RawFile(io.RawIOBase):
    """What `io.FileIO` is to a real descriptor, for a simulated one; bound to *its* kernel.

    A file that outlives its process (its kernel is not the active one any more) writes to nothing: finalisers of
    a dead life come late, at the whim of the garbage collector.
    """

    # slots, and one of them in place of the base's property `closed`: the buffered layers ask for these at each call
    __slots__ = ("_closefd", "_fd", "_kernel", "_open_file", "closed", "mode", "name")

    closed: bool
    name: Any
    mode: str

    def __init__(
        self, kernel: "Kernel", fd: int, open_file: "OpenFile", closefd: bool, name: object, mode: str
    ) -> None:
        self.closed = False
        self.name = name
        self.mode = mode
        self._kernel = kernel
        self._fd = fd
        self._open_file = open_file
        self._closefd = closefd

    def fileno(self) -> int:
        if self.closed:
            self._demand_open()
        return self._fd

    def readable(self) -> bool:
        if self.closed:
            self._demand_open()
        return self._open_file.readable

    def writable(self) -> bool:
        if self.closed:
            self._demand_open()
        return self._open_file.writable

    def seekable(self) -> bool:
        if self.closed:
            self._demand_open()
        return True

    def isatty(self) -> bool:
        if self.closed:
            self._demand_open()
        return False

    def _demand_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def tell(self) -> int:
        if self.closed:
            self._demand_open()
        return self._open_file.position

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if self.closed:
            self._demand_open()
        return self._open_file.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        if self.closed or not self._open_file.readable:
            self._refuse("reading")
        view = memoryview(buffer).cast("B")
        data = self._open_file.read(len(view))
        size = len(data)
        view[:size] = data
        return size

    def read(self, size: int | None = -1, /) -> bytes:
        if self.closed or not self._open_file.readable:
            self._refuse("reading")
        if size is None or size < 0:
            return self.readall()
        return self._open_file.read(size)

    def readall(self) -> bytes:
        if self.closed or not self._open_file.readable:
            self._refuse("reading")
        open_file = self._open_file
        return open_file.read(max(open_file.size() - open_file.position, 0) + 1)

    def write(self, data: Any, /) -> int:
        if self.closed or not self._open_file.writable:
            self._refuse("writing")
        if running.kernel is not self._kernel:
            return memoryview(data).nbytes
        return self._open_file.write(data if data.__class__ is bytes else bytes(data))

    def truncate(self, size: int | None = None, /) -> int:
        if self.closed or not self._open_file.writable:
            self._refuse("writing")
        if size is None:
            size = self._open_file.position
        if running.kernel is self._kernel:
            self._open_file.truncate(size)
        return size

    def _refuse(self, what: str) -> None:
        self._demand_open()
        raise io.UnsupportedOperation(f"File not open for {what}")

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        kernel = self._kernel
        if self._closefd and running.kernel is kernel and not kernel.frozen:
            descriptors.close(kernel, self._fd)

    @property
    def closefd(self) -> bool:
        return self._closefd

    def __repr__(self) -> str:
        if self.closed:
            return f"<{type(self).__qualname__} [closed]>"
        return f"<{type(self).__qualname__} name={self.name!r} mode={self.mode!r} closefd={self._closefd!r}>"


def raw_mode(flags: int, exclusive: bool) -> str:
    """The `mode` that `io.FileIO` shows for a file opened with `flags`."""
    both = flags & os.O_ACCMODE == os.O_RDWR
    if exclusive:
        return "xb+" if both else "xb"
    if flags & os.O_APPEND:
        return "ab+" if both else "ab"
    if both:
        return "rb+"
    return "rb" if flags & os.O_ACCMODE == os.O_RDONLY else "wb"
