"""Second faults: one call fails, and later in the same run another one does, while the subject still mends the first.

The loop of `fault_sweep` once more, around each run that has met a fault: every call of the clean run fails once, with
the error that is most common for it; then every later call of that run fails once, or lands half of what it writes.
Judged alike. Pairs grow with the square of the calls: of more than the bound each first fault gets an equal share of
seconds, chosen by the seed, and `double_possible` says how many there were.
"""

import random
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from harness.clock import machine_seconds
from harness.explore.fault_sweep import FaultSweep, PlannedFault, planned
from harness.explore.judging import ByPhase
from harness.explore.recording import Recording, record
from harness.explore.tally import Stop, Tally, never
from harness.faults import FaultPlan

PAIRS: Final = 2_000
"""Pairs of one workload that are run; beyond that a sample."""


def first_faults(clean: Recording) -> list[PlannedFault]:
    """Each call that may fail, once, with the first errno of its kind."""
    chosen: dict[int, PlannedFault] = {}
    for fault in planned(clean):
        (rule,) = fault.plan.faults
        if rule.lasts == 1 and rule.keep is None and not rule.lying:
            chosen.setdefault(fault.call, fault)
    return list(chosen.values())


def second_faults(first: PlannedFault, faulty: Recording) -> list[PlannedFault]:
    """Each later call of the run that met `first`, failing as well: the error of its kind, and half of a write."""
    chosen: dict[tuple[int, bool], PlannedFault] = {}
    for fault in planned(faulty):
        (rule,) = fault.plan.faults
        if fault.call > first.call and rule.lasts == 1 and (rule.keep is None or rule.errno is not None):
            plan = FaultPlan((*first.plan.faults, rule))
            chosen.setdefault((fault.call, rule.keep is not None), PlannedFault(fault.call, plan))
    return list(chosen.values())


class SecondFaultSweep:
    """Runs pairs of faults of one workload; deaths are found under each of `profiles`."""

    def __init__(self, clean: Recording, profiles: Sequence[str], contract: ByPhase, *, most: int = PAIRS) -> None:
        self.clean = clean
        self.profiles = tuple(profiles)
        self.contract = contract
        self.tally = Tally()
        self._share = max(1, most // max(1, len(first_faults(clean))))

    def run(self, firsts: Iterable[PlannedFault], stop: Stop = never) -> Tally:
        """Sweep what may follow each of these first faults."""
        began = machine_seconds()
        for first in firsts:
            if not self._after(first, stop):
                break
        self.tally.wall_s += machine_seconds() - began
        return self.tally

    def _after(self, first: PlannedFault, stop: Stop) -> bool:
        clean, tally = self.clean, self.tally
        faulty = record(clean.scenario, clean.workload, clean.seed, plan=first.plan, log_calls=True, settling=False)
        if not faulty.fired or faulty.hung:
            return True
        pairs = second_faults(first, faulty)
        tally.double_possible += len(pairs)
        if len(pairs) > self._share:
            chance = random.Random(f"{clean.seed}:{clean.workload}:{first.call}")
            pairs = [pairs[index] for index in sorted(chance.sample(range(len(pairs)), self._share))]
        sweep = FaultSweep(faulty, self.profiles, self.contract)
        over = False

        def ended(found: Tally) -> bool:
            nonlocal over
            over = stop(found)
            return over

        sweep.run(pairs, ended)
        tally.add(_as_double(sweep.tally))
        return not over


def _as_double(found: Tally) -> Tally:
    """The counts of pairs stand beside those of single faults."""
    return msgspec.structs.replace(
        found,
        double_planned=found.faults_planned,
        double_fired=found.faults_fired,
        double_told=found.faults_told,
        faults_planned=0,
        faults_fired=0,
        faults_told=0,
        wall_s=0.0,
    )
