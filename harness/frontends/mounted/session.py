"""A session: one mounted folder, the programs that run on it, and the loop that serves both.

Everything happens in the calling thread: requests of the kernel, lines that the program prints, news of the guardian. A
session leaves nothing behind: leaving the `with` block kills what still runs and unmounts, and when the harness is killed
the guardian does.
"""

import contextlib
import errno
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from harness.disk import DiskImage
from harness.frontends.mounted import guardian as guardian_file
from harness.frontends.mounted.calls import Calls
from harness.frontends.mounted.choke_point import ChokePoint, Frozen, Witness
from harness.frontends.mounted.connection import Connection
from harness.frontends.mounted.inodes import InodeTable
from harness.frontends.mounted.keeper import GUARDIAN_GONE, Keeper, TooLong
from harness.frontends.mounted.mounting import mounted
from harness.frontends.mounted.printed_lines import PrintedLines
from harness.frontends.mounted.requirements import MountError, find_tool, prepare_root
from harness.frontends.mounted.sync_calls import SyncCalls, received

if TYPE_CHECKING:
    from harness.frontends.mounted.http_relay import Relay

PATIENCE_S: Final = 20.0
"""Seconds for mounting, killing and unmounting before the session gives up."""


class ProgramError(Exception):
    """A program cannot be started; the message says why, in one sentence."""


class Ended(msgspec.Struct, frozen=True):
    """How a program ended. `exit_code`: negative for a signal, None where it ran out of time or met its kill-point.

    `left`: processes of it that were still running at its end, and were killed. `errors`: what it wrote to stderr.
    """

    exit_code: int | None
    timed_out: bool
    left: int
    errors: bytes


