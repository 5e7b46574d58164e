"""One recorded run: the trace of a whole workload, and the world as it was before each item of it.

Exploration does not need a death: from one recording follow the crash states of all its kill-points (DESIGN, section
4, rule 1). What the world knew at each of them is kept as snapshots, taken whenever the world's version changed.
"""

import bisect
from collections.abc import Callable
from typing import Any, TypeAlias

from harness.disk import DiskImage
from harness.explore.life import EPOCH_S, Life, SubjectBroke
from harness.faults import FaultPlan, Fired
from harness.frontends.simulated import CallRecord
from harness.ledger import Ledger
from harness.scenario import Scenario, World
from harness.trace import Item, Mark, Source, Trace

AnyScenario = Scenario[Any, Any, Any]

Visit: TypeAlias = Callable[[int], None]
"""Gets the position of the item that is about to be recorded, in the middle of the subject's call."""


class Recording:
    """What one run of a workload left behind, up to the end of its steps.

    `failure` is set where the subject raised (in boot or steps); under a fault plan that is a way of telling. `hung`
    says that it did not come back. `observed` is what the living subject showed at the end of its steps (None where
    it failed), `clean` the same after settling, `settled_ledger` the ledger then. `looked_at_stale`: a file was read after
    a failed sync had left pages of it clean that the disk does not have. `plan`: the faults that were put in place of the
    workload's own. `recovers`: this is the life after a death; `earlier_faults`: one before it met faults.
    """

    def __init__(self, scenario: AnyScenario, workload: str, seed: int, base: DiskImage, trace: Trace) -> None:
        self.scenario = scenario
        self.workload = workload
        self.seed = seed
        self.base = base
        self.items: list[Item] = []
        self.sources: list[Source | None] = []
        self.times: list[float] = []
        self.trace = trace
        self.began = len(trace)
        self.boot_end = len(trace)
        self.started_at = EPOCH_S
        self.snapshot_positions: list[int] = []
        self.snapshots: list[object] = []
        self.ledgers: list[Ledger] = []
        self.calls: list[CallRecord] = []
        self.fired: list[Fired] = []
        self.recovers = False
        self.earlier_faults = False
        self.plan: FaultPlan | None = None
        self.looked_at_stale = False
        self.probes: dict[str, int] = {}
        self.notes: list[tuple[int, str]] = []
        self.failure: str | None = None
        self.hung = False
        self.observed: object = None
        self.settled: object = None
        self.settled_ledger: Ledger | None = None
        self.settled_world: World | None = None
        self.settled_at = 0.0
        self.settled_failure: str | None = None

    def close(self, trace: Trace, first_ledger: Ledger) -> None:
        """The recorded part ends here; later items of the same trace do not belong to it."""
        end = len(trace)
        self.items = trace.items[:end]
        self.sources = trace.sources[:end]
        self.times = trace.times[:end]
        ledger = first_ledger
        self.ledgers = [ledger]
        for item in self.items[self.began :]:
            if isinstance(item, Mark):
                ledger = ledger.then(item)
            self.ledgers.append(ledger)

    @property
    def end(self) -> int:
        return len(self.items)

    def ledger_at(self, position: int) -> Ledger:
        return self.ledgers[position - self.began]

    def time_at(self, position: int) -> float:
        """When the item before `position` happened."""
        return self.times[position - 1] if position > self.began else self.started_at

    def snapshot_index(self, position: int) -> int:
        return bisect.bisect_right(self.snapshot_positions, position) - 1

    def snapshot_at(self, position: int) -> object:
        return self.snapshots[self.snapshot_index(position)]

    @property
    def met_faults(self) -> bool:
        """Whether whoever judges has to know of faults: of those in a recovery only once it has told the world anything."""
        told = not self.recovers or self.ledgers[-1].key != self.ledgers[0].key
        return self.earlier_faults or (told and bool(self.fired))

    def operations(self) -> int:
        return sum(1 for item in self.items[self.began :] if not isinstance(item, Mark))

    def told_after(self, position: int) -> bool:
        """Was the outside told of a failure at or after `position`: a refusal, a report, an exception?"""
        return any(isinstance(item, Mark) and item.kind in ("refused", "told") for item in self.items[position:])


