"""The errno sweep: call 1, 2, 3 … of a workload fails, in every way that makes sense for it, once and persistently.

SQLite's loop (sqlite.org/testing.html, section 3.2 "I/O error testing"): either no fault fired and all is well, or one
fired and the outside was told. Each run is judged alive (faults lifted, settled), and after a death and a restart: at
the end and right after the first acknowledgement that followed the fault.

A failed sync leaves something else in the page cache on each file system (durability.md, section 4; Rebello et al.,
ATC'20): a fault that makes one fail is run once for each policy of the profiles asked for, and deaths after it are
judged under the profiles of that policy. Where the run has looked at what such a sync left clean, it is run once more
with a cache that forgets these pages at once: eviction may come at any moment, and is seen by nobody else.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from harness.clock import machine_seconds
from harness.disk import DiskImage
from harness.durability.crash_states import CrashStates
from harness.durability.profiles import profile
from harness.explore.finding import Discovery, cause_of, report
from harness.explore.judging import ByPhase, Judged, SeenAgain, judge_alive, judge_restart
from harness.explore.recording import Recording, record
from harness.explore.rewritten import rewrites_dropped_sector
from harness.explore.saved_case import Death
from harness.explore.seen_restarts import SeenRestarts, key_of
from harness.explore.tally import Stop, Tally, never
from harness.explore.world_at import unattached_world
from harness.faults import LEAVES_CLEAN, FaultPlan, sweep_plans
from harness.trace import CachePolicy, FailedSync, Mark, Write

STATES_PER_DEATH: Final = 3
"""Disks judged per death of a faulty run: all survived, only what had to, and one between. The crash sweep does all."""

EVICTING: Final = "EIO"
"""The error after which the cache is made to forget: for the cache one errno is as good as another."""


class PlannedFault(msgspec.Struct, frozen=True):
    """One run of the sweep: the call that fails and how."""

    call: int
    plan: FaultPlan


def planned(clean: Recording) -> list[PlannedFault]:
    """Every call of the clean run x every way it may fail. `clean` was recorded with its calls."""
    plans: list[PlannedFault] = []
    for call in clean.calls:
        item = clean.items[call.position] if call.position < clean.end else None
        size = len(item.data) if isinstance(item, Write) and call.kind == "write" else 0
        plans += [PlannedFault(call.number, plan) for plan in sweep_plans(call.kind, call.number, size)]
    return plans


class FaultSweep:
    """Runs planned faults of one workload; deaths are found under each of `profiles`."""

    def __init__(self, clean: Recording, profiles: Sequence[str], contract: ByPhase) -> None:
        self.clean = clean
        self.profiles = tuple(profiles)
        self.policies: tuple[CachePolicy, ...] = tuple(dict.fromkeys(profile(name).failed_sync for name in profiles))
        self.contract = contract
        self.world = unattached_world(clean)
        self.tally = Tally()
        self._restarts: SeenRestarts[Judged] = SeenRestarts()
        self._again: SeenRestarts[SeenAgain] = SeenRestarts()
        self._blamed: set[tuple[str, str]] | None = None

    def run(self, faults: Iterable[PlannedFault], stop: Stop = never) -> Tally:
        began = machine_seconds()
        for fault in faults:
            self._run_all(fault)
            if stop(self.tally):
                break
        self.tally.wall_s += machine_seconds() - began
        return self.tally

    def _run_all(self, fault: PlannedFault) -> None:
        """The fault on each file system that makes a difference to it."""
        if not fault.plan.fails_syncs:
            self._run_one(fault, self.profiles)
            return
        for policy in self.policies:
            here = PlannedFault(fault.call, fault.plan.leaving(policy))
            names = [name for name in self.profiles if profile(name).failed_sync == policy]
            faulty = self._run_one(here, names)
            if not any(isinstance(item, FailedSync) for item in faulty.items):
                # No sync has failed, so no policy made a difference.
                self._judge_deaths(faulty, here, [name for name in self.profiles if name not in names])
                return
            forgets = policy in LEAVES_CLEAN and all(one.errno == EVICTING for one in here.plan.faults)
            if forgets and not faulty.hung and (faulty.looked_at_stale or rewrites_dropped_sector(faulty.items)):
                self._run_one(PlannedFault(fault.call, here.plan.forgetting()), names)

    def _run_one(self, fault: PlannedFault, names: Sequence[str]) -> Recording:
        clean = self.clean
        self.tally.faults_planned += 1
        faulty = record(clean.scenario, clean.workload, clean.seed, plan=fault.plan)
        for name, count in faulty.probes.items():
            self.tally.probes[name] = self.tally.probes.get(name, 0) + count
        if not _all_fired(fault.plan, faulty):
            return faulty
        self.tally.faults_fired += 1
        fired_at = self._position_of(fault)
        if faulty.told_after(fired_at):
            self.tally.faults_told += 1
        for told in judge_alive(self.contract, faulty):
            report(self.tally, Discovery(faulty, (), told, plan=fault.plan), again=None)
        self._judge_deaths(faulty, fault, names)
        return faulty

    def _judge_deaths(self, faulty: Recording, fault: PlannedFault, names: Sequence[str]) -> None:
        if faulty.hung or not _all_fired(fault.plan, faulty):
            return  # a violation by itself; its thousands of retries would be thousands of pending pieces
        for position in self._deaths(faulty, self._position_of(fault)):
            for name in names:
                self._die(faulty, fault, position, name)

    def _position_of(self, fault: PlannedFault) -> int:
        """Where in the trace the failing call stands: up to it, the faulty run is the clean one."""
        for call in self.clean.calls:
            if call.number == fault.call:
                return call.position
        return 0

    def _deaths(self, faulty: Recording, fired_at: int) -> list[int]:
        deaths = [faulty.end]
        for position in range(fired_at, faulty.end):
            item = faulty.items[position]
            if isinstance(item, Mark) and item.kind == "acknowledged":
                deaths.append(position + 1)
                break
        return sorted(set(deaths))

    def _die(self, faulty: Recording, fault: PlannedFault, position: int, name: str) -> None:
        walk = CrashStates(faulty.base, profile(name), seed=faulty.seed)
        for index in range(position):
            walk.feed(index, faulty.items[index])
        for state, image in itertools.islice(walk.at().states(), STATES_PER_DEATH):
            judged = self._restart(faulty, position, image, fault_fired=True)
            death = Death(position, state)
            for told in judged.violations:
                if (name, cause_of(faulty, death).source) not in self._blamed_without_faults():
                    report(self.tally, Discovery(faulty, (death,), told, image, plan=fault.plan), again=None)

    def _blamed_without_faults(self) -> set[tuple[str, str]]:
        """(profile, source line) that the clean run loses by itself: the crash sweep tells those, no fault is needed."""
        if self._blamed is None:
            self._blamed = set()
            clean = self.clean
            for name in self.profiles:
                if name == "process":
                    continue
                walk = CrashStates(clean.base, profile(name), seed=clean.seed)
                for index in range(clean.end):
                    walk.feed(index, clean.items[index])
                for state, image in itertools.islice(walk.at().states(), STATES_PER_DEATH):
                    if self._restart(clean, clean.end, image, fault_fired=False).violations:
                        self._blamed.add((name, cause_of(clean, Death(clean.end, state)).source))
        return self._blamed

    def _restart(self, recording: Recording, position: int, image: DiskImage, fault_fired: bool) -> Judged:
        outside = recording.snapshot_at(position)
        ledger = recording.ledger_at(position)
        at = recording.time_at(position) + recording.scenario.restart_after_s
        key = key_of(image, outside, at, ledger, ledger, fault_fired, None)
        judged = self._restarts.get(key)
        if judged is None:
            self.world.restore(outside)
            judged = judge_restart(
                recording.scenario,
                self.contract,
                self.world,
                image,
                at=at,
                seed=recording.seed,
                ledger=ledger,
                fault_fired=fault_fired,
                probes=self.tally.probes,
                known=self._again,
            )
            self._restarts.keep(key, judged)
        return judged


def _all_fired(plan: FaultPlan, faulty: Recording) -> bool:
    """Whether each fault of the plan has hit a call."""
    return {one.fault for one in faulty.fired} >= set(range(len(plan.faults)))
