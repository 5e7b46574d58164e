"""Starting a checker, quickly: its price is the price of a state.

Measured on Linux, of our own processor time: `subprocess.Popen` 0.2 ms, `posix_spawn` 0.07 ms. The latter knows no
working directory; but a thread may have one of its own (`unshare(CLONE_FS)`, for which nobody needs to be root). A thread
that called `have_own_folder` starts programs that way, any other through `subprocess`.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

_CLONE_FS: Final = 0x200
_DEFAULT_SIGNALS: Final = [signal.SIGPIPE, signal.SIGXFSZ]
"""Python ignores them; a program that is started expects not to inherit that."""

_thread: Final = threading.local()


def have_own_folder() -> bool:
    """Give the calling thread, not the main one, a working directory of its own. False where that cannot be."""
    if sys.platform == "linux" and threading.current_thread() is not threading.main_thread():
        with contextlib.suppress(OSError, AttributeError):
            _thread.own = ctypes.CDLL(None, use_errno=True).unshare(_CLONE_FS) == 0
        _thread.environment = dict(os.environb)
    return bool(getattr(_thread, "own", False))


class Running:
    """A program in a process group of its own; `output`: the reading end of what it prints, to either stream."""

    __slots__ = ("_popen", "output", "pid")

    def __init__(self, words: list[str], root: Path, given: int) -> None:
        """Start it in `root` with the descriptor `given` as its input. Raises OSError where it cannot be started."""
        place = os.fsencode(root)
        known: dict[bytes, bytes] | None = getattr(_thread, "environment", None)
        # as bytes: not to be encoded for each start
        environment = {**(os.environb if known is None else known), b"HARNESS_ROOT": place, b"PWD": place}
        self._popen: subprocess.Popen[bytes] | None = None
        self.output, printed = os.pipe()
        try:
            if getattr(_thread, "own", False):
                os.chdir(root)
                self.pid = os.posix_spawn(
                    words[0],
                    words,
                    environment,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, given, 0),
                        (os.POSIX_SPAWN_DUP2, printed, 1),
                        (os.POSIX_SPAWN_DUP2, printed, 2),
                    ],
                    setpgroup=0,
                    setsigdef=_DEFAULT_SIGNALS,
                )
            else:
                self._popen = subprocess.Popen(
                    words,
                    stdin=given,
                    stdout=printed,
                    stderr=printed,
                    cwd=root,
                    env=environment,
                    close_fds=False,  # ours are not inheritable anyway, and closing each of 65,536 is not free
                    process_group=0,
                )
                self.pid = self._popen.pid
        except BaseException:
            os.close(self.output)
            raise
        finally:
            os.close(printed)
        os.set_blocking(self.output, False)

    def has_ended(self) -> bool:
        """Without waiting for it: its number must stay its own until its group is killed."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self) -> int:
        """Kill whatever is left of the group; the exit code, negative for a signal. To be called once."""
        # While the leader is not yet waited for, nobody else can have its number.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        try:
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        finally:
            os.close(self.output)
        if self._popen is not None:
            self._popen.returncode = code
        return code
