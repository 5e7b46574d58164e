"""Seeded bugs: each must be caught by the verdict it names; any other failure is no catch (DESIGN, section 4, rule 12).

A hunt runs the same sweeps, the same contract and the same seeds as the gate, in the order cheap to expensive, and
ends at the first finding of the expected verdict (or when every facet of the bug has shown).
"""

import fnmatch
import sys
from collections.abc import Iterator, Sequence

import msgspec

from harness.clock import machine_seconds
from harness.explore.finding import Discovery, report
from harness.explore.judging import by_phase, judge_clean
from harness.explore.life import session
from harness.explore.recording import AnyScenario
from harness.explore.tally import Finding, Tally
from harness.gate.task import Task, Workshop
from harness.scenario import Facet, SeededBug
from harness.subjects import find_one


class Caught(msgspec.Struct, frozen=True):
    """What became of one hunt. `finding` is that of the expected verdict, `facets` those of each facet (None: not shown);
    `verdict` is what was seen ("held" for nothing).
    """

    id: str
    group: str
    source: str
    expected: str
    caught: bool
    verdict: str
    findings: tuple[str, ...]
    finding: Finding | None
    wall_s: float
    error: str = ""
    facets: tuple[tuple[str, Finding | None], ...] = ()
    number: int = 0

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands in a list, as `SeededBug.place`."""
        return (self.number or sys.maxsize, self.id)

    @property
    def repro_steps(self) -> int:
        return self.finding.case.length if self.finding is not None else 0


def hunt(reference: str, seed: int, profiles: tuple[str, ...]) -> Caught:
    """Hunt the bug that `reference` (`scenario/bug`) names, in this process."""
    began = machine_seconds()
    name, _, bug_id = reference.rpartition("/")
    bug = next(bug for bug in find_one(name).bugs() if bug.id == bug_id)
    scenario = find_one(reference)
    tally = Tally()
    error = ""
    try:
        with session():
            for part in _stages(scenario, bug, seed, tuple(dict.fromkeys((*profiles, *bug.profiles)))):
                tally.add(part)
                if _done(bug, tally.findings):
                    break
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    return _caught(bug, tally.findings, machine_seconds() - began, error)


def _stages(scenario: AnyScenario, bug: SeededBug, seed: int, profiles: Sequence[str]) -> Iterator[Tally]:
    workshop = Workshop({scenario.reference: scenario})
    recorded = [*scenario.workloads(), *scenario.rehearsals()]
    workloads = [*bug.workloads, *(name for name in recorded if name not in bug.workloads)]
    stop_at = None if bug.facets else bug.expected
    for workload in workloads:
        clean = workshop.recording(scenario.reference, workload, seed)
        tally = Tally()
        for told in judge_clean(by_phase(scenario.contract()), clean):
            report(tally, Discovery(clean, (), told), again=None)
        tally.findings = [workshop.confirm(finding) for finding in tally.findings]
        yield tally
        if workload not in scenario.workloads():
            continue
        task = Task("crash", scenario.reference, workload, "process", seed, stop_at=stop_at)
        for name in sorted(profiles, key=lambda profile: profile != "process"):
            yield workshop.perform(msgspec.structs.replace(task, profile=name))
        if workload in scenario.fault_workloads():
            yield workshop.perform(msgspec.structs.replace(task, kind="faults", profile="+".join(profiles)))


def shows(facet: Facet, finding: Finding) -> bool:
    return (
        finding.verdict in facet.verdicts
        and (fnmatch.fnmatchcase(finding.fault, facet.fault) if facet.fault else not finding.fault)
        and fnmatch.fnmatchcase(finding.operation, facet.operation)
        and fnmatch.fnmatchcase(finding.summary, facet.summary)
    )


def _done(bug: SeededBug, findings: Sequence[Finding]) -> bool:
    if not any(finding.verdict == bug.expected for finding in findings):
        return False
    return all(any(shows(facet, finding) for finding in findings) for facet in bug.facets)


def _caught(bug: SeededBug, findings: Sequence[Finding], wall_s: float, error: str) -> Caught:
    expected = [finding for finding in findings if finding.verdict == bug.expected]
    finding = min(expected, key=lambda found: found.case.length, default=None)
    facets = tuple((facet.id, next((one for one in findings if shows(facet, one)), None)) for facet in bug.facets)
    named = [f"{name}: {one.verdict}: {one.summary}" if one else f"{name}: NOT SHOWN" for name, one in facets]
    if not bug.facets:
        named = sorted({f"{one.verdict}: {one.summary}" for one in findings})
    verdict = finding.verdict if finding is not None else (findings[0].verdict if findings else "held")
    return Caught(
        id=bug.id,
        group=bug.group,
        source=bug.source,
        expected=bug.expected,
        caught=_done(bug, findings) and not error,
        verdict=verdict,
        findings=tuple(named),
        finding=finding,
        wall_s=wall_s,
        error=error,
        facets=facets,
        number=bug.number,
    )
