"""Deaths during recovery, to any depth: recovery is a program too (DESIGN, section 4, rule 7).

A recovery is recorded and killed at each of its own operations (and once more after it has settled); the recovery that
follows is judged and, where more depth was asked for, recorded and killed in turn. Depth 1 is a death during the
recovery from the first death, depth 2 one during the recovery from that, and so on.

Taken: for each kill-point one representative of each shape of recovery (the kinds and inodes of its operations). From
depth 2 on a disk that was met before at the same first kill-point, with the same ledger, is not swept again: a recovery
that is killed before it has changed anything leaves the disk it came from. Every byte of every append is tried in the
first death; in later ones appends stop at sectors, else the two would multiply.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from harness.disk import DiskImage
from harness.durability.crash_states import CrashStates
from harness.durability.profiles import Profile, profile, with_sector_tears
from harness.durability.readings import Observed
from harness.durability.trees import state_key
from harness.explore.finding import Discovery, report
from harness.explore.judging import ByPhase, Judged, SeenAgain, judge_restart
from harness.explore.recording import AnyScenario, Recording, record_recovery
from harness.explore.saved_case import Death
from harness.explore.seen_restarts import SeenRestarts
from harness.explore.tally import Tally
from harness.faults import FaultPlan
from harness.scenario import World
from harness.trace import Item, Mark, Trace, Write

POWER_AFTER_KILL: Final = "strict"
"""The profile of a power cut that follows a process death: pending stays pending (durability.md, section 3)."""


class Killed(msgspec.Struct, frozen=True):
    """A life that died: its recording (for later ones that of a recovery), all deaths up to
    this one, and the disk that the last of them left."""

    recording: Recording
    deaths: tuple[Death, ...]
    image: DiskImage

    @property
    def by_kill(self) -> bool:
        return self.deaths[-1].state.profile == "process"

    @property
    def position(self) -> int:
        return self.deaths[-1].position


class RecoverySweep:
    """Kills the recoveries of one recording. Findings and counts go to `tally`; `bound` limits disks per kill-point."""

    def __init__(
        self,
        first: Recording,
        contract: ByPhase,
        world: World,
        tally: Tally,
        known: SeenRestarts[SeenAgain],
        *,
        bound: int,
        depth: int,
    ) -> None:
        self.first = first
        self.scenario: AnyScenario = first.scenario
        self.contract = contract
        self.world = world
        self.tally = tally
        self.bound = bound
        self.depth = depth
        self._known = known
        self._swept: set[tuple[object, ...]] = set()

    def sweep(self, killed: Killed) -> None:
        """Kill the recovery from this first death at each of its own operations, and what follows as deep as asked."""
        self._swept.clear()
        self._deeper(killed)

    def _deeper(self, killed: Killed) -> None:
        life, position = killed.recording, killed.position
        self._swept.add(_met(killed))
        second = self.recorded(killed)
        boot = range(second.began, second.boot_end + 1)
        if killed.by_kill:
            # What power cuts leave of the first life's pending writes is swept by itself; here the recovery counts:
            # killed at each of its operations, and the power cut once it is up, and once it has settled.
            self._deaths(killed, second, profile("process"), boot)
            # Before the successor has told the world anything, a power cut leaves what it leaves without the kill.
            told = life.ledger_at(position).key
            last = [at for at in sorted({second.boot_end, second.end}) if second.ledger_at(at).key != told]
            self._deaths(killed, second, profile(POWER_AFTER_KILL), last)
        else:
            self._deaths(killed, second, profile(killed.deaths[-1].state.profile), sorted({*boot, second.end}))

    def recorded(self, killed: Killed, plan: FaultPlan | None = None, *, log_calls: bool = False) -> Recording:
        """The recovery from this death, as it goes when nothing but `plan` disturbs it."""
        life, death = killed.recording, killed.deaths[-1]
        self.world.restore(life.snapshot_at(death.position))
        second = record_recovery(
            self.scenario,
            self.first.workload,
            self.first.seed,
            killed.image,
            world=self.world,
            at=life.time_at(death.position) + self.scenario.restart_after_s,
            ledger=life.ledger_at(death.position),
            trace=pending_history(life, death) if killed.by_kill else Trace(),
            plan=plan,
            log_calls=log_calls,
        )
        if killed.by_kill:
            second.base = life.base
        second.earlier_faults = life.met_faults
        return second

    def _deaths(self, before: Killed, second: Recording, rules: Profile, positions: Sequence[int]) -> None:
        rules = with_sector_tears(rules) if rules.tear == "byte" else rules
        walk = CrashStates(second.base, rules, bound=self.bound, seed=second.seed)
        depth = len(before.deaths)
        observed = Observed()
        epoch: object = None
        fed = 0
        for later in positions:
            while fed < later:
                walk.feed(fed, second.items[fed], second.sources[fed])
                fed += 1
            self.tally.recovery_kill_points += 1
            now = (second.ledger_at(later).key, second.snapshot_index(later), second.time_at(later))
            if epoch != now:
                epoch, observed = now, Observed()
            shapes: set[tuple[object, ...]] = set()
            states = walk.at().observable(observed)
            for found, disk in states:
                killed = Killed(second, (*before.deaths, Death(later, found)), disk)
                judged = self._judge(killed)
                states.read(judged.looks)
                self.tally.recovery_checked += 1
                self.tally.deaths_at(depth)
                if depth < self.depth and is_worth_killing(judged, found.profile):
                    shape = shape_of(judged.recovery)
                    if shape not in shapes and _met(killed) not in self._swept:
                        shapes.add(shape)
                        self._deeper(killed)

    def _judge(self, killed: Killed) -> Judged:
        judged, life = self.restarted(killed), killed.recording
        for told in judged.violations:
            report(self.tally, Discovery(self.first, killed.deaths, told, killed.image, life, self.first.plan), None)
        return judged

    def restarted(self, killed: Killed) -> Judged:
        """What the contract says of a restart after this death."""
        life, at = killed.recording, killed.position
        self.world.restore(life.snapshot_at(at))
        return judge_restart(
            self.scenario,
            self.contract,
            self.world,
            killed.image,
            at=life.time_at(at) + self.scenario.restart_after_s,
            seed=life.seed,
            ledger=life.ledger_at(at),
            fault_fired=life.met_faults,
            probes=self.tally.probes,
            known=self._known,
        )


def is_worth_killing(judged: Judged, profile_name: str) -> bool:
    """Whether deaths in this recovery can show anything new.

    A killed process leaves pending writes behind, whatever its successor does: its recovery is always of interest. A
    disk that breaks the contract by itself is told already; its recovery would only be told again.
    """
    return not judged.violations and bool(judged.recovery or profile_name == "process")


def shape_of(recovery: tuple[Item, ...]) -> tuple[object, ...]:
    """What recoveries of one shape have in common: the kinds and inodes of their operations."""
    return tuple([(type(item), getattr(item, "ino", 0)) for item in recovery])


def _met(killed: Killed) -> tuple[object, ...]:
    """Equal for deaths after which the same happens, but for the clock. What a killed process has done is pending."""
    life, position = killed.recording, killed.position
    done = sum(not isinstance(item, Mark) for item in life.items[:position]) if killed.by_kill else 0
    return (killed.by_kill, done, state_key(killed.image), life.ledger_at(position).key)


def pending_history(recording: Recording, death: Death) -> Trace:
    """The trace up to a process death, the cut write in flight included: its pending units stay pending."""
    position, state = death.position, death.state
    trace = Trace()
    for index in range(position):
        trace.record(recording.items[index], recording.sources[index], recording.times[index])
    if state.cut is not None:
        write = recording.items[position]
        assert isinstance(write, Write)
        partial = Write(write.ino, write.offset, write.data[: state.cut[1]])
        trace.record(partial, recording.sources[position], recording.times[position])
    trace.record(Mark("died", "process"), None, recording.time_at(position))
    return trace
