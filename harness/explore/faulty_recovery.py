"""Faults during a recovery: the machine died, and the disk fails while the subject comes back.

For a recovery that is swept for deaths each of its calls (settling included) fails once, with every errno that makes
sense for it. The subject may refuse to start: that is told. What it acknowledged before the death, and what it does
after it came up all the same, is judged after one more death and a restart without faults.

Of a shape of recovery that was met before only a few calls fail again, chosen by the seed; `IN_RECOVERY` bounds all of
one sweep, and `recovery_faults_possible` says how many there were.
"""

import itertools
import random
from typing import Final

from harness.durability.crash_states import CrashStates
from harness.durability.profiles import profile
from harness.explore.fault_sweep import STATES_PER_DEATH, planned
from harness.explore.finding import Discovery, report
from harness.explore.judging import Told, judge_hanging
from harness.explore.recording import Recording
from harness.explore.recovery_sweep import POWER_AFTER_KILL, Killed, RecoverySweep
from harness.explore.saved_case import Death
from harness.explore.tally import Tally
from harness.faults import FaultPlan

IN_RECOVERY: Final = 2_000
"""Faults in recoveries of one sweep."""

MET_BEFORE: Final = 4
"""Faults in a recovery whose shape was met before."""


class FaultyRecoveries:
    """Lets the calls of recoveries fail; `recoveries` knows how to record and judge one."""

    def __init__(self, recoveries: RecoverySweep, tally: Tally, *, most: int = IN_RECOVERY) -> None:
        self.recoveries = recoveries
        self.tally = tally
        self.most = most
        self._shapes: set[tuple[object, ...]] = set()

    def sweep(self, killed: Killed, shape: tuple[object, ...]) -> None:
        """Let the calls of the recovery from this death fail, one by one."""
        clean = self.recoveries.recorded(killed, log_calls=True)
        faults = [fault for fault in planned(clean) if fault.plan.faults[0].lasts == 1]
        self.tally.recovery_faults_possible += len(faults)
        room = max(0, self.most - self.tally.recovery_faults_planned)
        room = min(room, MET_BEFORE) if shape in self._shapes else room
        self._shapes.add(shape)
        if len(faults) > room:
            chance = random.Random(f"{clean.seed}:{clean.workload}:{killed.position}")
            faults = [faults[index] for index in sorted(chance.sample(range(len(faults)), room))]
        for fault in faults:
            self._run(killed, fault.plan.leaving(profile(killed.deaths[-1].state.profile).failed_sync))

    def _run(self, killed: Killed, plan: FaultPlan) -> None:
        tally = self.tally
        tally.recovery_faults_planned += 1
        faulty = self.recoveries.recorded(killed, plan=plan)
        if not faulty.fired:
            return
        tally.recovery_faults_fired += 1
        if faulty.told_after(faulty.began):
            tally.recovery_faults_told += 1
        if faulty.hung:
            self._tell(killed, None, plan, judge_hanging(faulty))
            return
        name = killed.deaths[-1].state.profile
        for rules in (name, POWER_AFTER_KILL) if killed.by_kill else (name,):
            walk = CrashStates(faulty.base, profile(rules), seed=faulty.seed)
            for index in range(faulty.end):
                walk.feed(index, faulty.items[index])
            for state, disk in itertools.islice(walk.at().states(), STATES_PER_DEATH):
                death = Killed(faulty, (*killed.deaths, Death(faulty.end, state)), disk)
                self._tell(death, faulty, plan, self.recoveries.restarted(death).violations)

    def _tell(self, killed: Killed, faulty: Recording | None, plan: FaultPlan, violations: tuple[Told, ...]) -> None:
        first = self.recoveries.first
        for told in violations:
            found = Discovery(first, killed.deaths, told, killed.image, faulty, first.plan, recovery_plan=plan)
            report(self.tally, found, again=None)
