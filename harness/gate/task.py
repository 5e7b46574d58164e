"""Pieces of a run that any process can do: a task is data, so is its result, and neither depends on the other pieces.

A worker finds the scenario by its reference, records the workload once (the same trace in every process) and sweeps
the chunk it was given. Same seed, same states, same verdicts, whatever the split.
"""

import msgspec

from harness.clock import machine_seconds
from harness.durability.profiles import profile
from harness.explore.crash_sweep import CrashSweep
from harness.explore.fault_sweep import FaultSweep, planned
from harness.explore.judging import ByPhase, by_phase
from harness.explore.play import play
from harness.explore.recording import AnyScenario, Recording, record
from harness.explore.second_faults import SecondFaultSweep, first_faults
from harness.explore.tally import Finding, Stop, Tally, never
from harness.frontends.simulated import Redirection
from harness.gate.options import ends
from harness.repro import source_digests
from harness.subjects import find_one
from harness.trace import CachePolicy


class Task(msgspec.Struct, frozen=True):
    """`kind` is "crash", "faults", "pairs" (of faults) or "histories"; `part` of `parts` names the chunk.

    For histories `examples` is how many, and `seconds` ends them early. A piece of a sample takes only each
    `stride`-th kill-point from number `offset` on, and kills recoveries where `recovery` says so; its tally is not exhaustive.
    `depth`: deaths in a row that hit recoveries; `faulty_recoveries`: their calls fail as well.
    """

    kind: str
    scenario: str
    workload: str
    profile: str
    seed: int
    part: int = 0
    parts: int = 1
    bound: int = 65_536
    examples: int = 0
    seconds: float | None = None
    stop_at: str | None = None  # a verdict, or ANY_VERDICT: end at the first finding of it
    stride: int = 1
    offset: int = 0
    recovery: bool = True
    depth: int = 1
    faulty_recoveries: bool = False


class SubjectUnfit(Exception):
    """A clean run of the subject failed: it raises, does no I/O, or is not deterministic."""


class Workshop:
    """Scenarios and recordings of one process, kept between tasks."""

    def __init__(self, scenarios: dict[str, AnyScenario] | None = None) -> None:
        self._scenarios: dict[str, AnyScenario] = dict(scenarios or {})
        self._recordings: dict[tuple[str, str, int, CachePolicy], Recording] = {}
        self._contracts: dict[str, ByPhase] = {}

    def scenario(self, reference: str) -> AnyScenario:
        if reference not in self._scenarios:
            self._scenarios[reference] = find_one(reference)
        return self._scenarios[reference]

    def contract(self, reference: str) -> ByPhase:
        if reference not in self._contracts:
            self._contracts[reference] = by_phase(self.scenario(reference).contract())
        return self._contracts[reference]

    def recording(self, reference: str, workload: str, seed: int, policy: CachePolicy = "drop-clean") -> Recording:
        """The clean run of a workload, with its calls; where its own faults make syncs fail, under this policy."""
        key = (reference, workload, seed, policy)
        if key not in self._recordings:
            scenario = self.scenario(reference)
            own = scenario.plan(workload)
            plan = own.leaving(policy) if own is not None and own.leaving(policy) != own else None
            self._recordings[key] = record(scenario, workload, seed, plan=plan, log_calls=True)
        return self._recordings[key]

    def perform(self, task: Task, watch: Stop = never) -> Tally:
        """Do one task inside a `session()`; its findings are confirmed by playing them.

        `watch` is asked after each state: True ends the task there, and its tally is not `complete`.
        """
        if task.kind == "histories":
            return self._histories(task, watch)
        # A run without failing syncs is the same under every policy; one record of it does for all profiles.
        policy = profile(task.profile).failed_sync if task.kind == "crash" else "drop-clean"
        own = self.scenario(task.scenario).plan(task.workload)
        if own is None or not own.fails_syncs:
            policy = "drop-clean"
        recording = self.recording(task.scenario, task.workload, task.seed, policy)
        contract = self.contract(task.scenario)

        def stop(tally: Tally) -> bool:
            if ends(task.stop_at, (finding.verdict for finding in tally.findings)):
                return True
            if watch(tally):
                tally.complete = tally.exhaustive = False
                return True
            return False

        if task.kind == "crash":
            sweep = CrashSweep(
                recording,
                task.profile,
                contract,
                bound=task.bound,
                recovery=task.recovery,
                depth=task.depth,
                faulty_recoveries=task.faulty_recoveries,
            )
            chunks = sweep.chunks(task.parts)
            tally = (
                sweep.run(chunks[task.part][task.offset :: task.stride], stop)
                if task.part < len(chunks)
                else sweep.tally
            )
            tally.exhaustive &= task.stride == 1 and task.recovery
        elif task.kind == "pairs":
            pairs = SecondFaultSweep(recording, task.profile.split("+"), contract)
            tally = pairs.run(first_faults(recording)[task.part :: task.parts], stop)
        else:
            faults = FaultSweep(recording, task.profile.split("+"), contract)
            tally = faults.run(planned(recording)[task.part :: task.parts], stop)
        tally.findings = [self.confirm(finding) for finding in tally.findings]
        return tally

    def _histories(self, task: Task, watch: Stop) -> Tally:
        from harness.statemachine import run_histories  # Hypothesis: most runs, and most workers, draw none

        deadline = machine_seconds() + task.seconds if task.seconds is not None else None

        def over(tally: Tally) -> bool:
            return watch(tally) or (deadline is not None and machine_seconds() > deadline)

        seed = task.seed * 1_000 + task.part
        scenario = self.scenario(task.scenario)
        tally = run_histories(scenario, task.workload, task.profile, seed, task.examples, over)
        tally.complete = bool(tally.findings) or tally.examples >= task.examples
        tally.findings = [self.confirm(finding) for finding in tally.findings]
        return tally

    def confirm(self, finding: Finding) -> Finding:
        """Play the finding's case once more: it must show again, and it gets its trace digest.

        Raises SubjectUnfit when it does not: then the subject, or the harness, is not deterministic.
        """
        case = finding.case
        played = play(self.scenario(case.scenario), case)
        if not played.shows(case):
            seen = ", ".join(sorted({told.violation.verdict for told in played.violations})) or "nothing"
            raise SubjectUnfit(
                f"{finding.verdict} ({finding.summary}) in {case.workload} at kill-point {finding.kill_point} "
                f"did not show again when it was played: {seen} instead; the subject is not deterministic"
            )
        with Redirection.shared().paused():
            sources = source_digests(self.scenario(case.scenario), played)
        case = msgspec.structs.replace(case, trace_digest=played.trace_digest, sources=sources)
        return msgspec.structs.replace(finding, case=case)
