"""Play one saved case exactly: record the workload, die where it says, restart on the disk it says, judge.

The same function confirms a finding before it is reported and replays a repro file later.
"""

import hashlib

import msgspec

from harness.disk import DiskImage
from harness.durability.legality import image_of
from harness.explore.history import History, Segment
from harness.explore.judging import Told, by_phase, judge_alive, judge_hanging, judge_restart
from harness.explore.life import AnyLife
from harness.explore.recording import AnyScenario, Recording, record, record_recovery
from harness.explore.recovery_sweep import pending_history
from harness.explore.saved_case import SavedCase
from harness.explore.world_at import world_at
from harness.trace import Trace


class CaseMismatch(ValueError):
    """The saved case does not fit what the subject does now; the message names the first difference."""


class Played(msgspec.Struct, frozen=True):
    """What a case did: the recordings of its lives, the disk found at each death, the verdicts, one digest."""

    lives: tuple[Recording, ...]
    disks: tuple[DiskImage, ...]
    violations: tuple[Told, ...]
    trace_digest: str
    recovery: tuple[AnyLife, ...] = ()
    """The lives after the last death: restart and settling, and the one after the last kill."""
    segments: tuple[Segment, ...] = ()
    """The stretches of a random history."""

    def shows(self, case: SavedCase) -> bool:
        return any(told.violation.verdict == case.verdict and told.phase == case.phase for told in self.violations)


def play(scenario: AnyScenario, case: SavedCase, recorded: Recording | None = None) -> Played:
    """Play `case` on `scenario` inside a `session()`. Raises CaseMismatch when a death lies beyond the new trace.

    `recorded`: the run of its workload under its plan, for those who play many cases that begin alike.
    """
    if case.steps:
        return _play_history(scenario, case)
    contract = by_phase(scenario.contract())
    first = recorded if recorded is not None else record(scenario, case.workload, case.seed, plan=case.plan)
    lives = [first]
    if not case.deaths:
        return Played(tuple(lives), (), tuple(judge_alive(contract, first)), _digest([first.trace]))
    disks: list[DiskImage] = []
    history = first
    traces: list[Trace] = []
    for number, death in enumerate(case.deaths):
        if death.state.position != death.position or death.position < history.began:
            raise CaseMismatch(f"death {number + 1} of the saved case is at item {death.position}: that is no death")
        if death.position > history.end:
            raise CaseMismatch(
                f"death {number + 1} of the saved case comes after item {death.position}, "
                f"but this run has only {history.end} items: the subject does something else now"
            )
        killed = death.state.profile == "process"
        try:
            disk = image_of(history.base, history.items[: death.position + 1], death.state)
        except ValueError as error:
            raise CaseMismatch(f"the disk of death {number + 1} cannot be rebuilt: {error}") from None
        disks.append(disk)
        traces.append(_prefix(history, death.position))
        world = world_at(history, death.position)
        at = history.time_at(death.position) + scenario.restart_after_s
        ledger = history.ledger_at(death.position)
        if number + 1 < len(case.deaths):
            older = pending_history(history, death) if killed else None
            second = record_recovery(
                scenario,
                case.workload,
                case.seed,
                disk,
                world=world,
                at=at,
                ledger=ledger,
                trace=older,
                plan=case.recovery_plan if number == 0 else None,
            )
            if killed:
                second.base = history.base
            second.earlier_faults = history.met_faults
            lives.append(second)
            history = second
            continue
        if case.recovery_plan is not None and number == 0:
            at_once = record_recovery(
                scenario,
                case.workload,
                case.seed,
                disk,
                world=world,
                at=at,
                ledger=ledger,
                trace=pending_history(history, death) if killed else None,
                plan=case.recovery_plan,
            )
            lives.append(at_once)
            return Played(tuple(lives), tuple(disks), judge_hanging(at_once), _digest([*traces, at_once.trace]))
        whole = killed and death.position == history.end and death.state.cut is None and history is first
        recovery: list[AnyLife] = []
        judged = judge_restart(
            scenario,
            contract,
            world,
            disk,
            at=at,
            seed=case.seed,
            ledger=ledger,
            previous=history.observed if whole else None,
            fault_fired=history.met_faults,
            lives=recovery,
        )
    return Played(
        tuple(lives),
        tuple(disks),
        judged.violations,
        _digest([*traces, *(life.kernel.trace for life in recovery)]),
        tuple(recovery),
    )


def _play_history(scenario: AnyScenario, case: SavedCase) -> Played:
    history = History(scenario, case.workload, case.seed)
    try:
        for step in case.steps:
            if history.violations:
                break
            history.do(step)
    except (ValueError, KeyError, TypeError, OverflowError, msgspec.MsgspecError) as error:
        history.life.end()
        raise CaseMismatch(f"step {step.do!r} of the saved history does not fit: {error}") from None
    history.finish()
    traces = [segment.trace for segment in history.segments]
    return Played((), (), tuple(history.violations), _digest(traces), (), tuple(history.segments))


def _prefix(history: Recording, position: int) -> Trace:
    trace = Trace()
    for index in range(position):
        trace.record(history.items[index], history.sources[index], history.times[index])
    return trace


def _digest(traces: list[Trace]) -> str:
    joined = hashlib.sha256()
    for trace in traces:
        joined.update(trace.digest().encode())
    return joined.hexdigest()
