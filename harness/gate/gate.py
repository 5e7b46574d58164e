"""One run of the gate: preflight, the floor (all sweeps), then random histories with what is left of the budget.

The floor is every kill-point x distinct state of every workload. A budget that ends before it makes the result
inconclusive; so does a probe that was never hit and a subject that does no I/O (DESIGN, section 4, rule 8).
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from harness.clock import machine_seconds
from harness.explore.recording import AnyScenario
from harness.explore.tally import Tally
from harness.gate.interruption import asked, listening
from harness.gate.options import ANY_VERDICT, Options, ends
from harness.gate.outcome import Report, ScenarioResult
from harness.gate.pool import Done, here, in_workers
from harness.gate.preflight import Preflight, SecondProcess, examine
from harness.gate.sample import sample
from harness.gate.task import Task, Workshop

CRASH_PARTS: Final = 6
FAULT_PARTS: Final = 8
"""Pieces per workload: small enough that two workers end together, large enough that recording costs little."""

SMALL: Final = 48
"""Operations of a scenario that is begun in this process: two workers start in the time that its sweeps take."""

SMALL_PARTS: Final = 2
"""Pieces of a small workload's sweep: each piece freezes time anew."""

ALONE_S: Final = 1.0
"""How long such a scenario stays in this process; what is left goes to workers."""


