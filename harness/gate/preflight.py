"""Before the sweeps: does the subject run at all, does it touch the disk, is it deterministic, does it keep its word?

A subject that fails here is told so; it never counts as held.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import msgspec

from harness.explore.finding import Discovery, report
from harness.explore.judging import by_phase, judge_clean
from harness.explore.life import WorldEscape, session
from harness.explore.recording import AnyScenario, Recording, record
from harness.explore.tally import Tally
from harness.own_lines import place_of
from harness.trace import Trace, decode, describe

OTHER_HASH_SEED = "4711"
"""PYTHONHASHSEED of the second process: any value that this process hardly has."""


class Preflight(msgspec.Struct):
    """`clean` are findings of the runs without a death; `errors` end in exit code 4, `idle` in 3."""

    operations: dict[str, int] = msgspec.field(default_factory=dict)
    traces: dict[str, Trace] = msgspec.field(default_factory=dict)
    clean: Tally = msgspec.field(default_factory=Tally)
    errors: list[str] = msgspec.field(default_factory=list)
    idle: list[str] = msgspec.field(default_factory=list)


def examine(
    scenario: AnyScenario, workloads: Sequence[str], seed: int, over: Callable[[Preflight], bool] = lambda _: False
) -> Preflight:
    """Record each workload twice and judge its clean end, until `over` what is found so far."""
    found = Preflight()
    with session():
        for workload in workloads:
            if over(found):
                break
            try:
                first = record(scenario, workload, seed)
                second = record(scenario, workload, seed)
                told = judge_clean(by_phase(scenario.contract()), first)
                same = first.trace.digest() == second.trace.digest()
            except WorldEscape as error:
                found.errors.append(f"{workload}: {error}")
                continue
            except UnicodeEncodeError as error:
                found.errors.append(
                    f"{workload}: {error.object!a} in a file name or mark is not UTF-8: a trace holds only UTF-8"
                )
                continue
            except Exception as error:
                found.errors.append(f"{workload}: the scenario raises {type(error).__name__}: {error}{place_of(error)}")
                continue
            if first.failure is not None:
                found.errors.append(f"{workload}: in a clean run, without any fault or death, {first.failure}")
                continue
            if not same:
                found.errors.append(f"{workload}: the subject is not deterministic: {difference(first, second)}")
                continue
            found.operations[workload] = first.operations()
            found.traces[workload] = first.trace
            if not first.operations():
                found.idle.append(f"{workload}: the subject did no I/O on the simulated disk: nothing was tested")
            for violation in told:
                report(found.clean, Discovery(first, (), violation), again=None)
            for name, count in first.probes.items():
                found.clean.probes[name] = found.clean.probes.get(name, 0) + count
    return found


def difference(first: Recording, second: Recording) -> str:
    """The first item in which two runs of one seed differ."""
    return first_difference(first.trace, second.trace)


def first_difference(one: Trace, two: Trace) -> str:
    for position, (a, b) in enumerate(zip(one.items, two.items, strict=False)):
        if a != b or one.times[position] != two.times[position]:
            source = one.sources[position]
            where = f" ({source})" if source is not None else ""
            other = describe(b) if describe(a) != describe(b) else "other bytes, or another time"
            return f"item {position}{where}: first run: {describe(a)}; second run: {other}"
    return f"the first run has {len(one)} items, the second {len(two)}"


class SecondProcess:
    """The same workloads in a process with another hash seed, started early and asked late."""

    def __init__(self, reference: str, workloads: Sequence[str], seed: int) -> None:
        command = [sys.executable, "-m", "harness.gate.digests", reference, str(seed), *workloads]
        environment = {**os.environ, "PYTHONHASHSEED": OTHER_HASH_SEED}
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def differing(self, traces: dict[str, Trace]) -> list[str]:
        """Workloads whose trace differs there; a process that failed is an error of its own."""
        out, err = self._process.communicate()
        if self._process.returncode != 0:
            last = (err.strip().splitlines() or ["no message"])[-1]
            return [f"the run in a second process failed (exit {self._process.returncode}): {last}"]
        there: dict[str, str] = json.loads(out)
        found: list[str] = []
        for workload, trace in traces.items():
            other = decode(there[workload].encode())
            if trace.digest() != other.digest():
                found.append(
                    f"{workload}: the subject is not deterministic: in a process with PYTHONHASHSEED={OTHER_HASH_SEED} "
                    f"{first_difference(trace, other)} (does hash(), or the order of a set of strings, decide it?)"
                )
        return found

    def abandon(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
