"""The quick form of the gate: a fixed sample of the floor, the cheap and telling parts first.

It is for changes that are tried often (an edit, a mutant): what it finds is a violation like any other, and a run that
finds nothing is `bounded` and inconclusive, never held (DESIGN, section 4, rule 8). The sample depends on names and
numbers only, never on the time that is left: the same seed gives the same states on any machine.

Taken: all clean runs (the preflight); every process death; at every kill-point of a power cut the plainest disks; of
the planned faults every so-manyth, another one for each workload; a few random histories; and the deaths of some
recoveries. Not taken: everything else, above all most of what several unsynced writes can leave behind.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from harness.explore.recording import AnyScenario
from harness.gate.options import Options
from harness.gate.task import Task

PLAINEST: Final = 2
"""Disks per kill-point of a power cut: as much as possible survived, as little as possible."""

FAULT_STRIDE: Final = 32
"""One planned fault of so many, in each of the rounds."""

FAULT_ROUNDS: Final = 2

RECOVERY_STRIDE: Final = 16
"""One kill-point of so many has its recovery killed."""

EXAMPLES: Final = 4
"""Random histories for each starting point and profile."""


def sample(scenario: AnyScenario, workloads: Sequence[str], options: Options) -> Iterator[Task]:
    """The pieces of the sample, in the order in which they are done."""
    piece = Task("crash", scenario.reference, "", "", options.seed, stop_at=options.stop_at, recovery=False)
    replace = msgspec.structs.replace
    deaths = [name for name in options.profiles if name == "process"]
    cuts = [name for name in options.profiles if name != "process"]
    faulty = [name for name in scenario.fault_workloads() if name in workloads] if options.faults else []
    for profile in deaths:
        yield from (replace(piece, workload=workload, profile=profile) for workload in workloads)
    yield from _faults(piece, faulty, options, 0)
    if options.examples and scenario.actions():
        for workload in scenario.history_workloads():
            for profile in options.profiles:
                examples = min(options.examples, EXAMPLES)
                yield replace(piece, kind="histories", workload=workload, profile=profile, examples=examples)
    for profile in cuts:
        yield from (replace(piece, workload=name, profile=profile, bound=PLAINEST) for name in workloads)
    for number in range(1, FAULT_ROUNDS):
        yield from _faults(piece, faulty, options, number)
    for profile in options.profiles:
        for workload in workloads:
            offset = spread(workload, RECOVERY_STRIDE)
            yield replace(
                piece,
                workload=workload,
                profile=profile,
                bound=PLAINEST,
                recovery=True,
                stride=RECOVERY_STRIDE,
                offset=offset,
            )


def _faults(piece: Task, workloads: Sequence[str], options: Options, number: int) -> Iterator[Task]:
    joined = "+".join(options.profiles)
    for name in workloads:
        part = (spread(name, FAULT_STRIDE) + number * FAULT_STRIDE // FAULT_ROUNDS) % FAULT_STRIDE
        yield msgspec.structs.replace(
            piece, kind="faults", workload=name, profile=joined, part=part, parts=FAULT_STRIDE
        )


def spread(name: str, among: int) -> int:
    """A number below `among` that differs from name to name, and is the same everywhere."""
    return zlib.crc32(name.encode()) % among
