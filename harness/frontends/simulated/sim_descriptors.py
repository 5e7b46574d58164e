"""`os` as the subject sees it: the calls on descriptors.

Descriptors of the real machine are refused, but for standard input, output and error: a number that is not ours must
never reach a real open file.
"""

import errno
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.frontends.simulated import descriptors, metadata, sim_io
from harness.frontends.simulated.descriptors import OpenFile, lookup
from harness.frontends.simulated.kernel import FIRST_DESCRIPTOR, running
from harness.frontends.simulated.paths import os_error
from harness.frontends.simulated.served import served
from harness.trace import SyncAll, Truncate

if TYPE_CHECKING:
    from harness.frontends.simulated.kernel import Kernel

_real: Final[dict[str, Any]] = dict(os.__dict__)
_real_write: Final = os.write
_real_fsync: Final = os.fsync
_real_fdatasync: Final = os.fdatasync


def _simulated(kernel: "Kernel", fd: int, call: str) -> OpenFile:
    if 0 <= fd < FIRST_DESCRIPTOR:
        raise kernel.escape(f"os.{call} of the real descriptor {fd}", "mounted")
    return lookup(kernel, fd)


def _checked(fd: Any) -> int:
    """A descriptor from a number or a file, as the calls that take both do it."""
    number = fd if isinstance(fd, int) else fd.fileno()
    if not isinstance(number, int):
        raise TypeError("fileno() returned a non-integer")
    if number < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({number})")
    return number


def fsync(fd: Any) -> None:
    kernel = running.kernel
    if kernel is None:
        _real_fsync(fd)
        return
    open_file = kernel.descriptors.get(fd)
    if open_file is None:
        open_file = _simulated(kernel, _checked(fd), "fsync")
    open_file.sync("fsync")


def fdatasync(fd: Any) -> None:
    kernel = running.kernel
    if kernel is None:
        _real_fdatasync(fd)
        return
    _simulated(kernel, _checked(fd), "fdatasync").sync("fdatasync")


def sync_all(kernel: "Kernel") -> None:
    outcome = kernel.call("sync", None)
    if outcome is None or not getattr(outcome, "lying", False):
        kernel.record(SyncAll())


@served(_real["read"])
def read(kernel: "Kernel", fd: int, length: int) -> bytes:
    if length < 0:
        raise os_error(errno.EINVAL)
    return _simulated(kernel, fd, "read").read(length)


def write(fd: int, data: Any) -> int:
    kernel = running.kernel
    if kernel is None or fd in (1, 2):
        return _real_write(fd, data)
    return _simulated(kernel, fd, "write").write(bytes(data))


@served(_real["pread"])
def pread(kernel: "Kernel", fd: int, length: int, offset: int) -> bytes:
    if offset < 0:
        raise os_error(errno.EINVAL)
    return _simulated(kernel, fd, "pread").read(length, offset)


@served(_real["pwrite"])
def pwrite(kernel: "Kernel", fd: int, data: Any, offset: int) -> int:
    if offset < 0:
        raise os_error(errno.EINVAL)
    return _simulated(kernel, fd, "pwrite").write(bytes(data), offset)


def _scatter(data: bytes, buffers: Sequence[Any]) -> int:
    at = 0
    for buffer in buffers:
        view = memoryview(buffer).cast("B")
        part = data[at : at + len(view)]
        view[: len(part)] = part
        at += len(part)
    return at


def _total(buffers: Sequence[Any]) -> int:
    return sum(memoryview(buffer).nbytes for buffer in buffers)


@served(_real["readv"])
def readv(kernel: "Kernel", fd: int, buffers: Sequence[Any]) -> int:
    return _scatter(_simulated(kernel, fd, "readv").read(_total(buffers)), buffers)


