"""`fcntl` as the subject sees it: locks and the flags of simulated descriptors."""

import errno
import fcntl as real_fcntl
import os
import struct
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from harness.frontends.simulated import descriptors
from harness.frontends.simulated.descriptors import OpenFile, lookup
from harness.frontends.simulated.kernel import FIRST_DESCRIPTOR
from harness.frontends.simulated.locks import EXCLUSIVE, SHARED
from harness.frontends.simulated.paths import os_error
from harness.frontends.simulated.served import served

if TYPE_CHECKING:
    from harness.frontends.simulated.kernel import Kernel

F_OFD_GETLK: Final = 36
F_OFD_SETLK: Final = 37
F_OFD_SETLKW: Final = 38
_SETTABLE: Final = os.O_APPEND | os.O_NONBLOCK | os.O_ASYNC | os.O_DIRECT | os.O_NOATIME


def _open_file(kernel: "Kernel", fd: Any, call: str) -> OpenFile:
    number = fd if isinstance(fd, int) else fd.fileno()
    if 0 <= number < FIRST_DESCRIPTOR:
        raise kernel.escape(f"fcntl.{call} of the real descriptor {number}", "mounted")
    return lookup(kernel, number)


def _take(kernel: "Kernel", open_file: OpenFile, mode: str, waits: bool) -> None:
    if kernel.locks.take(open_file.ino, id(open_file), mode):
        return
    if not waits:
        raise os_error(errno.EWOULDBLOCK)
    raise kernel.escape(
        f"a {mode} lock on {open_file.path} that another descriptor of the same process holds: a deadlock", "mounted"
    )


@served(real_fcntl.flock)
def flock(kernel: "Kernel", fd: Any, operation: int) -> None:
    """flock(2): by open file description, the whole file."""
    open_file = _open_file(kernel, fd, "flock")
    kernel.check("lock", open_file.path)
    waits = not operation & real_fcntl.LOCK_NB
    match operation & ~real_fcntl.LOCK_NB:
        case real_fcntl.LOCK_SH:
            _take(kernel, open_file, SHARED, waits)
        case real_fcntl.LOCK_EX:
            _take(kernel, open_file, EXCLUSIVE, waits)
        case real_fcntl.LOCK_UN:
            kernel.locks.release(open_file.ino, id(open_file))
        case _:
            raise os_error(errno.EINVAL)


@served(real_fcntl.lockf)
def lockf(kernel: "Kernel", fd: Any, cmd: int, len: int = 0, start: int = 0, whence: int = 0) -> None:
    """POSIX record locks: they never conflict inside one process (fcntl(2))."""
    open_file = _open_file(kernel, fd, "lockf")
    kernel.check("lock", open_file.path)
    kind = cmd & ~real_fcntl.LOCK_NB
    if kind not in (real_fcntl.LOCK_SH, real_fcntl.LOCK_EX, real_fcntl.LOCK_UN):
        raise ValueError("unrecognized lockf argument")
    if (kind == real_fcntl.LOCK_EX and not open_file.writable) or (
        kind == real_fcntl.LOCK_SH and not open_file.readable
    ):
        raise os_error(errno.EBADF)


@served(real_fcntl.fcntl)
def fcntl(kernel: "Kernel", fd: Any, cmd: int, arg: Any = 0) -> Any:
    open_file = _open_file(kernel, fd, "fcntl")
    kernel.check("fcntl", open_file.path)
    match cmd:
        case real_fcntl.F_GETFD:
            return real_fcntl.FD_CLOEXEC
        case real_fcntl.F_SETFD:
            return 0
        case real_fcntl.F_GETFL:
            return open_file.flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_CLOEXEC)
        case real_fcntl.F_SETFL:
            open_file.flags = (open_file.flags & ~_SETTABLE) | (arg & _SETTABLE)
            open_file.appends = bool(open_file.flags & os.O_APPEND)
            return 0
        case real_fcntl.F_DUPFD | real_fcntl.F_DUPFD_CLOEXEC:
            descriptors.demand_room(kernel)
            return descriptors.install(kernel, open_file)
        case real_fcntl.F_SETLK | real_fcntl.F_SETLKW:
            return arg
        case 37 | 38:  # F_OFD_SETLK, F_OFD_SETLKW
            return _lock_description(kernel, open_file, cmd, arg)
    raise kernel.escape(f"fcntl.fcntl with command {cmd}", "mounted")


def _lock_description(kernel: "Kernel", open_file: OpenFile, cmd: int, arg: Any) -> Any:
    (kind,) = struct.unpack_from("h", arg)
    if kind == real_fcntl.F_UNLCK:
        kernel.locks.release(open_file.ino, id(open_file))
    else:
        _take(kernel, open_file, EXCLUSIVE if kind == real_fcntl.F_WRLCK else SHARED, cmd == F_OFD_SETLKW)
    return arg


@served(real_fcntl.ioctl)
def ioctl(kernel: "Kernel", fd: Any, request: int, arg: Any = 0, mutate_flag: bool = True) -> Any:
    _open_file(kernel, fd, "ioctl")
    raise os_error(errno.ENOTTY)


def make_module() -> ModuleType:
    """A module `fcntl` with our locks."""
    module = ModuleType("fcntl", real_fcntl.__doc__)
    module.__dict__.update(real_fcntl.__dict__)
    module.__dict__.update(flock=flock, lockf=lockf, fcntl=fcntl, ioctl=ioctl)
    return module
