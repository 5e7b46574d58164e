"""One run of the gate: preflight, the floor (all sweeps), then random histories with what is left of the budget.

The floor is every kill-point x distinct state of every workload. A budget that ends before it makes the result
inconclusive; so does a probe that was never hit and a subject that does no I/O (DESIGN, section 4, rule 8). So does a
shard, whatever it found: a part never stands for the whole.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from harness.clock import machine_seconds
from harness.explore.recording import AnyScenario
from harness.explore.tally import Tally
from harness.gate.assembly import Unfinished, assemble, share_of
from harness.gate.executors import Done, Executor, LocalWorkers
from harness.gate.interruption import asked, listening
from harness.gate.journal import Journal, JournalError
from harness.gate.options import ANY_VERDICT, Options, ends
from harness.gate.outcome import Report
from harness.gate.part import Opening, Part, Piece
from harness.gate.planning import QUICK, SMALL, first_histories, floor, histories
from harness.gate.pool import here
from harness.gate.preflight import Preflight, SecondProcess, examine
from harness.gate.progress import Listener, Progress, silent
from harness.gate.run_key import key_of
from harness.gate.sample import sample
from harness.gate.task import Task, Workshop
from harness.gate.words import chunk

if TYPE_CHECKING:
    from harness.gate.cluster import Cluster

__all__ = ["Gate", "Listener", "Progress"]

ALONE_S: Final = 1.0
"""How long a small scenario stays in this process: workers need as long to start. What is left goes to them."""

Doing = Callable[[list[Task]], Iterator[Done]]


class Gate:
    """Runs scenarios under the options. `local` scenarios live in this process only and cannot be sent to workers."""

    def __init__(self, scenarios: Sequence[AnyScenario], options: Options, *, local: bool = False) -> None:
        self.scenarios = list(scenarios)
        self.options = options
        self.local = local
        self.workshop = Workshop({scenario.reference: scenario for scenario in scenarios})
        self.progress = Progress()
        self._listener: Listener = silent
        self._deadline: float | None = None
        self._shown = 0.0
        self._parts: list[Part] = []
        self._groups: set[tuple[str, ...]] = set()
        self._stopped = False
        self._code = ""
        self._local_workers: Final = LocalWorkers(options.workers)

    def run(self, listener: Listener = silent) -> Report:
        """Everything that was asked for. Ctrl-C ends it early; what was found by then is in the report.

        Raises JournalError where the journal cannot be used, ClusterError where the cluster cannot.
        """
        began = machine_seconds()
        self._listener = listener
        options = self.options
        self._deadline = began + options.budget_s if options.budget_s is not None else None
        self.progress = Progress(began=began, deadline=self._deadline)
        self._parts = []
        if options.executor:
            self._cluster().demand()
        report = Report(options.seed, options.profiles, shard=options.shard)
        with listening(), contextlib.closing(self._local_workers):
            try:
                for scenario in self.scenarios:
                    self._scenario(scenario)
                    if asked():
                        break
            except KeyboardInterrupt:
                report.interrupted = True
            report.interrupted |= asked()
        for part in self._parts:
            part.interrupted = report.interrupted
            expected = self._dealt(part.opening.floor)
            report.results += assemble(part, expected, self._unfinished(report.interrupted))
        report.parts = self._parts if options.shard is not None else []
        report.wall_s = machine_seconds() - began
        return report

    def _scenario(self, scenario: AnyScenario) -> None:
        began = machine_seconds()
        options = self.options
        opening = Opening(scenario.name, tuple(sorted(scenario.probes)))
        part = Part(key_of(scenario, options), opening)
        self._parts.append(part)
        self._stopped, self._code = False, part.key.code
        workloads = list(scenario.workloads())
        recorded = [*workloads, *scenario.rehearsals()]
        try:
            with self._journal(part) as journal, self._second_process(scenario, recorded) as second:
                preflight = examine(scenario, recorded, options.seed, self._decided)
                runnable = [name for name in workloads if name in preflight.operations]
                opening.operations = {name: preflight.operations[name] for name in runnable}
                opening.clean, opening.errors, opening.idle = preflight.clean, preflight.errors, preflight.idle
                if runnable and not self._decided(preflight):
                    self._sweeps(scenario, part, journal)
                if second is not None and not asked() and not preflight.errors:
                    opening.differing = second.differing(preflight.traces)
        finally:
            part.wall_s = machine_seconds() - began

    def _journal(self, part: Part) -> contextlib.AbstractContextManager[Journal | None]:
        if not self.options.resume:
            return contextlib.nullcontext()
        try:
            return Journal(self.options.resume, part.key)
        except OSError as error:
            raise JournalError(f"--resume {self.options.resume} cannot be used: {error.strerror or error}") from None

    @contextlib.contextmanager
    def _second_process(self, scenario: AnyScenario, workloads: list[str]) -> Iterator[SecondProcess | None]:
        if self.local or not self.options.check_determinism:
            yield None
            return
        second = SecondProcess(scenario.reference, workloads, self.options.seed)
        try:
            yield second
        finally:
            second.abandon()

    def _decided(self, preflight: Preflight) -> bool:
        """Whether the clean runs have shown already what this run is to stop at."""
        if self.options.stop_at == ANY_VERDICT and preflight.errors:
            return True
        return asked() or ends(self.options.stop_at, (finding.verdict for finding in preflight.clean.findings))

    def _sweeps(self, scenario: AnyScenario, part: Part, journal: Journal | None) -> None:
        """The floor, or a sample of it; then random histories, until the budget is used up."""
        options, opening = self.options, part.opening
        workloads = list(opening.operations)
        small = sum(opening.operations.values()) <= SMALL
        if options.quick:
            opening.floor = list(sample(scenario, workloads, options))
            opening.remark = QUICK
        else:
            opening.floor = floor(scenario, workloads, options, small=small)
            opening.histories = first_histories(scenario, options)
        self.progress.scenario = scenario.name
        doing = self._alone_first if small and not options.quick else self._do
        if not self._work(part, journal, self._dealt(opening.floor), doing):
            return
        number = len(opening.floor)
        round_, tasks = 0, opening.histories
        while tasks and self._work(part, journal, self._dealt(tasks, number), self._do):
            number += len(tasks)
            round_ += 1
            found = any(piece.error or (piece.tally and piece.tally.findings) for piece in part.pieces)
            if self._deadline is None or self._over() or found or opening.clean.findings:
                return
            tasks = histories(scenario, options, round_)

    def _work(self, part: Part, journal: Journal | None, tasks: list[Task], doing: Doing) -> bool:
        """Take what comes of the tasks. False when the run is over: out of time, or what was looked for is found."""
        progress = self.progress
        progress.tasks += len(tasks)
        waiting = dict.fromkeys(tasks)
        for task in tasks if journal is not None else ():
            piece = journal.pieces.get(task) if journal is not None else None
            if piece is not None:
                del waiting[task]
                progress.resumed += 1
                self._take(part, piece)
        if not self._stopped:
            for task, done in doing([self._in_time(task) for task in waiting]):
                planned = msgspec.structs.replace(task, seconds=None)
                piece = Piece(planned, error=done) if isinstance(done, str) else Piece(planned, done)
                if journal is not None and journal.usable and piece.finished:
                    _keep(journal, piece, part)
                if piece.finished or piece.error:
                    del waiting[planned]
                self._take(part, piece)
                if self._stopped:
                    break
        return not waiting and not self._stopped

    def _take(self, part: Part, piece: Piece) -> None:
        part.pieces.append(piece)
        progress = self.progress
        progress.tasks_done += 1
        tally = piece.tally if piece.tally is not None else Tally()
        if piece.task.kind == "crash":
            progress.checked += tally.checked + tally.recovery_checked
            progress.under_way = 0
        for name in piece.task.profile.split("+"):
            self._groups.update((part.key.scenario, name, *f.group) for f in share_of(tally, piece.task, name).findings)
        progress.violations = len(self._groups)
        stop_at = self.options.stop_at
        self._stopped |= bool(piece.error) and stop_at == ANY_VERDICT
        self._stopped |= ends(stop_at, (finding.verdict for finding in tally.findings))
        self._listener(progress)

    def _in_time(self, task: Task) -> Task:
        """Histories draw until the budget ends: a chunk of them is told how long that is."""
        if task.kind != "histories" or self._deadline is None or self.options.quick:
            return task
        return msgspec.structs.replace(task, seconds=max(0.0, self._deadline - machine_seconds()))

    def _dealt(self, tasks: list[Task], first: int = 0) -> list[Task]:
        shard = self.options.shard
        return tasks if shard is None else shard.dealt(tasks, first)

    def _unfinished(self, interrupted: bool) -> Unfinished:
        shard, budget = self.options.shard, self.options.budget_s
        ended = f"the budget of {budget:g} s ended" if budget else "the run ended"
        reason = f"{'the run was interrupted' if interrupted else ended} before the floor"
        remarks: tuple[str, ...] = ("the run was interrupted",) if interrupted else ()
        if shard is not None:
            remarks += (f"shard {shard} is a part of a run: join all {shard.of} with `harness merge`",)
        return Unfinished(reason, remarks, partial=shard is not None)

    def _do(self, tasks: list[Task]) -> Iterator[Done]:
        executor = self._executor_for(len(tasks))
        if executor is None:
            return here(tasks, self.workshop, self._over, self._watch)
        return executor.each(tasks, self._over, self._wait)

    def _executor_for(self, tasks: int) -> Executor | None:
        """None for this process."""
        if self.options.executor and tasks and not self.local:
            return self._cluster()
        if self.local or self.options.workers == 1 or tasks < 2:
            return None
        return self._local_workers

    def _cluster(self) -> "Cluster":
        from harness.gate.cluster import Cluster  # most runs know none

        return Cluster(self.options.executor, self._code)

    def _alone_first(self, tasks: list[Task]) -> Iterator[Done]:
        """As `_do`, in this process for as long as workers need to start."""
        until = machine_seconds() + ALONE_S
        for number, task in enumerate(tasks):
            if machine_seconds() > until or self.options.executor:
                yield from self._do(tasks[number:])
                return
            yield from here([task], self.workshop, self._over, self._watch)

    def _over(self) -> bool:
        return asked() or (self._deadline is not None and machine_seconds() > self._deadline)

    def _wait(self, under_way: int) -> None:
        """While others work: what they have checked so far."""
        self.progress.under_way = under_way
        self._listener(self.progress)

    def _watch(self, tally: Tally) -> bool:
        """After each state of a sweep in this process: show where it stands a few times a second; end it in time."""
        now = machine_seconds()
        if now - self._shown > 0.25:
            self._shown = now
            self.progress.under_way = tally.checked + tally.recovery_checked
            self._listener(self.progress)
        return self._over()


def _keep(journal: Journal, piece: Piece, part: Part) -> None:
    """Into the journal; where it cannot be written, that is told: what was found is worth more than the journal."""
    try:
        journal.append(piece)
    except OSError as error:
        part.opening.errors.append(f"the journal {journal.path} was given up: {error.strerror or error}")
    except UnicodeEncodeError as error:
        part.opening.errors.append(f"{chunk(piece.task)} cannot be kept in the journal: {error.reason}")
