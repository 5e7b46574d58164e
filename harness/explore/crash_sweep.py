"""The sweep of one recorded run: kill-points x legal crash states, and deaths during the recoveries that follow.

Covered: every position of the trace (before each operation and mark, and the end), and the inside of each write under
the profile `process`. At a kill-point every distinct disk is recovered once, modulo contents that recovery never read
(durability.md, section 5); a (disk, ledger, world) met at an earlier kill-point is not judged again.

Recovery is a program too (DESIGN, section 4, rule 7): for each kill-point one representative of each shape of
recovery (the kinds and inodes of its operations) is recorded and swept in turn.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from harness.clock import machine_seconds
from harness.disk import DiskImage
from harness.durability.crash_states import CrashStates, KillPoint
from harness.durability.observable import Observed
from harness.durability.profiles import Profile, profile
from harness.durability.state import CrashState
from harness.explore.finding import Discovery, report
from harness.explore.judging import ByPhase, Judged, SeenAgain, judge_restart
from harness.explore.recording import AnyScenario, Recording, record_recovery
from harness.explore.saved_case import Death
from harness.explore.seen_restarts import SeenRestarts
from harness.explore.tally import Tally
from harness.explore.world_at import unattached_world
from harness.scenario import World
from harness.trace import Fdatasync, Fsync, Item, Mark, SyncAll, Trace, Write

POWER_AFTER_KILL: Final = "strict"
"""The profile of a power cut that follows a process death: pending stays pending (durability.md, section 3)."""

Stop = Callable[[Tally], bool]


def never(_: Tally) -> bool:
    return False


class CrashSweep:
    """Sweeps one recording under one profile. `bound` limits distinct disks per kill-point (then `bounded`)."""

    def __init__(
        self, recording: Recording, profile_name: str, contract: ByPhase, *, bound: int = 65_536, recovery: bool = True
    ) -> None:
        self.recording = recording
        self.scenario: AnyScenario = recording.scenario
        self.profile: Profile = profile(profile_name)
        self.contract = contract
        self.bound = bound
        self.recovery = recovery
        self.world: World = unattached_world(recording)
        self.tally = Tally()
        self._known: SeenRestarts[SeenAgain] = SeenRestarts()

    def chunks(self, most: int) -> list[range]:
        """Kill-points in at most `most` ranges that keep together those with one ledger and one world."""
        recording = self.recording
        starts = [recording.began]
        for position in range(recording.began + 1, recording.end + 1):
            if self._epoch(position) != self._epoch(position - 1):
                starts.append(position)
        per_chunk = -(-len(starts) // most)
        firsts = starts[::per_chunk]
        return [range(a, b) for a, b in zip(firsts, [*firsts[1:], recording.end + 1], strict=True)]

    def _epoch(self, position: int) -> tuple[object, int, bool]:
        """What a disk is judged with beside itself: only the very end knows what the living subject last showed."""
        recording = self.recording
        last = self.profile.name == "process" and position == recording.end
        return (recording.ledger_at(position).key, recording.snapshot_index(position), last)

    def run(self, positions: Iterable[int], stop: Stop = never) -> Tally:
        """Sweep these kill-points (ascending). Findings and counts go to `tally`; `stop` may end it early."""
        began = machine_seconds()
        recording = self.recording
        tally = self.tally
        walk = CrashStates(recording.base, self.profile, bound=self.bound, seed=recording.seed)
        fed = 0
        epoch: object = None
        observed = Observed()
        met = _Met(self.profile.medium == "page-cache")
        for position in positions:
            while fed < position:
                walk.feed(fed, recording.items[fed], recording.sources[fed])
                fed += 1
            if epoch != (now := self._epoch(position)):
                epoch, observed = now, Observed()
                met.forget()
            item = recording.items[position] if position < recording.end else None
            here = walk.at()
            if not self._at(here, position, observed, stop):
                break
            tally.distinct += met.new_at(here, recording.items[position - 1] if position else None)
            if isinstance(item, Write) and self.profile.name == "process":
                inside = walk.during(item)
                if not self._at(inside, position, observed, stop):
                    break
                tally.distinct += met.new_at(inside, item)
        tally.wall_s += machine_seconds() - began
        return tally

    def _at(self, point: KillPoint, position: int, observed: Observed, stop: Stop) -> bool:
        """Judge what can be told apart at one kill-point and was not judged before. False: `stop` said so."""
        tally = self.tally
        tally.kill_points += 1
        tally.legal += point.legal
        tally.legal_exact &= point.legal_exact
        shapes: set[tuple[object, ...]] = set()
        states = point.observable(observed)
        for state, image in states:
            judged = self._judge(position, state, image)
            states.read(judged.reads)
            tally.checked += 1
            # a killed process leaves pending writes behind, whatever its successor does: its recovery is always of interest
            # A disk that breaks the contract by itself is told already; its recovery would only be told again.
            swept = not judged.violations and (judged.recovery or self.profile.name == "process")
            if swept and self.recovery and (shape := _shape(judged.recovery)) not in shapes:
                shapes.add(shape)
                self._sweep_recovery(position, state, image)
            if stop(tally):
                return False
        tally.exhaustive &= states.exhaustive
        return True

    def _judge(self, position: int, state: CrashState, image: DiskImage) -> Judged:
        judged = self._restart(position, state, image)
        for told in judged.violations:
            discovery = Discovery(self.recording, (Death(position, state),), told, image, plan=self.recording.plan)
            report(self.tally, discovery, again=lambda other, disk: self._restart(position, other, disk))
        return judged

    def _restart(self, position: int, state: CrashState, image: DiskImage) -> Judged:
        recording = self.recording
        self.world.restore(recording.snapshot_at(position))
        whole = self.profile.name == "process" and position == recording.end and state.cut is None
        return judge_restart(
            self.scenario,
            self.contract,
            self.world,
            image,
            at=recording.time_at(position) + self.scenario.restart_after_s,
            seed=recording.seed,
            ledger=recording.ledger_at(position),
            previous=recording.observed if whole else None,
            fault_fired=bool(recording.fired),
            probes=self.tally.probes,
            known=self._known,
        )

    def _sweep_recovery(self, position: int, state: CrashState, image: DiskImage) -> None:
        """Kill the recovery of this state at each of its own operations (and once more after it has settled)."""
        recording = self.recording
        self.world.restore(recording.snapshot_at(position))
        killed = self.profile.name == "process"
        base, older = (recording.base, pending_history(recording, position, state)) if killed else (image, Trace())
        second = record_recovery(
            self.scenario,
            recording.workload,
            recording.seed,
            image,
            world=self.world,
            at=recording.time_at(position) + self.scenario.restart_after_s,
            ledger=recording.ledger_at(position),
            trace=older,
        )
        second.fired = recording.fired
        boot = range(second.began, second.boot_end + 1)
        if killed:
            # What power cuts leave of the first life's pending writes is swept by itself; here the recovery counts:
            # killed at each of its operations, and the power cut once it is up, and once it has settled.
            self._second_deaths(second, base, self.profile, boot, position, state)
            # Before the successor has told the world anything, a power cut leaves what it leaves without the kill.
            told = recording.ledger_at(position).key
            last = [at for at in sorted({second.boot_end, second.end}) if second.ledger_at(at).key != told]
            self._second_deaths(second, base, profile(POWER_AFTER_KILL), last, position, state)
        else:
            self._second_deaths(second, base, self.profile, sorted({*boot, second.end}), position, state)

    def _second_deaths(
        self,
        second: Recording,
        base: DiskImage,
        rules: Profile,
        positions: Sequence[int],
        position: int,
        state: CrashState,
    ) -> None:
        # Every byte of every append is tried in the first death; in the second, sectors: else the two multiply.
        sectors = msgspec.structs.replace(rules, tear="sector") if rules.tear == "byte" else rules
        walk = CrashStates(base, sectors, bound=self.bound, seed=second.seed)
        fed = 0
        observed = Observed()
        epoch: object = None
        for later in positions:
            while fed < later:
                walk.feed(fed, second.items[fed], second.sources[fed])
                fed += 1
            self.tally.recovery_kill_points += 1
            now = (second.ledger_at(later).key, second.snapshot_index(later))
            if epoch != now:
                epoch, observed = now, Observed()
            states = walk.at().observable(observed)
            for found, disk in states:
                states.read(self._judge_second(second, position, state, later, found, disk))
                self.tally.recovery_checked += 1

    def _judge_second(
        self, second: Recording, position: int, state: CrashState, later: int, found: CrashState, disk: DiskImage
    ) -> tuple[int, ...]:
        self.world.restore(second.snapshot_at(later))
        judged = judge_restart(
            self.scenario,
            self.contract,
            self.world,
            disk,
            at=second.time_at(later) + self.scenario.restart_after_s,
            seed=second.seed,
            ledger=second.ledger_at(later),
            fault_fired=bool(second.fired),
            probes=self.tally.probes,
            known=self._known,
        )
        for told in judged.violations:
            deaths = (Death(position, state), Death(later, found))
            discovery = Discovery(self.recording, deaths, told, disk, second, self.recording.plan)
            report(self.tally, discovery, again=None)
        return judged.reads


def pending_history(recording: Recording, position: int, state: CrashState) -> Trace:
    """The trace up to a process death, the cut write in flight included: its pending units stay pending."""
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


class _Met:
    """Counts different disks of one epoch (one ledger, one world), as far as possible without listing them.

    On a disk an operation adds states to those before it, a sync only takes some away (durability.md, section 5). A
    page cache has one state at a time: those are listed.
    """

    def __init__(self, page_cache: bool) -> None:
        self._page_cache = page_cache
        self.forget()

    def forget(self) -> None:
        self._before: int | None = None
        self._keys: set[object] = set()

    def new_at(self, point: KillPoint, happened: Item | None) -> int:
        """How many disks of `point` were not there before `happened`."""
        if self._page_cache:
            known = len(self._keys)
            self._keys.update(point.key_of(image) for _, image in point.states())
            return len(self._keys) - known
        before, self._before = self._before, point.distinct
        if before is None:
            return point.distinct
        return 0 if isinstance(happened, Fsync | Fdatasync | SyncAll) else max(0, point.distinct - before)


def _shape(recovery: tuple[Item, ...]) -> tuple[object, ...]:
    return tuple((type(item), getattr(item, "ino", 0)) for item in recovery)
