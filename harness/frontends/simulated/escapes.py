"""The closed world's guard: one audit hook that sees what reaches the real machine while a kernel is active.

It catches what redirection cannot: an `open` captured before, `io.FileIO`, `posix.open`, sqlite3, mmap, subprocesses.
Reading installed packages, time zones and source code is allowed. Calls that raise no audit event (`posix.stat`,
`posix.fsync` on a real descriptor, which only a call that was caught could have opened) are not seen.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, Final

from harness.frontends.simulated import real_files

_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_abspath: Final = os.path.abspath
_fsdecode: Final = os.fsdecode


def _open(path: object, mode: object, flags: object) -> str | None:
    if isinstance(path, int) or path is None:
        return None
    where = _abspath(_fsdecode(path))  # type: ignore[arg-type]  # audit arguments are untyped
    writes = isinstance(flags, int) and flags & _WRITES
    if not writes and (real_files.is_readable(where) or real_files.is_code(where)):
        return None
    return f"open of {where} (mode {mode!r}) past the redirection"


def _list(path: object = None) -> str | None:
    if isinstance(path, int):
        return f"listing of the real descriptor {path}"
    where = _abspath(_fsdecode(path)) if path is not None else os.getcwd()  # type: ignore[arg-type]  # see above
    if real_files.is_readable(where) or real_files.is_import_folder(where):
        return None
    return f"listing of {where} past the redirection"


def _sqlite(database: object, *_: object) -> str | None:
    return None if database in (":memory:", b":memory:") else f"sqlite3.connect({database!r})"


def _mmap(fileno: object, *_: object) -> str | None:
    return None if fileno == -1 else f"mmap.mmap of descriptor {fileno}"


def _call(name: str) -> Callable[..., str | None]:
    def describe(*arguments: object) -> str | None:
        return f"{name}({', '.join(repr(argument) for argument in arguments[:2])})"

    return describe


_HANDLERS: Final[dict[str, Callable[..., str | None]]] = {
    "open": _open,
    "os.listdir": _list,
    "os.scandir": _list,
    "sqlite3.connect": _sqlite,
    "mmap.__new__": _mmap,
    **{
        name: _call(name)
        for name in (
            "fcntl.fcntl",
            "fcntl.flock",
            "fcntl.ioctl",
            "fcntl.lockf",
            "os.chdir",
            "os.chmod",
            "os.chown",
            "os.exec",
            "os.fork",
            "os.forkpty",
            "os.getxattr",
            "os.kill",
            "os.killpg",
            "os.link",
            "os.listxattr",
            "os.lockf",
            "os.mkdir",
            "os.posix_spawn",
            "os.remove",
            "os.removexattr",
            "os.rename",
            "os.rmdir",
            "os.setxattr",
            "os.spawn",
            "os.symlink",
            "os.system",
            "os.truncate",
            "os.utime",
            "pty.spawn",
            "subprocess.Popen",
        )
    },
}

_installed = False


def watch() -> None:
    """Install the hook; once a process, as a hook cannot be taken away."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_make_hook())


def _make_hook() -> Callable[[str, tuple[Any, ...]], None]:
    from harness.frontends.simulated.kernel import running

    find = _HANDLERS.get

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        handler = find(event)
        if handler is None:
            return
        kernel = running.kernel
        if kernel is None:
            return
        what = handler(*arguments)
        if what is not None:
            raise kernel.escape(what, "mounted")

    return hook
