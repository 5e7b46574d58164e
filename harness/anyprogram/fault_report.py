"""The report of an errno sweep: findings by cause, how the program took its faults, and a case for each finding."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.anyprogram.case_file import CaseFile
from harness.anyprogram.fault_run import FaultRun, Refusal, counted
from harness.anyprogram.fault_sweep import PlannedFault, Request, Swept
from harness.explore.saved_case import SavedCase
from harness.explore.tally import Finding, Tally
from harness.gate.outcome import Report, ScenarioResult
from harness.verdict.vocabulary import VERDICTS

NAMED_MAX: Final = 10
"""Runs of one behaviour that are named in the notes."""

_NUMBER: Final = re.compile(r"^\d+(st|nd|rd|th) ")


class Told(msgspec.Struct):
    """The report; the case of each finding by id(finding), where there is a disk to show; what the JSON says beside."""

    report: Report
    cases: dict[int, CaseFile]
    fault_runs: dict[str, Any]


def report_of(swept: Swept, request: Request) -> Told:
    """Findings under the profile that shows them; what is no matter of a profile under the first one."""
    name = Path(request.run.command[0]).name
    first = request.profiles[0]
    found: dict[tuple[str, str, str], Finding] = {}
    cases: dict[int, CaseFile] = {}
    if not swept.complete.held:
        finding = _clean_finding(swept, name, first)
        found[finding.verdict, first, ""] = finding
    for fault, run in swept.made:
        if run.behaviour == "hung":
            _note(found, cases, _hung(fault, name, first), None)
        for refusal in run.refusals:
            _note(found, cases, _refused(fault, run, refusal, name), refusal.case)
    report = Report(request.run.seed, request.profiles, interrupted=swept.interrupted, wall_s=swept.wall_s)
    counts = counted([run for _, run in swept.made])
    for profile in request.profiles:
        findings = [finding for (_, where, _), finding in found.items() if where == profile]
        tally = Tally(operations=swept.clean.trace.operation_count, findings=findings, wall_s=swept.wall_s)
        tally.complete = tally.exhaustive = len(swept.made) == len(swept.planned) and swept.complete.held
        if profile == first:
            fired = [run for _, run in swept.made if run.fired]
            tally.faults_planned = len(swept.planned)
            tally.faults_fired = len(fired)
            tally.faults_told = sum(run.behaviour in ("told", "crashed") for run in fired)
            tally.checked = tally.distinct = swept.checks
            tally.notes = _notes(swept, counts)
        result = ScenarioResult(name, profile, {name: tally}, tally, wall_s=swept.wall_s)
        result.reasons = _reasons(swept, request)
        report.results.append(result)
    return Told(report, cases, {**counts, "checks": swept.checks, "runs": _runs(swept)})


def _note(
    found: dict[tuple[str, str, str], Finding], cases: dict[int, CaseFile], finding: Finding, case: CaseFile | None
) -> None:
    """One finding a verdict, profile and call, whichever errno: the first one, and how many there were."""
    key = (finding.verdict, finding.case.profile, _NUMBER.sub("", finding.source.partition(": ")[2]))
    known = found.get(key)
    if known is None:
        found[key] = finding
        if case is not None:
            cases[id(finding)] = case
        return
    more = found[key] = msgspec.structs.replace(known, count=known.count + 1)
    if id(known) in cases:
        cases[id(more)] = cases.pop(id(known))


def _refused(fault: PlannedFault, run: FaultRun, refusal: Refusal, name: str) -> Finding:
    verdict = refusal.answer.verdict
    if verdict == "check-failed" and run.behaviour == "swallowed":
        verdict = "swallowed-error"  # type: ignore[assignment]  # wider than what a checker says
    lacking = f"; not on the disk: {refusal.lacking}" if refusal.lacking else ""
    return _finding(
        fault, name, verdict, refusal.answer.summary, refusal.profile, refusal.position, f"{_how(run)}{lacking}"
    )


def _hung(fault: PlannedFault, name: str, profile: str) -> Finding:
    summary = "the program did not end, and was killed"
    return _finding(fault, name, "hung", summary, profile, fault.call, "it went on for ever")


def _clean_finding(swept: Swept, name: str, profile: str) -> Finding:
    summary = f"without any fault: {swept.complete.summary}"
    position = len(swept.clean.trace)
    return _filled("check-failed", summary, profile, position, name, "the whole run, which nothing cut short", "", "")


def _finding(
    fault: PlannedFault, name: str, verdict: str, summary: str, profile: str, position: int, operation: str
) -> Finding:
    return _filled(
        verdict, summary, profile, position, name, operation, str(fault.source), fault.plan.describe(), fault
    )


def _filled(
    verdict: str,
    summary: str,
    profile: str,
    position: int,
    name: str,
    operation: str,
    source: str,
    said: str,
    fault: PlannedFault | None = None,
) -> Finding:
    guarantee = VERDICTS[verdict]
    plan = fault.plan if fault is not None else None
    case = SavedCase("", name, 0, profile, verdict, guarantee, summary, "fault", plan=plan)
    return Finding(
        verdict, guarantee, summary, "fault", name, position, operation, source, (profile,), case, fault=said
    )


def _how(run: FaultRun) -> str:
    if run.behaviour == "swallowed":
        return "the program said nothing"
    if run.behaviour == "crashed":
        return f"the program was ended by signal {-(run.exit_code or 0)}"
    said = f": {run.complaint}" if run.complaint else ""
    return f"the program told it (exit code {run.exit_code}{said})"


def _notes(swept: Swept, counts: Mapping[str, int]) -> list[str]:
    notes = [
        f"{sum(counts.values()):,} runs: " + ", ".join(f"{count} {how}" for how, count in counts.items()),
        f"{swept.checks:,} folders checked",
    ]
    if not swept.side_by_side:
        notes.append("one run after the other: several mounts on one folder need CAP_SYS_ADMIN")
    for how in ("hung", "crashed"):
        named = [fault.describe() for fault, run in swept.made if run.behaviour == how]
        notes += [f"{how}: {one}" for one in named[:NAMED_MAX]]
        if len(named) > NAMED_MAX:
            notes.append(f"{how}: {len(named) - NAMED_MAX} more")
    return notes


def _reasons(swept: Swept, request: Request) -> list[str]:
    if not swept.clean.calls:
        return ["the program changed nothing in the folder: does it use {root} or HARNESS_ROOT?"]
    if swept.complete.held and not swept.planned:
        return [f"call {request.calls[0]} is not among the {len(swept.clean.calls)} changing calls of the program"]
    if swept.out_of_time:
        return [f"the budget of {request.budget_s:g} s ended after {len(swept.made)} of {len(swept.planned)} runs"]
    return []


def _runs(swept: Swept) -> list[dict[str, Any]]:
    return [
        {
            "call": fault.call,
            "source": str(fault.source),
            "fault": fault.plan.describe(),
            "behaviour": run.behaviour,
            "exit_code": run.exit_code,
            "complaint": run.complaint,
        }
        for fault, run in swept.made
    ]