class _Watcher:
    """Takes a snapshot of the world before an item whenever the world changed since the last one.

    `visit` is called at the same place: in the middle of the subject's call, before the item counts.
    """

    def __init__(self, recording: Recording, visit: Visit | None = None) -> None:
        self.recording = recording
        self.visit = visit
        self.world: World | None = None
        self.version = -1

    def __call__(self, position: int) -> None:
        self.look(position)
        if self.visit is not None:
            self.visit(position)

    def look(self, position: int) -> None:
        world = self.world
        if world is not None and world.version != self.version:
            self.version = world.version
            recording = self.recording
            snapshot = world.snapshot()
            if recording.snapshot_positions and recording.snapshot_positions[-1] == position:
                recording.snapshots[-1] = snapshot
            else:
                recording.snapshot_positions.append(position)
                recording.snapshots.append(snapshot)


def first_image(scenario: AnyScenario) -> DiskImage:
    return DiskImage.with_folders(*scenario.folders)


def record(
    scenario: AnyScenario,
    workload: str,
    seed: int,
    *,
    plan: FaultPlan | None = None,
    log_calls: bool = False,
    settling: bool = True,
    visit: Visit | None = None,
) -> Recording:
    """Run boot and steps of `workload` once, on an empty disk; then, outside the recording, let it settle.

    Never raises for what the subject does: see `Recording.failure`.
    """
    trace = Trace()
    base = first_image(scenario)
    recording = Recording(scenario, workload, seed, base, trace)
    recording.plan = plan
    watcher = _Watcher(recording, visit)
    life = Life(
        scenario,
        None,
        base,
        at=EPOCH_S,
        seed=seed,
        ledger=Ledger(),
        plan=plan if plan is not None else scenario.plan(workload),
        trace=trace,
        before_item=watcher,
        log_calls=log_calls,
        workload=workload,
        probes=recording.probes,
    )
    watcher.world = life.world
    watcher.look(0)
    subject: object = None
    try:
        subject = life.boot()
        recording.boot_end = len(trace)
        subject = life.steps(subject, workload)
        if scenario.observed_alive:
            recording.observed = life.observe(subject)
    except SubjectBroke as error:
        recording.failure, recording.hung = error.failure, error.hung
        if life.fault_fired and not error.hung:
            life.mark("told", workload, what=error.failure)  # an error that was let out has been told
    recording.close(trace, Ledger())
    recording.notes = list(life.notes)
    watcher.visit = None  # what settling does is no part of the run
    watcher.look(recording.end)
    recording.calls = list(life.kernel.call_log or ())
    recording.fired = list(life.injector.fired) if life.injector is not None else []
    failures = life.kernel.write_errors
    recording.looked_at_stale = failures is not None and failures.looked
    if recording.failure is None and settling and scenario.observed_alive:
        try:
            life.lift_faults()
            life.settle(subject)
            recording.settled = life.observe(subject)
        except SubjectBroke as error:
            recording.settled_failure = error.failure
        recording.settled_ledger = life.ledger
        recording.settled_world = life.world
        recording.settled_at = life.now()
    life.end()
    return recording


def record_recovery(
    scenario: AnyScenario,
    workload: str,
    seed: int,
    image: DiskImage,
    *,
    world: World,
    at: float,
    ledger: Ledger,
    trace: Trace | None = None,
    plan: FaultPlan | None = None,
    log_calls: bool = False,
) -> Recording:
    """Record a restart on `image`: boot, and settling as its steps. `trace` continues one whose writes are pending."""
    trace = trace if trace is not None else Trace()
    recording = Recording(scenario, workload, seed, image, trace)
    recording.recovers = True
    recording.started_at = at
    watcher = _Watcher(recording)
    watcher.world = world
    watcher.look(len(trace))
    life = Life(
        scenario,
        world,
        image,
        at=at,
        seed=seed,
        ledger=ledger,
        plan=plan,
        trace=trace,
        before_item=watcher,
        log_calls=log_calls,
        probes=recording.probes,
    )
    try:
        subject = life.boot()
        if not scenario.has_boot:
            life.observe(subject)
        recording.boot_end = len(trace)
        life.settle(subject)
    except SubjectBroke as error:
        recording.failure, recording.hung = error.failure, error.hung
        recording.boot_end = max(recording.boot_end, recording.began)
        if life.fault_fired and not error.hung:
            life.mark("told", workload, what=error.failure)
    recording.close(trace, ledger)
    recording.notes = list(life.notes)
    watcher(recording.end)
    recording.calls = list(life.kernel.call_log or ())
    recording.fired = list(life.injector.fired) if life.injector is not None else []
    life.end()
    return recording
