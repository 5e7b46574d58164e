"""Throughput of two worker processes against one: the chunks of one log's sweep, as the gate deals them.

The workers stay for all rounds, so that their start (about half a second of imports, once a run) and their recording
of the workload are not measured; handing out chunks, waiting for the last one and sending results back are. Wall clock:
two processes share no processor time. A machine that is busy with something else shows less than there is.
"""

import contextlib
from pathlib import Path
from typing import ClassVar, Final

import json_lines
from effort import Effort
from interleaved import rate_ratio
from swept_log import PATH, PROFILE

from harness.callables import CallableScenario
from harness.clock import machine_seconds
from harness.explore.tally import Tally
from harness.gate.executors import LocalWorkers
from harness.gate.options import Options
from harness.gate.planning import floor
from harness.gate.task import Task
from harness.subjects import find_one


class SharedLog(CallableScenario):
    """The writer of `json_lines`; the recovered log must hold all that was acknowledged."""

    records: ClassVar[int] = 60

    def __init__(self) -> None:
        super().__init__(self._write, self._recovered, name="shared_log", profiles=(PROFILE,), faults=False)

    def _write(self, mark: object) -> None:
        json_lines.write(PATH, self.records, mark)  # type: ignore[arg-type]  # crash_test's mark

    def _recovered(self, marks: list[int]) -> None:
        assert json_lines.recover(PATH).issuperset(marks)


class TinySharedLog(SharedLog):
    """The same with hardly any states."""

    records: ClassVar[int] = 2


_SCENARIO: Final = f"{Path(__file__)}::{{}}"


def _states_per_s(staff: LocalWorkers, tasks: list[Task]) -> float:
    """Distinct states a second that these workers judge. RuntimeError where one does not hold."""
    whole = Tally()
    began = machine_seconds()
    for task, tally in staff.each(tasks, lambda: False, lambda _: None):
        if isinstance(tally, str):
            raise RuntimeError(f"the benchmark's own chunk {task.part} fails: {tally}")
        whole.add(tally)
    took = machine_seconds() - began
    if whole.findings or not whole.exhaustive:
        raise RuntimeError(f"the benchmark's own log does not hold: {whole.findings[:1]}, {whole.exhaustive=}")
    return whole.distinct / took


def vs_one(effort: Effort) -> float:
    """`jobs2_vs_jobs1`: distinct states a second of two workers / of one. More is better, 2 is the limit."""
    scenario = find_one(_SCENARIO.format(effort.shared_log))
    tasks = floor(scenario, ["workload"], Options(profiles=(PROFILE,), faults=False), small=False)
    with contextlib.closing(LocalWorkers(2)) as two, contextlib.closing(LocalWorkers(1)) as one:
        return rate_ratio(lambda: _states_per_s(two, tasks), lambda: _states_per_s(one, tasks), effort.rounds)
