"""A Hypothesis state machine over a small store: its steps a second on our disk, against a store that does no I/O.

One rule, cheap strategies: what Hypothesis itself costs is the same on both sides. On our disk a step is one durable
append (open, write, flush, fsync, close), each example begins with a new disk, and all of it is recorded.
"""

import os
from typing import ClassVar, Protocol

import hypothesis
from effort import Effort
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from interleaved import processor_seconds, rate_ratio

from harness.disk import DiskImage
from harness.frontends.simulated import Kernel, Redirection


class Store(Protocol):
    def append(self, value: int) -> None: ...


class OnDisk:
    """Appends a line, durably, on a disk of its own."""

    def __init__(self) -> None:
        self._kernel = Kernel(DiskImage.with_folders("/data"), now=lambda: 0.0)

    def append(self, value: int) -> None:
        with self._kernel.activate(), open("/data/log", "a", encoding="utf-8") as log:
            log.write(f"{value}\n")
            log.flush()
            os.fsync(log.fileno())


class InMemory:
    """Appends a line to a list."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def append(self, value: int) -> None:
        self._lines.append(f"{value}\n")


class StoreMachine(RuleBasedStateMachine):
    """One store, one rule."""

    store_class: ClassVar[type[Store]]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.store = self.store_class()

    @rule(value=st.integers(0, 255))
    def append(self, value: int) -> None:
        StoreMachine.steps += 1
        self.store.append(value)


class MachineOnDisk(StoreMachine):
    store_class = OnDisk


class MachineInMemory(StoreMachine):
    store_class = InMemory


def steps_per_s(machine: type[StoreMachine], examples: int) -> float:
    """Steps of `examples` histories in a second; the same histories on both sides, as the seed is the same."""
    hypothesis.seed(0)(machine)
    StoreMachine.steps = 0
    with Redirection.shared():
        began = processor_seconds()
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=50,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        return StoreMachine.steps / (processor_seconds() - began)


def vs_no_io(effort: Effort) -> float:
    """`machine_vs_no_io`: steps a second on our disk / without I/O. More is better, 1 is the limit."""
    return rate_ratio(
        lambda: steps_per_s(MachineOnDisk, effort.examples),
        lambda: steps_per_s(MachineInMemory, effort.examples),
        2 * effort.rounds,
    )
