"""The chunks of a run, listed in one order on every machine: no clock, no number of workers decides about them."""

from collections.abc import Sequence
from typing import Final

import msgspec

from harness.explore.recording import AnyScenario
from harness.gate.options import Options
from harness.gate.task import Task

CRASH_PARTS: Final = 8
FAULT_PARTS: Final = 8
"""Pieces per workload: small enough that two workers end together, large enough that recording costs little."""

SMALL: Final = 48
"""Operations of a scenario that is begun in this process: two workers start in the time that its sweeps take."""

SMALL_PARTS: Final = 2
"""Pieces of a small workload's sweep: each piece freezes time anew."""

QUICK: Final = "a quick run is a sample: it can find a violation, and cannot show that there is none"


def floor(scenario: AnyScenario, workloads: Sequence[str], options: Options, *, small: bool) -> list[Task]:
    """The sweeps of each workload's crash states under each profile, and of its faults."""
    crash_parts, fault_parts = (SMALL_PARTS, SMALL_PARTS) if small else (CRASH_PARTS, FAULT_PARTS)
    depth = recovery_depth(scenario, options)
    first = Task("crash", scenario.reference, "", "", options.seed, bound=options.bound, stop_at=options.stop_at)
    double = double_faults(scenario, options)
    crash = msgspec.structs.replace(first, depth=depth, faulty_recoveries=double)
    replace = msgspec.structs.replace
    tasks: list[Task] = []
    for workload in workloads:
        for name in options.profiles:
            parts = 1 if name == "process" else crash_parts
            tasks += [replace(crash, workload=workload, profile=name, part=part, parts=parts) for part in range(parts)]
    if options.faults:
        faulty = replace(first, kind="faults", profile="+".join(options.profiles), parts=fault_parts)
        for workload in scenario.fault_workloads():
            if workload in workloads:
                tasks += [replace(faulty, workload=workload, part=part) for part in range(fault_parts)]
                if double:
                    pairs = replace(faulty, kind="pairs", workload=workload)
                    tasks += [replace(pairs, part=part) for part in range(fault_parts)]
    return tasks


def recovery_depth(scenario: AnyScenario, options: Options) -> int:
    """How many deaths in a row hit recoveries in this run."""
    return scenario.recovery_depth if options.recovery_depth is None else options.recovery_depth


def double_faults(scenario: AnyScenario, options: Options) -> bool:
    """Whether faults hit recoveries, and come in pairs, in this run."""
    return options.faults and (scenario.double_faults or options.double_faults)


def first_histories(scenario: AnyScenario, options: Options) -> list[Task]:
    """Those that a run without a budget draws; none where the scenario has no actions."""
    return histories(scenario, options, 0) if options.examples and scenario.actions() else []


def histories(scenario: AnyScenario, options: Options, round_: int) -> list[Task]:
    """Random histories from each starting point under each profile; each round has seeds of its own."""
    places = list(scenario.history_workloads())
    return [
        Task(
            "histories",
            scenario.reference,
            workload,
            name,
            options.seed,
            part=round_,
            examples=max(1, options.examples // len(places)),
        )
        for workload in places
        for name in options.profiles
    ]
