"""The errno sweep of any program: changing call 1, 2, 3 … fails, in every way that makes sense for it, a run for each.

SQLite's loop (sqlite.org/testing.html, "I/O error testing"), for programs in any language. The runs are independent: each
has a mount of its own on the same folder, side by side where the process may have mounts of its own (root), one after the
other elsewhere.
"""

import concurrent.futures
import contextlib
import functools
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from harness.anyprogram.checker import Answer, Checker, CheckerError, input_of
from harness.anyprogram.fault_run import Examiner, FaultRun, Quiet, quiet_of
from harness.anyprogram.recorded_run import run_of
from harness.anyprogram.state_home import state_home
from harness.clock import machine_seconds
from harness.durability.profiles import profile
from harness.faults import LEAVES_CLEAN, Fault, FaultPlan, sweep_plans
from harness.frontends.mounted.choke_point import CallRecord
from harness.frontends.mounted.own_mounts import enter_own_mounts
from harness.frontends.mounted.recording import Recorded, Run, record
from harness.gate.interruption import asked, held_back
from harness.gate.pool import worker_pool
from harness.trace import CachePolicy, Source

PATIENCE_LEAST_S: Final = 5.0
PATIENCE_FACTOR: Final = 20
"""Without a --timeout: a run with a fault may take this many times as long as the one without, and at least so long."""

INTERRUPTIBLE: Final = frozenset({"open", "write", "truncate", "fsync", "fdatasync"})
"""Calls that a signal may end with EINTR (their section 2 manual pages). In process the interpreter hides it (PEP 475)."""

_WAIT_S: Final = 0.2


class PlannedFault(msgspec.Struct, frozen=True):
    """One run to make. `call` counts the changing calls from 1; `source` is the call in the run without faults."""

    call: int
    source: Source
    plan: FaultPlan

    def describe(self) -> str:
        return f"{self.plan.describe()}: {self.source}"


class Request(msgspec.Struct, frozen=True):
    """What to sweep. `calls`: only these, by number; none means all."""

    run: Run
    checker: Checker
    profiles: tuple[str, ...]
    jobs: int = 1
    budget_s: float | None = None
    calls: tuple[int, ...] = ()


class Swept(msgspec.Struct):
    """`made`: the runs, in the order of the plan. `complete`: what the checker said of the run without faults."""

    clean: Recorded
    complete: Answer
    planned: list[PlannedFault] = msgspec.field(default_factory=list)
    made: list[tuple[PlannedFault, FaultRun]] = msgspec.field(default_factory=list)
    checks: int = 0
    side_by_side: bool = True
    interrupted: bool = False
    out_of_time: bool = False
    wall_s: float = 0.0


class ProgramFailed(Exception):
    """The program fails by itself, without any fault; the message says how."""


class _Task(msgspec.Struct, frozen=True):
    """All that a worker needs but the plan."""

    run: Run
    start: bytes
    checker: Checker
    profiles: tuple[str, ...]
    quiet: Quiet
    known: frozenset[tuple[str, str]]
    home: str


Progress = Callable[[int, int], None]
"""(runs made, runs planned)"""


def planned(calls: Sequence[CallRecord], policies: Sequence[CachePolicy]) -> list[PlannedFault]:
    """Every changing call x every way it may fail; a failing sync once for each thing it may leave in the page cache."""
    plans: list[PlannedFault] = []
    for call in calls:
        for plan in sweep_plans(call.kind, call.number, call.size):
            for variant in _variants(plan, policies):
                plans.append(PlannedFault(call.number, call.source, variant))
        if call.kind in INTERRUPTIBLE:
            plans.append(PlannedFault(call.number, call.source, _interrupted(call)))
    return plans


def _interrupted(call: CallRecord) -> FaultPlan:
    """A signal came first: nothing happened, and whoever tries again succeeds."""
    return FaultPlan((Fault((call.kind,), call=call.number, errno="EINTR"),))


def _variants(plan: FaultPlan, policies: Sequence[CachePolicy]) -> Iterator[FaultPlan]:
    if not any(kind in ("fsync", "fdatasync") for fault in plan.faults for kind in fault.kinds[:1]):
        yield plan
        return
    for policy in policies:
        left = plan.leaving(policy)
        yield left
        if policy in LEAVES_CLEAN and all(fault.errno == "EIO" and fault.lasts == 1 for fault in left.faults):
            yield left.forgetting()


