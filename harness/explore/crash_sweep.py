"""The sweep of one recorded run: kill-points x legal crash states, and deaths during the recoveries that follow.

Covered: every position of the trace (before each operation and mark, and the end), and the inside of each write under
the profile `process`. At a kill-point every distinct disk is recovered once, modulo contents that recovery never read
(durability.md, section 5); a (disk, ledger, world, time) met at an earlier kill-point is not judged again.

The deaths during the recoveries that follow are in `recovery_sweep`.
"""

from collections.abc import Iterable

import msgspec

from harness.clock import machine_seconds
from harness.disk import DiskImage
from harness.durability.crash_states import CrashStates, KillPoint
from harness.durability.profiles import Profile, profile
from harness.durability.readings import Observed
from harness.durability.state import CrashState
from harness.explore.faulty_recovery import FaultyRecoveries
from harness.explore.finding import Discovery, report
from harness.explore.judging import ByPhase, Judged, SeenAgain, judge_restart
from harness.explore.recording import AnyScenario, Recording
from harness.explore.recovery_sweep import Killed, RecoverySweep, is_worth_killing, shape_of
from harness.explore.saved_case import Death
from harness.explore.seen_restarts import SeenRestarts
from harness.explore.tally import Stop, Tally, never
from harness.explore.world_at import unattached_world
from harness.ledger import Ledger
from harness.scenario import World
from harness.trace import Fdatasync, Fsync, Item, SyncAll, Write


class CrashSweep:
    """Sweeps one recording under one profile. `bound` limits distinct disks per kill-point (then `bounded`).

    `recovery`: kill the recoveries as well, those of killed recoveries too down to `depth`. `faulty_recoveries`: let
    their calls fail as well.
    """

    def __init__(
        self,
        recording: Recording,
        profile_name: str,
        contract: ByPhase,
        *,
        bound: int = 65_536,
        recovery: bool = True,
        depth: int = 1,
        faulty_recoveries: bool = False,
    ) -> None:
        self.recording = recording
        self.scenario: AnyScenario = recording.scenario
        self.profile: Profile = profile(profile_name)
        self.contract = contract
        self.bound = bound
        self.world: World = unattached_world(recording)
        self.tally = Tally()
        self.tally.recovery_depths = {str(number): 0 for number in range(1, depth + 1)} if recovery else {}
        self._known: SeenRestarts[SeenAgain] = SeenRestarts()
        self._recoveries = RecoverySweep(
            recording, contract, self.world, self.tally, self._known, bound=bound, depth=depth if recovery else 0
        )
        self._moment: _Moment | None = None
        self._faulty = FaultyRecoveries(self._recoveries, self.tally) if faulty_recoveries and recovery else None

    def chunks(self, most: int) -> list[range]:
        """Kill-points in at most `most` ranges that keep together those with one ledger and one world."""
        recording = self.recording
        starts = [recording.began]
        for position in range(recording.began + 1, recording.end + 1):
            if self._epoch(position) != self._epoch(position - 1):
                starts.append(position)
        most = min(most, len(starts))
        firsts = [starts[number * len(starts) // most] for number in range(most)]
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
        moment: object = None
        observed = Observed()
        met = _Met(self.profile.medium == "page-cache")
        for position in positions:
            while fed < position:
                walk.feed(fed, recording.items[fed], recording.sources[fed])
                fed += 1
            if epoch != (now := self._epoch(position)):
                epoch = now
                met.forget()
            if moment != (then := (now, recording.time_at(position))):
                moment, observed = then, Observed()  # the same disk later is another case: a lease may have run out
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
            states.read(judged.looks)
            tally.checked += 1
            tally.recovered_twice += judged.twice
            if self._recoveries.depth and not judged.violations:
                shape = shape_of(judged.recovery)
                if shape not in shapes:
                    shapes.add(shape)
                    killed = Killed(self.recording, (Death(position, state),), image)
                    if is_worth_killing(judged, self.profile.name):
                        self._recoveries.sweep(killed)
                    if self._faulty is not None:
                        self._faulty.sweep(killed, shape)
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
        moment = self._moment
        if moment is None or moment.position != position:
            moment = self._moment = self._moment_of(position)
        self.world.restore(moment.snapshot)
        return judge_restart(
            self.scenario,
            self.contract,
            self.world,
            image,
            at=moment.at,
            seed=self.recording.seed,
            ledger=moment.ledger,
            previous=moment.shown if state.cut is None else None,
            fault_fired=moment.fault_fired,
            probes=self.tally.probes,
            known=self._known,
        )

    def _moment_of(self, position: int) -> "_Moment":
        recording = self.recording
        last = self.profile.name == "process" and position == recording.end
        return _Moment(
            position,
            recording.snapshot_at(position),
            recording.time_at(position) + self.scenario.restart_after_s,
            recording.ledger_at(position),
            recording.observed if last else None,
            bool(recording.fired),
        )


class _Moment(msgspec.Struct, frozen=True):
    """What all states of one kill-point are restarted with; `shown`: what the living subject had shown, at the very end."""

    position: int
    snapshot: object
    at: float
    ledger: Ledger
    shown: object
    fault_fired: bool


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
