"""Checkers: programs that look at a restored folder and say whether what they need is there.

A checker is started in the folder, with `HARNESS_ROOT` naming it and the marks told before the death as lines on its
standard input. Exit 0: held. Anything else: a violation, summed up by the last line it printed (to either stream). It may
write: recovery does.

What a checker may get wrong, and what then happens: it hangs (killed with its process group after the time limit, verdict
`unavailable`), prints without end (read, only the tail kept), leaves children behind (killed with the group), never reads
its input (that is a file, not a pipe). Children that left the process group are for `strays`.

How it is started, and what that costs, is in `process`.
"""

import errno
import os
import re
import select
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from harness.anyprogram.command_line import CommandLine, CommandLineError, command_line
from harness.anyprogram.process import Running
from harness.clock import machine_seconds
from harness.trace import Mark

TIME_LIMIT_S: Final = 10.0
"""Seconds a checker may take, where nobody says otherwise."""

OUTPUT_KEPT: Final = 64 * 1024
"""Bytes of a checker's output that are kept: the last ones."""

SUMMARY_LENGTH: Final = 300
"""Characters of the last line that become the summary."""

_SLICE_S: Final = 0.02
_LONGEST_WAIT_S: Final = 3_600.0
_CONTROL: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")

CheckVerdict: TypeAlias = Literal["held", "check-failed", "unavailable"]


class CheckerError(ValueError):
    """The checker cannot be started at all; the message is one sentence for the user (exit code 2)."""


class CheckCancelled(Exception):
    """The check was ended from outside before the checker had answered."""


class Answer(msgspec.Struct, frozen=True):
    """What a checker said. `exit_code`: negative for the signal that ended it, None where the time limit did.

    `output`: the last `OUTPUT_KEPT` bytes of what it printed.
    """

    verdict: CheckVerdict
    summary: str
    exit_code: int | None
    output: str
    wall_s: float

    @property
    def held(self) -> bool:
        return self.verdict == "held"


class Checker(msgspec.Struct, frozen=True):
    """A command that checks a folder, and how long it may take. Threads may share one."""

    command: CommandLine
    time_limit_s: float = TIME_LIMIT_S

    def check(self, root: Path, marks: bytes = b"", *, cancelled_by: int | None = None) -> Answer:
        """Run it once on the folder `root`. `marks`: its input, from `input_of`.

        `cancelled_by`: a file descriptor; once it is readable the checker is killed and CheckCancelled raised. Raises
        CheckerError where the program cannot be started.
        """
        began = machine_seconds()
        words = self.command.for_root(str(root))
        given = _input(marks)
        try:
            running = Running(words, root, given)
        except OSError as error:
            raise CheckerError(_not_started(self.command, words, error)) from None
        finally:
            os.close(given)
        exit_code: int | None = None
        try:
            output, in_time = _followed(running, began + self.time_limit_s, cancelled_by)
        finally:
            exit_code = running.end()
        return _answer(output, exit_code if in_time else None, self.time_limit_s, machine_seconds() - began)


def checker(text: str, *, time_limit_s: float = TIME_LIMIT_S, typed_in: Path | None = None) -> Checker:
    """The checker of the command line `text`. Raises CheckerError: no such program, not executable, no command at all."""
    if not time_limit_s > 0:
        raise CheckerError(f"a checker needs more than {time_limit_s:g} seconds")
    try:
        return Checker(command_line(text, typed_in=typed_in), time_limit_s)
    except CommandLineError as error:
        raise CheckerError(f"--check: {error}") from None


def input_of(marks: Sequence[Mark]) -> bytes:
    """The marks as a checker reads them: a line each; a printed line as it was, any other as "kind event"."""
    return b"".join(line_of(mark) for mark in marks)


def line_of(mark: Mark) -> bytes:
    """One mark as a line."""
    text = mark.event if mark.kind == "printed" else f"{mark.kind} {mark.event}".rstrip()
    return text.replace("\n", "\\n").encode("utf-8", "surrogateescape") + b"\n"


def _input(marks: bytes) -> int:
    """A file, not a pipe: whoever does not read it gets no signal, and keeps nobody waiting."""
    number = os.memfd_create("marks") if hasattr(os, "memfd_create") else _unnamed_file()
    if marks:
        done = 0
        while done < len(marks):
            done += os.pwrite(number, memoryview(marks)[done:], done)
    return number


def _unnamed_file() -> int:
    number, path = tempfile.mkstemp()
    os.unlink(path)
    return number


def _followed(running: Running, deadline: float, cancelled_by: int | None) -> tuple[bytes, bool]:
    """(the end of what it printed, whether it ended by itself in time). Returns as soon as the process itself is gone."""
    source = running.output
    watch = os.pidfd_open(running.pid) if hasattr(os, "pidfd_open") else None
    poll = select.poll()
    poll.register(source, select.POLLIN)
    for number in (watch, cancelled_by):
        if number is not None:
            poll.register(number, select.POLLIN)
    kept = b""
    try:
        while True:
            left_s = deadline - machine_seconds()
            if left_s <= 0:
                return kept, False
            wait_s = min(left_s, _LONGEST_WAIT_S if watch is not None else _SLICE_S)
            ready = {number for number, _ in poll.poll(wait_s * 1000)}
            if cancelled_by in ready:
                raise CheckCancelled
            ended = watch in ready if watch is not None else running.has_ended()
            if source in ready:
                more = _read(source)
                kept = (kept + more)[-OUTPUT_KEPT:]
                if not more:
                    poll.unregister(source)
            if ended:
                return _rest(source, kept), True
    finally:
        if watch is not None:
            os.close(watch)


def _read(source: int) -> bytes:
    try:
        return os.read(source, OUTPUT_KEPT)
    except BlockingIOError:
        return b""


def _rest(source: int, kept: bytes) -> bytes:
    """With what is still in the pipe; a child that goes on printing is not waited for."""
    for _ in range(64):
        more = _read(source)
        if not more:
            break
        kept = (kept + more)[-OUTPUT_KEPT:]
    return kept


def _answer(output: bytes, exit_code: int | None, time_limit_s: float, wall_s: float) -> Answer:
    text = output.decode("utf-8", "replace")
    last = _last_line(text)
    if exit_code == 0:
        return Answer("held", last, 0, text, wall_s)
    if exit_code is None:
        ending = f"the checker did not end within {time_limit_s:g} s"
        return Answer("unavailable", f"{ending}; its last line: {last}" if last else ending, None, text, wall_s)
    if exit_code < 0:
        ending = f"the checker was ended by {_signal_name(-exit_code)}"
        return Answer("check-failed", f"{ending}; its last line: {last}" if last else ending, exit_code, text, wall_s)
    return Answer(
        "check-failed", last or f"the checker exited with {exit_code} and said nothing", exit_code, text, wall_s
    )


def _last_line(text: str) -> str:
    for line in reversed(text.splitlines()):
        shown = _CONTROL.sub("", line).strip()
        if shown:
            return shown if len(shown) <= SUMMARY_LENGTH else shown[: SUMMARY_LENGTH - 2] + " …"
    return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _not_started(command: CommandLine, words: Sequence[str], error: OSError) -> str:
    why = error.strerror or str(error)
    if error.errno == errno.ENOEXEC:
        why = "it is neither a program nor a script that begins with #!"
    elif error.errno == errno.E2BIG:
        why = "the command line is too long"
    return f"the checker {words[0]} cannot be started: {why} (from the command {command.text!r})"
