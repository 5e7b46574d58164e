"""A run without an explorer: marks in a list, time from the virtual clock."""

from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from harness.trace import Mark, Scalar

if TYPE_CHECKING:  # the manager's own tests, below this folder, run without the harness
    from harness.clock import VirtualClock
    from harness.ledger import Ledger

START = 1_700_000_000.0


class ListRun:
    """What `harness.scenario.Run` asks for, kept in plain lists."""

    def __init__(self, clock: "VirtualClock") -> None:
        self.clock = clock
        self.seed = 0
        self.marks: list[Mark] = []
        self.probes: list[str] = []

    @property
    def ledger(self) -> "Ledger":
        from harness.ledger import Ledger

        return Ledger.of(self.marks)

    def now(self) -> float:
        return self.clock.now()

    def mark(self, kind: str, event: str = "", **detail: Scalar) -> None:
        self.marks.append(Mark(kind, event, detail))

    def probe(self, name: str) -> None:
        self.probes.append(name)

    def seen(self, *kinds: str) -> list[tuple[str, str]]:
        """(kind, event) of the marks of these kinds, in order."""
        return [(mark.kind, mark.event) for mark in self.marks if mark.kind in kinds]


@pytest.fixture
def clock() -> Iterator["VirtualClock"]:
    from harness.clock import VirtualClock

    with VirtualClock.shared() as clock:
        clock.set(START)
        yield clock


@pytest.fixture
def run(clock: "VirtualClock") -> ListRun:
    return ListRun(clock)


@pytest.fixture
def play(clock: "VirtualClock") -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Runs a coroutine on one virtual-time loop for the whole test."""
    from harness.clock import VirtualLoop

    loop = VirtualLoop(clock)
    yield loop.run_until_complete
    loop.close()