@served(_real["preadv"])
def preadv(kernel: "Kernel", fd: int, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:
    return _scatter(_simulated(kernel, fd, "preadv").read(_total(buffers), offset), buffers)


@served(_real["writev"])
def writev(kernel: "Kernel", fd: int, buffers: Sequence[Any]) -> int:
    return _simulated(kernel, fd, "writev").write(b"".join(bytes(buffer) for buffer in buffers))


@served(_real["pwritev"])
def pwritev(kernel: "Kernel", fd: int, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:
    open_file = _simulated(kernel, fd, "pwritev")
    if flags & ~(os.RWF_DSYNC | os.RWF_SYNC):
        raise os_error(errno.EOPNOTSUPP)
    written = open_file.write(b"".join(bytes(buffer) for buffer in buffers), offset)
    if written and flags:
        open_file.sync("fsync" if flags & os.RWF_SYNC else "fdatasync")
    return written


@served(_real["lseek"])
def lseek(kernel: "Kernel", fd: int, position: int, whence: int) -> int:
    return _simulated(kernel, fd, "lseek").seek(position, whence)


@served(_real["ftruncate"])
def ftruncate(kernel: "Kernel", fd: int, length: int) -> None:
    if length < 0:
        raise os_error(errno.EINVAL)
    _simulated(kernel, fd, "ftruncate").truncate(length)


@served(_real["posix_fallocate"])
def posix_fallocate(kernel: "Kernel", fd: int, offset: int, length: int) -> None:
    """An extension shows zeros; room inside the file is there already."""
    open_file = _simulated(kernel, fd, "posix_fallocate")
    outcome = kernel.call("truncate", open_file.path, length)
    if outcome is not None and outcome.errno is not None:
        raise os_error(outcome.errno)
    if offset < 0 or length <= 0:
        raise os_error(errno.EINVAL)
    if not open_file.writable:
        raise os_error(errno.EBADF)
    end = offset + length
    if end > open_file.size():
        kernel.record(Truncate(open_file.ino, end))


@served(_real["posix_fadvise"])
def posix_fadvise(kernel: "Kernel", fd: int, offset: int, length: int, advice: int) -> None:
    _simulated(kernel, fd, "posix_fadvise")


@served(_real["sendfile"])
def sendfile(kernel: "Kernel", out_fd: int, in_fd: int, offset: int | None, count: int) -> int:
    source = _simulated(kernel, in_fd, "sendfile")
    return _simulated(kernel, out_fd, "sendfile").write(source.read(count, offset))


@served(_real["copy_file_range"])
def copy_file_range(
    kernel: "Kernel", src: int, dst: int, count: int, offset_src: int | None = None, offset_dst: int | None = None
) -> int:
    source = _simulated(kernel, src, "copy_file_range")
    return _simulated(kernel, dst, "copy_file_range").write(source.read(count, offset_src), offset_dst)


@served(_real["close"])
def close(kernel: "Kernel", fd: int) -> None:
    _simulated(kernel, fd, "close")
    descriptors.close(kernel, fd)


@served(_real["closerange"])
def closerange(kernel: "Kernel", fd_low: int, fd_high: int) -> None:
    for fd in [fd for fd in kernel.descriptors if fd_low <= fd < fd_high]:
        descriptors.close(kernel, fd)


@served(_real["fstat"])
def fstat(kernel: "Kernel", fd: int) -> os.stat_result:
    if 0 <= fd <= 2:
        return os.fstat(fd)
    open_file = _simulated(kernel, fd, "fstat")
    kernel.check("stat", open_file.path)
    return metadata.status(kernel, open_file.ino)


@served(_real["isatty"])
def isatty(kernel: "Kernel", fd: int) -> bool:
    return os.isatty(fd) if fd < FIRST_DESCRIPTOR else False


@served(_real["dup"])
def dup(kernel: "Kernel", fd: int) -> int:
    open_file = _simulated(kernel, fd, "dup")
    descriptors.demand_room(kernel)
    return descriptors.install(kernel, open_file)


@served(_real["fchmod"])
def fchmod(kernel: "Kernel", fd: int, mode: int) -> None:
    open_file = _simulated(kernel, fd, "fchmod")
    kernel.check("chmod", open_file.path)
    metadata.change_mode(kernel, open_file.ino, mode)


@served(_real["fchown"])
def fchown(kernel: "Kernel", fd: int, uid: int, gid: int) -> None:
    """Owners are not modelled: nothing changes."""
    kernel.check("chmod", _simulated(kernel, fd, "fchown").path)


@served(_real["get_inheritable"])
def get_inheritable(kernel: "Kernel", fd: int) -> bool:
    _simulated(kernel, fd, "get_inheritable")
    return False


@served(_real["set_inheritable"])
def set_inheritable(kernel: "Kernel", fd: int, inheritable: bool) -> None:
    _simulated(kernel, fd, "set_inheritable")


@served(_real["get_blocking"])
def get_blocking(kernel: "Kernel", fd: int) -> bool:
    return not _simulated(kernel, fd, "get_blocking").flags & os.O_NONBLOCK


@served(_real["lockf"])
def lockf(kernel: "Kernel", fd: int, command: int, length: int) -> None:
    """POSIX record locks never conflict inside one process."""
    kernel.check("lock", _simulated(kernel, fd, "lockf").path)


@served(_real["fdopen"])
def fdopen(kernel: "Kernel", fd: int, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
    if not isinstance(fd, int):
        raise TypeError(f"invalid fd type ({type(fd)}, expected integer)")
    return sim_io.open(fd, mode, buffering, *args, **kwargs)


@served(_real["fpathconf"])
def fpathconf(kernel: "Kernel", fd: int, name: Any) -> int:
    _simulated(kernel, fd, "fpathconf")
    return os.pathconf("/", name)


CALLS: Final[dict[str, Any]] = {
    name: value
    for name, value in list(globals().items())
    if name in _real and callable(value) and value is not _real[name] and not isinstance(value, type)
}
"""The functions of `os` that this module replaces."""
