"""Recordings: one run of a program on a mounted folder, as a trace.

The setup runs first, on the same mount, unrecorded: what it leaves is the durable base of the trace.
"""

import contextlib
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.disk import DiskImage
from harness.faults import Fired, Injector
from harness.frontends.mounted.choke_point import CallRecord, ChokePoint
from harness.frontends.mounted.inodes import InodeTable, items_making
from harness.frontends.mounted.keeper import Keeper
from harness.frontends.mounted.session import Ended, ProgramError, Session
from harness.frontends.mounted.source_lines import SourceLines
from harness.trace import Mark, Program, Trace

ROOT_WORD: Final = "{root}"
"""Stands for the mounted folder in a command."""


class SetupFailed(Exception):
    """The setup ended with an error; the message says which."""


class Recorded(msgspec.Struct, frozen=True):
    """What came of one run. `image`: the folder at its end, or at its kill-point.

    `start`: the folder before it, for further runs (`record`). `calls`: its changing calls, failed ones included.
    `fired_at`: the trace position at which the first fault hit, if any did. `interrupted`: a signal ended it.
    """

    trace: Trace
    image: DiskImage
    ended: Ended
    start: bytes
    calls: tuple[CallRecord, ...]
    fired: tuple[Fired, ...] = ()
    fired_at: int | None = None
    interrupted: bool = False

    @property
    def marks_only_at_the_end(self) -> bool:
        """Everything was printed after the last operation: a program that buffers its output looks like that."""
        kinds = [isinstance(item, Mark) for item in self.trace.items]
        return True in kinds and False in kinds and kinds == sorted(kinds)


class Run(msgspec.Struct, frozen=True):
    """What to run and how.

    `command`: words with `{root}` in them. `setup`: the words that fill the folder before, given its path.
    `time_limit_s`: for the setup and the program each. `seed` and `direct`: as for `Session`. `stacks`:
    look for the source line of each operation. `http`: ports on which clients ask, and the program's own behind them.
    """

    root: Path
    command: tuple[str, ...]
    setup: Callable[[str], Sequence[str]] | None = None
    time_limit_s: float | None = None
    seed: int = 0
    direct: bool = True
    stacks: bool = False
    http: tuple[tuple[int, int], ...] = ()


def record_until_signalled(
    run: Run,
    *,
    printed: Callable[[bytes], None] | None = None,
    complained: Callable[[bytes], None] | None = None,
) -> Recorded:
    """As `record`; Ctrl-C and SIGTERM go to the program, whose end ends the recording; at the second one it is killed."""
    with Keeper() as keeper:
        return _record(run, _Start(keeper), _passing_on_signals, printed, complained)


def record(
    run: Run,
    *,
    keeper: Keeper | None = None,
    start: bytes | None = None,
    injector: Injector | None = None,
    dies_before: int | None = None,
    printed: Callable[[bytes], None] | None = None,
    complained: Callable[[bytes], None] | None = None,
) -> Recorded:
    """Run the program once on a mount at `run.root`.

    `keeper`: whose guardian watches over it; by default one that starts for this run. `start`: what an earlier recording
    began with (`Recorded.start`), instead of the setup. `injector` decides about the changing calls of the program,
    numbered from 1. `dies_before`: the operation, counted from 0, before which all its processes are killed and the disk
    freezes. Raises MountError, ProgramError and SetupFailed, each with one sentence.
    """
    if keeper is None:
        with Keeper() as own:
            return _record(run, _Start(own, start, injector, dies_before), _ignoring_signals, printed, complained)
    return _record(run, _Start(keeper, start, injector, dies_before), _ignoring_signals, printed, complained)


class _Start(msgspec.Struct, frozen=True):
    """What a run begins with, and what befalls it."""

    keeper: Keeper
    table: bytes | None = None
    injector: Injector | None = None
    dies_before: int | None = None


def _record(
    run: Run,
    start: _Start,
    listening: Callable[[Session], AbstractContextManager[list[int]]],
    printed: Callable[[bytes], None] | None,
    complained: Callable[[bytes], None] | None,
) -> Recorded:
    if not run.stacks:
        return _record_on(run, start, listening, printed, complained, None)
    with SourceLines() as lines:
        return _record_on(run, start, listening, printed, complained, lines)


def _record_on(
    run: Run,
    start: _Start,
    listening: Callable[[Session], AbstractContextManager[list[int]]],
    printed: Callable[[bytes], None] | None,
    complained: Callable[[bytes], None] | None,
    lines: SourceLines | None,
) -> Recorded:
    trace = Trace(program=Program(run.command))
    choke = ChokePoint(trace, injector=start.injector, dies_before=start.dies_before, lines=lines)
    # the pickle is our own, made by an earlier run of this process or its parent
    table: InodeTable = InodeTable() if start.table is None else pickle.loads(start.table)
    with Session(run.root, table, choke, start.keeper, seed=run.seed, direct=run.direct) as session:
        env = {**os.environ, "HARNESS_ROOT": str(session.root)}
        if run.setup is not None and start.table is None:
            _set_up(session, run.setup(str(session.root)), run.time_limit_s, env, complained)
        before = pickle.dumps(table)
        trace.base = items_making(session.look())
        for front, back in run.http:
            session.relay(front, back)
        choke.begin()
        with listening(session) as received:
            ended = session.run(
                [word.replace(ROOT_WORD, str(session.root)) for word in run.command],
                env=env if lines is None else lines.environment(env),
                stdin=_stdin(),
                printed=printed,
                complained=complained,
                time_limit_s=run.time_limit_s,
            )
        choke.end()
        image = session.look()
    trace.program = Program(run.command, ended.exit_code)
    fired = tuple(start.injector.fired) if start.injector is not None else ()
    fired_at = choke.calls[fired[0].call - 1].position if fired else None
    return Recorded(trace, image, ended, before, tuple(choke.calls), fired, fired_at, bool(received))


def _stdin() -> int | None:
    """What is piped into us; never the terminal, which the program's process group may not read."""
    try:
        return None if sys.stdin.isatty() else sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # none, closed, or no real file
        return None


def _set_up(
    session: Session,
    words: Sequence[str],
    time_limit_s: float | None,
    env: Mapping[str, str],
    complained: Callable[[bytes], None] | None,
) -> None:
    try:
        ended = session.run(words, env=env, complained=complained, time_limit_s=time_limit_s)
    except ProgramError as error:
        raise ProgramError(f"--setup: {error}") from None
    if ended.timed_out:
        raise SetupFailed(f"--setup did not end within {time_limit_s:g} s: give it more with --timeout")
    if ended.exit_code:
        last = ended.errors.decode(errors="replace").strip().rpartition("\n")[2]
        raise SetupFailed(f"--setup ended with exit code {ended.exit_code}{': ' + last if last else ''}")


@contextlib.contextmanager
def _ignoring_signals(session: Session) -> Iterator[list[int]]:
    """Whoever has handlers of its own keeps them."""
    yield []


@contextlib.contextmanager
def _passing_on_signals(session: Session) -> Iterator[list[int]]:
    received: list[int] = []

    def pass_on(number: int, frame: Any) -> None:
        received.append(number)
        session.signal(number if len(received) == 1 else signal.SIGKILL)

    if threading.current_thread() is not threading.main_thread():  # nobody sends it signals
        yield received
        return
    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
