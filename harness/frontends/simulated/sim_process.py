"""`os` as the subject sees it: its process. Ids and randomness come from the seed, `_exit` is a death."""

import os
import signal
from typing import TYPE_CHECKING, Any, Final, NoReturn

from harness.frontends.simulated.determinism import entropy_of, process_id
from harness.frontends.simulated.served import served

if TYPE_CHECKING:
    from harness.frontends.simulated.kernel import Kernel

_real: Final[dict[str, Any]] = dict(os.__dict__)


@served(_real["urandom"])
def urandom(kernel: "Kernel", size: int) -> bytes:
    if size < 0:
        raise ValueError("negative argument not allowed")
    return entropy_of(kernel).bytes(size)


@served(_real["getrandom"])
def getrandom(kernel: "Kernel", size: int, flags: int = 0) -> bytes:
    return entropy_of(kernel).bytes(size)


@served(_real["getpid"])
def getpid(kernel: "Kernel") -> int:
    return process_id(kernel)


@served(_real["getppid"])
def getppid(kernel: "Kernel") -> int:
    return 1


@served(_real["umask"])
def umask(kernel: "Kernel", mask: int) -> int:
    kernel.umask, before = mask & 0o777, kernel.umask
    return before


@served(_real["_exit"])
def _exit(kernel: "Kernel", status: int) -> NoReturn:
    kernel.die(f"os._exit({status})")


@served(_real["abort"])
def abort(kernel: "Kernel") -> NoReturn:
    kernel.die("os.abort()")


@served(_real["kill"])
def kill(kernel: "Kernel", pid: int, number: int) -> None:
    """One process is all there is: others do not exist; signal 0 asks, SIGKILL ends this one."""
    if pid > 0 and pid != process_id(kernel):
        raise ProcessLookupError(3, os.strerror(3))
    if number == 0:
        return
    if number == signal.SIGKILL:
        kernel.die("SIGKILL from itself")
    raise kernel.escape(f"os.kill({pid}, {number})", "mounted")


CALLS: Final[dict[str, Any]] = {
    name: value
    for name, value in list(globals().items())
    if name in _real and callable(value) and value is not _real[name] and not isinstance(value, type)
}
"""The functions of `os` that this module replaces."""

HARMLESS: Final = frozenset(
    name for name in _real if name.startswith(("W", "_", "sched_get", "getr", "gete", "getg", "getp", "gets"))
) | {
    "confstr",
    "cpu_count",
    "device_encoding",
    "fsdecode",
    "fsencode",
    "fspath",
    "get_exec_path",
    "get_terminal_size",
    "getenv",
    "getenvb",
    "getloadavg",
    "getlogin",
    "getuid",
    "major",
    "makedev",
    "minor",
    "process_cpu_count",
    "putenv",
    "register_at_fork",
    "sched_yield",
    "strerror",
    "sysconf",
    "times",
    "uname",
    "unsetenv",
    "waitstatus_to_exitcode",
}
"""The functions of `os` that touch no disk."""