class Progress(msgspec.Struct):
    """What a display needs, updated after each task: counts so far, tasks done and planned, seconds left (or None)."""

    scenario: str = ""
    profile: str = ""
    tasks_done: int = 0
    tasks: int = 0
    checked: int = 0
    under_way: int = 0
    violations: int = 0
    began: float = 0.0
    deadline: float | None = None

    @property
    def elapsed_s(self) -> float:
        return machine_seconds() - self.began

    @property
    def rate(self) -> float:
        """States judged per second."""
        return (self.checked + self.under_way) / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds left, guessed from the tasks done so far; None before there is anything to guess from."""
        if self.deadline is not None:
            return max(0.0, self.deadline - machine_seconds())
        if not self.tasks_done:
            return None
        return self.elapsed_s / self.tasks_done * (self.tasks - self.tasks_done)


Listener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    return None


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

    def run(self, listener: Listener = silent) -> Report:
        """Everything that was asked for. Ctrl-C ends it early; what was found by then is in the report."""
        began = machine_seconds()
        self._listener = listener
        options = self.options
        self._deadline = began + options.budget_s if options.budget_s is not None else None
        self.progress = Progress(began=began, deadline=self._deadline)
        report = Report(options.seed, options.profiles)
        with listening():
            try:
                for scenario in self.scenarios:
                    self._scenario(scenario, report)
                    if asked():
                        break
            except KeyboardInterrupt:
                report.interrupted = True
            report.interrupted |= asked()
        report.wall_s = machine_seconds() - began
        return report

    def _scenario(self, scenario: AnyScenario, report: Report) -> None:
        began = machine_seconds()
        options = self.options
        results = [
            ScenarioResult(scenario.name, name, probes=tuple(sorted(scenario.probes))) for name in options.profiles
        ]
        report.results += results
        workloads = list(scenario.workloads())
        recorded = [*workloads, *scenario.rehearsals()]
        with self._second_process(scenario, recorded) as second:
            preflight = examine(scenario, recorded, options.seed, self._decided)
            runnable = [name for name in workloads if name in preflight.operations]
            for result in results:
                self._take(result, preflight, runnable)
            if runnable and not self._decided(preflight):
                if options.quick:
                    self._sample(scenario, runnable, results)
                elif self._floor(scenario, runnable, results):
                    self._histories(scenario, results)
            if second is not None and not asked() and not preflight.errors:
                for result in results:
                    result.errors += second.differing(preflight.traces) if result is results[0] else []
        met = {name: count for result in results for name, count in result.total.probes.items()}
        for result in results:
            result.wall_s = machine_seconds() - began
            for name in result.missed:
                # What only one profile can show counts for the run: a probe asks whether the rare thing was seen at all.
                if name in met:
                    result.total.probes[name] = met[name]
            result.reasons += [f"probe never hit: {name}" for name in result.missed]

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

    def _take(self, result: ScenarioResult, preflight: Preflight, workloads: list[str]) -> None:
        result.errors += preflight.errors
        result.reasons += preflight.idle
        for finding in preflight.clean.findings:
            result.total.note(finding)
        result.total.probes.update(preflight.clean.probes)
        for workload in workloads:
            result.workloads[workload] = Tally(operations=preflight.operations[workload])

    def _decided(self, preflight: Preflight) -> bool:
        """Whether the clean runs have shown already what this run is to stop at."""
        if self.options.stop_at == ANY_VERDICT and preflight.errors:
            return True
        return asked() or ends(self.options.stop_at, (finding.verdict for finding in preflight.clean.findings))

    def _floor(self, scenario: AnyScenario, workloads: list[str], results: list[ScenarioResult]) -> bool:
        """All sweeps. False when the run is over: nothing is left of the budget, or what was looked for is found."""
        small = sum(results[0].workloads[name].operations for name in workloads) <= SMALL
        parts = (SMALL_PARTS, SMALL_PARTS) if small else (CRASH_PARTS, FAULT_PARTS)
        tasks = self.tasks(scenario, workloads, *parts)
        return self._pieces(scenario, tasks, self._alone_first(tasks) if small else self._do(tasks), results)

    def _sample(self, scenario: AnyScenario, workloads: list[str], results: list[ScenarioResult]) -> None:
        """A sample of the floor and of the histories: whatever comes of it, it is not the whole."""
        tasks = list(sample(scenario, workloads, self.options))
        self._pieces(scenario, tasks, self._do(tasks), results)
        for result in results:
            result.reasons.append(
                "a quick run is a sample: it can find a violation, and cannot show that there is none"
            )
            result.total.exhaustive = False
            for tally in result.workloads.values():
                tally.exhaustive = False

    def _pieces(
        self, scenario: AnyScenario, tasks: list[Task], doing: Iterator[Done], results: list[ScenarioResult]
    ) -> bool:
        """Take what comes of the tasks. False when the run is over, as for `_floor`."""
        by_profile = {result.profile: result for result in results}
        progress = self.progress
        progress.scenario = scenario.name
        progress.tasks += len(tasks)
        left = dict.fromkeys(by_profile, 0)
        for task in tasks:
            for name in task.profile.split("+"):
                left[name] += 1
        for task, done in doing:
            progress.tasks_done += 1
            for name in task.profile.split("+"):
                left[name] -= 1
                result = by_profile[name]
                if isinstance(done, str):
                    result.errors.append(f"{task.workload}: {done}")
                    continue
                left[name] += not done.complete
                if task.kind == "crash":
                    result.workloads[task.workload].add(done)
                    progress.checked += done.checked + done.recovery_checked
                    progress.under_way = 0
                elif task.kind == "faults" and "+" in task.profile:
                    done = msgspec.structs.replace(
                        done, findings=[f for f in done.findings if not f.case.deaths or f.case.profile == name]
                    )
                result.total.add(done)
            progress.violations = sum(len(result.total.findings) for result in results)
            self._listener(progress)
            if self._satisfied(results):
                return False
        for result in results:
            if left[result.profile] and not result.errors:
                budget = f"budget of {self.options.budget_s:g} s" if self.options.budget_s else "run"
                result.reasons.append(
                    f"the {budget} ended before the floor: {left[result.profile]} pieces of work left"
                )
                for tally in result.workloads.values():
                    tally.exhaustive = False
        return not any(left.values())

    def _histories(self, scenario: AnyScenario, results: list[ScenarioResult]) -> None:
        """Random histories: a fixed number without a budget, else rounds with new seeds until it is used up."""
        options = self.options
        places = list(scenario.history_workloads())
        if not options.examples or not scenario.actions() or not places:
            return
        by_profile = {result.profile: result for result in results}
        round_ = 0
        while True:
            each = max(1, options.examples // len(places))
            tasks = [
                Task(
                    "histories",
                    scenario.reference,
                    workload,
                    name,
                    options.seed,
                    part=round_,
                    examples=each,
                    seconds=self._deadline - machine_seconds() if self._deadline is not None else None,
                )
                for workload in places
                for name in options.profiles
            ]
            self.progress.tasks += len(tasks)
            for task, done in self._do(tasks):
                self.progress.tasks_done += 1
                if isinstance(done, str):
                    by_profile[task.profile].errors.append(f"histories on {task.workload}: {done}")
                else:
                    by_profile[task.profile].total.add(done)
                self.progress.violations = sum(len(result.total.findings) for result in results)
                self._listener(self.progress)
                if self._satisfied(results):
                    return
            round_ += 1
            if (
                self._deadline is None
                or self._over()
                or any(result.errors or result.total.findings for result in results)
            ):
                return

    def _satisfied(self, results: list[ScenarioResult]) -> bool:
        if self.options.stop_at == ANY_VERDICT and any(result.errors for result in results):
            return True
        return ends(self.options.stop_at, (f.verdict for result in results for f in result.total.findings))

    def tasks(self, scenario: AnyScenario, workloads: Sequence[str], crash_parts: int, fault_parts: int) -> list[Task]:
        """The pieces of the floor: so many for each workload's crash states, and for its faults."""
        options = self.options
        first = Task("crash", scenario.reference, "", "", options.seed, bound=options.bound, stop_at=options.stop_at)
        replace = msgspec.structs.replace
        tasks: list[Task] = []
        for workload in workloads:
            for name in options.profiles:
                parts = 1 if name == "process" else crash_parts
                for part in range(parts):
                    tasks.append(replace(first, workload=workload, profile=name, part=part, parts=parts))
        if options.faults:
            faulty = replace(first, kind="faults", profile="+".join(options.profiles), parts=fault_parts)
            for workload in scenario.fault_workloads():
                if workload in workloads:
                    tasks += [replace(faulty, workload=workload, part=part) for part in range(fault_parts)]
        return tasks

    def _do(self, tasks: list[Task]) -> Iterator[Done]:
        if self.local or self.options.workers == 1 or len(tasks) < 2:
            return here(tasks, self.workshop, self._over, self._watch)
        return in_workers(tasks, self.options.workers, self._over, lambda: self._listener(self.progress))

    def _alone_first(self, tasks: list[Task]) -> Iterator[Done]:
        """As `_do`, in this process for as long as workers need to start."""
        until = machine_seconds() + ALONE_S
        for number, task in enumerate(tasks):
            if machine_seconds() > until:
                yield from self._do(tasks[number:])
                return
            yield from here([task], self.workshop, self._over, self._watch)

    def _over(self) -> bool:
        return asked() or (self._deadline is not None and machine_seconds() > self._deadline)

    def _watch(self, tally: Tally) -> bool:
        """After each state of a sweep in this process: show where it stands a few times a second; end it in time."""
        now = machine_seconds()
        if now - self._shown > 0.25:
            self._shown = now
            self.progress.under_way = tally.checked + tally.recovery_checked
            self._listener(self.progress)
        return self._over()