def sweep(request: Request, progress: Progress = lambda made, planned: None) -> Swept:
    """The run without faults, then all others. Raises ProgramFailed, and what `record` and the checker raise."""
    began = machine_seconds()
    clean = record(request.run)
    took = machine_seconds() - began
    if clean.ended.timed_out or clean.ended.exit_code:
        raise ProgramFailed(_failure(clean, request.run))
    limit = request.run.time_limit_s or max(PATIENCE_LEAST_S, PATIENCE_FACTOR * took)
    run = msgspec.structs.replace(request.run, time_limit_s=limit, setup=None)
    largest = run_of("the run without faults", clean.trace).largest_state
    with state_home(largest * (request.jobs + 1)) as home:
        quiet = quiet_of(clean)
        first = Examiner(run, clean.start, request.checker, request.profiles, quiet, home / "clean")
        swept = Swept(clean, first.check(clean.image, input_of(clean.trace.marks())))
        if request.checker.command.by_shell and swept.complete.exit_code in (126, 127):
            raise CheckerError(
                f"--check: the shell cannot run {request.checker.command.text!r}: {swept.complete.summary}"
            )
        if swept.complete.held:
            known = first.lost_without_faults(clean)
            policies = tuple(dict.fromkeys(profile(name).failed_sync for name in request.profiles))
            swept.planned = [
                fault for fault in planned(clean.calls, policies) if not request.calls or fault.call in request.calls
            ]
            task = _Task(run, clean.start, request.checker, request.profiles, quiet, known, str(home))
            _make_all(swept, task, request, began, progress)
        swept.checks += first.checks
    swept.wall_s = machine_seconds() - began
    return swept


def _make_all(swept: Swept, task: _Task, request: Request, began: float, progress: Progress) -> None:
    results = _side_by_side if request.jobs > 1 and _may_mount_alone() else _one_by_one
    swept.side_by_side = results is _side_by_side or request.jobs == 1
    until = None if request.budget_s is None else began + request.budget_s

    def over() -> bool:
        swept.interrupted |= asked()
        swept.out_of_time |= until is not None and machine_seconds() > until
        return swept.interrupted or swept.out_of_time

    try:
        for fault, result in results(swept.planned, task, request.jobs, over):
            swept.made.append((fault, result))
            swept.checks += result.checks
            progress(len(swept.made), len(swept.planned))
    except KeyboardInterrupt:
        swept.interrupted = True
    order = {id(fault): number for number, fault in enumerate(swept.planned)}
    swept.made.sort(key=lambda one: order[id(one[0])])


Made = Iterator[tuple[PlannedFault, FaultRun]]


def _one_by_one(faults: Sequence[PlannedFault], task: _Task, jobs: int, over: Callable[[], bool]) -> Made:
    examiner = _examiner(task)
    with contextlib.closing(examiner):
        for fault in faults:
            if over():
                return
            yield fault, examiner.fault(fault.plan)


def _side_by_side(faults: Sequence[PlannedFault], task: _Task, jobs: int, over: Callable[[], bool]) -> Made:
    with tempfile.NamedTemporaryFile(dir=task.home) as file:
        file.write(pickle.dumps(task))
        file.flush()
        with worker_pool(jobs) as pool:
            with held_back():
                waiting = {pool.submit(_in_worker, file.name, fault.plan): fault for fault in faults}
            while waiting and not over():
                done, _ = concurrent.futures.wait(
                    waiting, timeout=_WAIT_S, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for future in done:
                    yield waiting.pop(future), future.result()


def _in_worker(task_file: str, plan: FaultPlan) -> FaultRun:
    return _worker_examiner(task_file).fault(plan)


@functools.cache
def _worker_examiner(task_file: str) -> Examiner:
    """One for the life of the worker, which sees its mounts alone from now on."""
    enter_own_mounts()
    with open(task_file, "rb") as file:
        return _examiner(pickle.loads(file.read()))  # our own parent wrote it


def _examiner(task: _Task) -> Examiner:
    home = Path(task.home) / f"w{os.getpid()}"
    return Examiner(task.run, task.start, task.checker, task.profiles, task.quiet, home, task.known)


def _may_mount_alone() -> bool:
    """Tried in a process of its own: there is no way back."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if enter_own_mounts() else 1)
        finally:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


def _failure(clean: Recorded, run: Run) -> str:
    if clean.ended.timed_out:
        return f"without any fault, the program did not end within {run.time_limit_s:g} s: give it more with --timeout"
    last = clean.ended.errors.decode(errors="replace").strip().rpartition("\n")[2]
    return f"without any fault, the program ended with exit code {clean.ended.exit_code}{': ' + last if last else ''}"