class Session:
    """A mounted folder. Use as a context manager; `root` must be an empty folder or none yet; `table` is what is in it.

    `setup` programs and `program` run one after the other with `run`; the choke point says what is recorded of them.
    """

    def __init__(
        self,
        root: Path,
        table: InodeTable,
        choke: ChokePoint,
        keeper: Keeper,
        *,
        seed: int = 0,
        direct: bool = True,
    ) -> None:
        self.root = root
        self.choke = choke
        self.table = table
        reverting = choke.injector is not None and choke.injector.plan.fails_syncs
        self.calls = Calls(self.table, choke, seed=seed, direct=direct, keeps_attributes=not reverting)
        self._poll = select.poll()
        self._connection: Connection | None = None
        self._keeper = keeper
        self._token = next(keeper.tokens)
        self._news: dict[str, dict[str, Any]] = {}
        self._relays: list[Relay] = []
        self._program = 0
        self._tool = ""
        self._handlers: dict[int, Callable[[], None]] = {}

    def __enter__(self) -> Self:
        self._tool = find_tool()
        self.root = prepare_root(self.root)
        try:
            self.watch(self._keeper.fileno(), self._hear)
            self._mount()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # -- the guardian ----------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        news = self._keeper.hear()
        if news is not None and news.get("token") == self._token:
            self._news[news["said"]] = news

    def _tell(self, message: dict[str, object], descriptors: Sequence[int] = ()) -> None:
        self._keeper.tell({**message, "token": self._token}, descriptors)

    def _wait_for(self, *said: str, until: float | None = None) -> dict[str, Any] | None:
        """The first of these news; None when the time is over. MountError when the guardian is gone."""
        for word in said:
            self._news.pop(word, None)
        while not any(word in self._news for word in said):
            if self._keeper.lost:
                raise MountError(GUARDIAN_GONE)
            if not self._serve_once(until):
                return None
        return next(self._news.pop(word) for word in said if word in self._news)

    # -- the loop --------------------------------------------------------------------------------------------------

    def watch(self, descriptor: int, handler: Callable[[], None], events: int = select.POLLIN) -> None:
        """Call the handler whenever the descriptor is ready; it replaces the one before."""
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, events)

    def unwatch(self, descriptor: int) -> None:
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def _serve_once(self, until: float | None) -> bool:
        """Wait for one thing to do and do it; False when the time is over."""
        left = None if until is None else max(0.0, until - time.monotonic())
        ready = self._poll.poll(None if left is None else left * 1000)
        for descriptor, _ in ready:
            handler = self._handlers.get(descriptor)
            if handler is not None:
                handler()
        if self._connection is not None and not self._connection.open:
            self.unwatch(self._connection.device)
        return bool(ready) or until is None or time.monotonic() < until

    # -- the mount -------------------------------------------------------------------------------------------------

    def _mount(self) -> None:
        device = mounted(
            self.root, lambda message, descriptors: self._tell({**message, "tool": self._tool}, descriptors)
        )
        self._connection = Connection(device, self.calls, self._die)
        self.watch(device, self._connection.serve)

    def _die(self) -> None:
        """The kill-point: the whole group at once; the guardian finds whoever left the group."""
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send a signal to the process group of the program that runs, if one does."""
        if self._program:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._program, number)

    # -- programs --------------------------------------------------------------------------------------------------

    def run(
        self,
        words: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: int | None = None,
        printed: Callable[[bytes], None] | None = None,
        complained: Callable[[bytes], None] | None = None,
        time_limit_s: float | None = None,
    ) -> Ended:
        """Run a program to its end, or to its kill-point; its printed lines are marks while the choke point records.

        Without `cwd` it runs where the harness does. `printed` and `complained` get what it writes to stdout and stderr,
        as it comes. What is left of it when its first process has ended is killed. Raises ProgramError where it cannot be
        started.
        """
        until = None if time_limit_s is None else time.monotonic() + time_limit_s
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        lines = PrintedLines(out, printed)
        errors = PrintedLines(err, complained)
        nothing = os.open(os.devnull, os.O_RDONLY) if stdin is None else stdin
        filter_ours, filter_theirs = socket.socketpair()
        syncs: SyncCalls | None = None
        self.choke.witnesses.append(lines.marks)
        self.watch(out, self._listens(lines))
        self.watch(err, lambda: self._drain(err, errors))
        try:
            message: dict[str, object] = {
                "do": "spawn",
                "words": list(words),
                "env": dict(os.environ if env is None else env),
                "cwd": os.getcwd() if cwd is None else str(cwd),
            }
            self._news.pop("exited", None)
            try:
                self._tell(message, [nothing, out_end, err_end, filter_theirs.fileno()])
            except TooLong:
                raise ProgramError("the command line and the environment are too long for a message") from None
            os.close(out_end)
            os.close(err_end)
            started = self._wait_for("started", "not started", until=time.monotonic() + PATIENCE_S)
            if started is None:
                raise ProgramError(f"{words[0]} was not started within {PATIENCE_S:g} s")
            if started["said"] == "not started":
                raise ProgramError(_not_started(words[0], started["errno"]))
            self._program = started["pid"]
            listener = received(filter_ours)
            if listener is not None:
                syncs = SyncCalls(listener, str(self.root), self.calls.sync_all)
                self.watch(listener, self._answers(syncs))
            exited = self._news.pop("exited", None) or self._wait_for_end(until)
            timed_out = exited is None and not self.choke.frozen
            left = self.kill()
            self.choke.listen()
            self._drain(err, errors)
            exit_code = None if exited is None or self.choke.frozen else exited["status"]
            return Ended(exit_code, timed_out, left, bytes(errors.all))
        finally:
            self._program = 0
            self.choke.witnesses.remove(lines.marks)
            for descriptor in (out, err):
                self.unwatch(descriptor)
                os.close(descriptor)
            if syncs is not None:
                self.unwatch(syncs.listener)
                syncs.close()
            filter_ours.close()
            filter_theirs.close()
            if stdin is None:
                os.close(nothing)

    def _answers(self, syncs: SyncCalls) -> Callable[[], None]:
        def answer() -> None:
            try:
                syncs.serve()
            except Frozen:
                self._die()
            if syncs.ended:
                self.unwatch(syncs.listener)

        return answer

    def relay(self, front: int, back: int) -> None:
        """Pass HTTP on from one port of this machine to another; what is asked and answered there are marks.

        Raises MountError where that cannot be.
        """
        try:
            from harness.frontends.mounted.http_relay import Relay  # h11 is needed for nothing else

            relay = Relay(front, back, self, lambda: self._take_down(relay.marks))
        except ModuleNotFoundError:
            raise MountError("--http needs h11 to read HTTP: `pip install h11`") from None
        except OSError as error:
            raise MountError(f"--http: port {front} is not to be had: {error.strerror}; name another one") from None
        self._relays.append(relay)
        self.choke.witnesses.append(relay.marks)

    def _take_down(self, witness: Witness) -> None:
        """Something was said: as marks, or, where nothing is recorded, only to be passed on."""
        self.choke.listen()
        if not self.choke.recording or self.choke.frozen:
            for _ in witness():
                pass

    def _listens(self, lines: PrintedLines) -> Callable[[], None]:
        def listen() -> None:
            self._take_down(lines.marks)
            if lines.ended:
                self.unwatch(lines.descriptor)

        return listen

    def _drain(self, descriptor: int, lines: PrintedLines) -> None:
        for _ in lines.marks():
            pass
        if lines.ended:
            self.unwatch(descriptor)

    def _wait_for_end(self, until: float | None) -> dict[str, Any] | None:
        while "exited" not in self._news:
            if self._keeper.lost:
                raise MountError(GUARDIAN_GONE)
            if self.choke.frozen or not self._serve_once(until):
                return None
        return self._news.pop("exited")

    def kill(self) -> int:
        """Kill what still runs on the folder; how many processes there were."""
        self._tell({"do": "kill"})
        killed = self._wait_for("killed", until=time.monotonic() + PATIENCE_S)
        return 0 if killed is None else int(killed["processes"])

    def look(self) -> DiskImage:
        """The tree as it is now."""
        return self.table.image()

    # -- the end ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Kill and unmount. Never fails: what is wrong here was wrong before."""
        for relay in self._relays:
            relay.close()
        with contextlib.suppress(MountError, OSError):
            if self._connection is not None and not self._keeper.lost:
                self.kill()
                self._tell({"do": "unmount", "folder": str(self.root)})
                self._wait_for("unmounted", until=time.monotonic() + PATIENCE_S)
        if self._connection is not None:
            self.unwatch(self._connection.device)
            os.close(self._connection.device)
            self._connection = None
        self.unwatch(self._keeper.fileno())
        if self._keeper.lost:
            self._clear_alone()
        self.choke.close()

    def _clear_alone(self) -> None:
        """The guardian was killed, and its program with it (PR_SET_PDEATHSIG): what it would have done, as far as we can.

        The connection is closed, so nobody is waited for: who still uses the folder gets errors.
        """
        for pid in guardian_file.processes_of(str(self.root)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if guardian_file.is_mounted(str(self.root)):
            words = [self._tool, "-u", "-z", "-q", "--", str(self.root)]
            subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _not_started(name: str, number: int) -> str:
    if number == errno.ENOENT:
        return f"{name}: no such program; name one that is on PATH, or give its path"
    if number == errno.EACCES:
        return f"{name} is not executable: `chmod +x` it, or name its interpreter first"
    if number == errno.ENOEXEC:
        return f"{name} is no program that this machine runs: name its interpreter first"
    return f"{name} cannot be started: {os.strerror(number)}"
