"""The report of an errno sweep: findings by cause, how the program took its faults, and a case for each finding."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.anyprogram.case_file import CaseFile
from harness.anyprogram.fault_run import FaultRun, Refusal, counted
from harness.anyprogram.fault_sweep import PlannedFault, Request, Swept
from harness.explore.saved_case import Death, SavedCase
from harness.explore.tally import Finding, Tally
from harness.faults import FaultPlan
from harness.gate.outcome import Report, ScenarioResult
from harness.verdict.vocabulary import VERDICTS

NAMED_MAX: Final = 10
"""Runs of one behaviour that are named in the notes."""

_NUMBER: Final = re.compile(r": \d+(st|nd|rd|th) ")


class Told(msgspec.Struct):
    """The report; the case of each finding by id(finding), where there is a disk to show; what the JSON says beside."""

    report: Report
    cases: dict[int, CaseFile]
    fault_runs: dict[str, Any]


def report_of(swept: Swept, request: Request) -> Told:
    """One finding for each verdict and call, whichever errno; under the first of the profiles asked for that shows it."""
    name = Path(request.run.command[0]).name
    found: dict[tuple[str, str], Finding] = {}
    cases: dict[tuple[str, str], CaseFile] = {}
    if not swept.complete.held:
        found["check-failed", ""] = _clean_finding(swept, name, request.profiles[0])
    for fault, run in swept.made:
        if run.behaviour == "hung":
            _note(found, cases, _hung(fault, name, request.profiles), None)
        elif run.refusals:
            refusal = next((one for one in run.refusals if one.at_the_end), run.refusals[0])
            _note(found, cases, _refused(fault, run, refusal, name), refusal.case)
    report = Report(request.run.seed, request.profiles, interrupted=swept.interrupted, wall_s=swept.wall_s)
    counts = counted([run for _, run in swept.made])
    for number, profile in enumerate(request.profiles):
        tally = Tally(operations=swept.clean.trace.operation_count, wall_s=swept.wall_s)
        tally.findings = [finding for finding in found.values() if finding.case.profile == profile]
        tally.complete = tally.exhaustive = len(swept.made) == len(swept.planned) and swept.complete.held
        if not number:
            fired = [run for _, run in swept.made if run.fired]
            tally.faults_planned = len(swept.planned)
            tally.faults_fired = len(fired)
            tally.faults_told = sum(run.behaviour in ("told", "crashed") for run in fired)
            tally.checked = tally.distinct = swept.checks
            tally.notes = _notes(swept, counts)
        result = ScenarioResult(name, profile, {name: tally}, tally, wall_s=swept.wall_s)
        result.reasons = _reasons(swept, request)
        report.results.append(result)
    shown = {id(found[key]): case for key, case in cases.items()}
    return Told(report, shown, {**counts, "checks": swept.checks, "runs": _runs(swept)})


def _note(
    found: dict[tuple[str, str], Finding],
    cases: dict[tuple[str, str], CaseFile],
    finding: Finding,
    case: CaseFile | None,
) -> None:
    """Keep the first of its kind, and count the others; a folder on which nothing is missing is the plainest example."""
    key = (finding.verdict, _NUMBER.sub(": ", finding.source))
    known = found.get(key)
    if known is None or (len(known.profiles) < len(finding.profiles) and finding.verdict != "hung"):
        found[key] = msgspec.structs.replace(finding, count=1 + (known.count if known is not None else 0))
        if case is not None:
            cases[key] = case
        return
    found[key] = msgspec.structs.replace(known, count=known.count + 1)


def _refused(fault: PlannedFault, run: FaultRun, refusal: Refusal, name: str) -> Finding:
    verdict: str = refusal.answer.verdict
    if verdict == "check-failed" and run.behaviour == "swallowed":
        verdict = "swallowed-error"
    state = refusal.state
    deaths = () if refusal.at_the_end else (Death(state.position, state),)
    case = _case(name, state.profile, verdict, f"{refusal.answer.summary} ({_how(run)})", deaths, fault.plan)
    return _finding(case, fault, refusal.lacking, refusal.profiles)


def _hung(fault: PlannedFault, name: str, profiles: tuple[str, ...]) -> Finding:
    summary = "the program did not end, and was killed"
    return _finding(_case(name, profiles[0], "hung", summary, (), fault.plan), fault, "", ())


def _clean_finding(swept: Swept, name: str, profile: str) -> Finding:
    summary = f"without any fault: {swept.complete.summary}"
    return _finding(_case(name, profile, "check-failed", summary, (), None), None, "", ())


def _case(
    name: str, profile: str, verdict: str, summary: str, deaths: tuple[Death, ...], plan: FaultPlan | None
) -> SavedCase:
    return SavedCase("", name, 0, profile, verdict, VERDICTS[verdict], summary, "restarted", deaths, plan)


def _finding(case: SavedCase, fault: PlannedFault | None, lacking: str, profiles: tuple[str, ...]) -> Finding:
    return Finding(
        verdict=case.verdict,
        guarantee=case.guarantee,
        summary=case.summary,
        phase=case.phase,
        workload=case.workload,
        kill_point=case.deaths[0].position if case.deaths else 0,
        operation=lacking,
        source=str(fault.source) if fault is not None else "",
        profiles=profiles,
        case=case,
        fault=fault.plan.describe() if fault is not None else "",
    )


def _how(run: FaultRun) -> str:
    if run.behaviour == "swallowed":
        return "and the program said nothing of the fault"
    if run.behaviour == "crashed":
        return f"and the program was ended by signal {-(run.exit_code or 0)}"
    said = f": {run.complaint}" if run.complaint else ""
    return f"though the program told the fault: exit code {run.exit_code}{said}"


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
