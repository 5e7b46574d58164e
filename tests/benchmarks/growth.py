"""How the harness' own cost of an operation and a state grows with the length of the trace.

The whole sweep of a log is timed, its recording included; the time inside the subject's recovery function is taken
off, as that reads a longer log. What is left is divided by recorded operations and judged states. Records are short:
a state for each byte of a long trace would only repeat the same.
"""

from collections.abc import Callable

import json_lines
from effort import Effort
from interleaved import cost_ratio, processor_seconds
from swept_log import PATH, recorded, scenario_of, sweep

from harness.explore.life import session


def own_cost(records: int) -> float:
    """Seconds of the harness for one operation or state of a log with this many records."""
    inside = 0.0

    def recovered(marks: list[int]) -> None:
        nonlocal inside
        began = processor_seconds()
        with open(PATH, "rb") as log:
            lines = log.read().count(b"\n")
        assert lines >= len(marks)
        inside += processor_seconds() - began

    def workload(mark: Callable[[int], None]) -> None:
        json_lines.write(PATH, records, mark, pad="")

    with session():
        began = processor_seconds()
        recording = recorded(scenario_of(workload, recovered))
        # before the log is there the recovery has nothing to open
        tally = sweep(recording, range(3, recording.end + 1))
        spent = processor_seconds() - began - inside
        return spent / (recording.operations() + tally.checked)


def explore_growth(effort: Effort) -> float:
    """`explore_growth`: the cost at the longer trace / at the shorter. Less is better, 1 is linear."""
    short, long = effort.growth
    return cost_ratio(lambda: own_cost(long), lambda: own_cost(short), max(1, effort.rounds // 2))
