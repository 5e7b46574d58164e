"""The keeper: our end of the line to a guardian process (guardian.py), which outlives us if need be.

One guardian serves any number of mounts, one after the other or side by side; it costs the start of a bare interpreter.
"""

import array
import contextlib
import errno
import itertools
import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from harness.frontends.mounted.requirements import MountError

PATIENCE_S: Final = 20.0
"""Seconds that the guardian has to end by itself."""

GUARDIAN_GONE: Final = "the guardian process is gone: somebody killed it, start again"

_MESSAGE_BYTES_MAX: Final = 65_536

_PACKAGE: Final = Path(__file__).parent
_START: Final = (
    f"import sys; sys.path.insert(0, sys.argv[1]); from {_PACKAGE.name}.guardian import main; main(int(sys.argv[2]))"
)
"""The guardian's package without what stands above it: the harness would take ten times as long to import."""


class TooLong(Exception):
    """A command line and its environment do not fit into one message."""


class Keeper:
    """A guardian process and the line to it. A context manager: at its end the guardian has cleaned up and is gone."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel = ours
        self.lost = False
        self.tokens = itertools.count(1)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _START, str(_PACKAGE.parent), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        with contextlib.suppress(OSError):
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 2**20)  # an environment may be large

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def fileno(self) -> int:
        return self._channel.fileno()

    def tell(self, message: dict[str, object], descriptors: Sequence[int] = ()) -> None:
        """Send a message and copies of open files. Raises TooLong, and MountError when the guardian is gone."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            self._channel.sendmsg([json.dumps(message).encode()], rights)
        except OSError as problem:
            if problem.errno == errno.EMSGSIZE:
                raise TooLong from None
            self.lost = True
            raise MountError(GUARDIAN_GONE) from None

    def hear(self) -> dict[str, Any] | None:
        """The next piece of news, waited for; None when the guardian is gone."""
        try:
            data = self._channel.recv(_MESSAGE_BYTES_MAX)
        except ConnectionError:
            data = b""
        if not data:
            self.lost = True
            return None
        news: dict[str, Any] = json.loads(data)
        return news

    def close(self) -> None:
        self._channel.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
