"""The choke point: each call that changes or syncs something, one after the other, in one global order.

A call passes, in this order: what the program has said before it (its marks), its number, the injector, the kill-point,
the record, the disk. Whatever thread of whatever process made it, it is alone here: the mount is served by one thread.

*Marks exactly*: a program's `write` to its standard output has returned before it asks for the next operation, so what
the witnesses can read now was said before this operation. Without that an acknowledgement sent just before a sync would
be placed after it, and the bug would be invisible.

At a kill-point the disk freezes first; the processes are killed after (`Frozen` is raised), and what they still ask for
is answered with EIO and has no effect.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from harness.faults import Injector, Outcome
from harness.frontends.mounted.callers import Callers
from harness.frontends.mounted.source_lines import SourceLines
from harness.trace import Fdatasync, Fsync, Item, Mark, Source, Trace

Witness = Callable[[], Iterable[Mark]]
"""Says what became visible outside since it was asked last, without waiting."""

_PLACE_OF: Final = {"fsync": "of", "fdatasync": "of", "write": "to", "mkdir": "of", "open": "of"}
_CALL_NAME: Final = {"open": "create"}


class Frozen(BaseException):
    """The disk is frozen: the program is to be killed, and nothing has an effect any more."""


class CallRecord(msgspec.Struct, frozen=True, gc=False):
    """One changing call: its number (from 1), its kind and path for a fault plan, its bytes, where it stands.

    `position`: trace position of what came next when it was asked for.
    """

    number: int
    kind: str
    path: str
    size: int
    source: Source
    position: int


class ChokePoint:
    """Numbers, fails, kills and records. `calls` lists the changing calls, failed ones included.

    `dies_before`: this operation (counted from 0) is not recorded, the program dies instead. `lines`: who knows the line
    of the program that makes a call; where nobody does, the call's place is its source.
    """

    def __init__(
        self,
        trace: Trace,
        *,
        injector: Injector | None = None,
        dies_before: int | None = None,
        callers: Callers | None = None,
        lines: SourceLines | None = None,
    ) -> None:
        self.trace = trace
        self.injector = injector
        self.dies_before = dies_before
        self.witnesses: list[Witness] = []
        self.calls: list[CallRecord] = []
        self.frozen = False
        self.recording = False
        self._callers = callers or Callers()
        self._lines = lines
        self._places: Counter[tuple[str, str]] = Counter()
        self._source: Source | None = None

    def begin(self) -> None:
        """From now on calls are numbered and recorded: the setup is over."""
        self.recording = True

    def end(self) -> None:
        """No call is numbered or recorded any more, and no fault hits: the disk is being looked at."""
        self.listen()
        self.recording = False

    def listen(self) -> None:
        """Take down what was said since the last time."""
        if self.recording and not self.frozen:
            for witness in self.witnesses:
                for mark in witness():
                    self.trace.record(mark, None, time.time())

    def ask(self, kind: str, path: str, size: int, thread: int) -> Outcome | None:
        """Number a changing call and say what becomes of it. `kind`: a key of `harness.faults.ERRNOS_BY_KIND`."""
        if self.frozen:
            raise Frozen
        if not self.recording:
            return None
        self.listen()
        places = self._places
        places[kind, path] = nth = places[kind, path] + 1
        process = self._callers.of(thread)
        name = f"{ordinal(nth)} {_CALL_NAME.get(kind, kind)} {_PLACE_OF.get(kind, 'of')} {path[1:] or '.'}"
        line = self._lines.of(process, kind, path) if self._lines is not None else None
        source = Source(process.program, 0, name, process) if line is None else Source(*line, process)
        self._source = source
        number = len(self.calls) + 1
        self.calls.append(CallRecord(number, kind, path, size, source, len(self.trace.items)))
        if self.injector is None:
            return None
        outcome = self.injector.decide(kind, path, size, number)
        if outcome is not None and outcome.delay:
            time.sleep(outcome.delay)
        return outcome

    def record(self, item: Item) -> None:
        """Take down the operation that the call just asked for; the kill-point is before it."""
        if self.frozen:
            raise Frozen
        if not self.recording:
            return
        if self.trace.operation_count == self.dies_before:
            self.frozen = True
            raise Frozen
        self.trace.record(item, self._source, time.time())

    def record_sync(self, ino: int, data_only: bool) -> None:
        self.record(Fdatasync(ino) if data_only else Fsync(ino))

    def freed(self, size: int) -> None:
        """Bytes went back to the disk."""
        if self.injector is not None and self.recording and size:
            self.injector.freed(size)

    def close(self) -> None:
        self._callers.close()


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd …"""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
