"""`harness crash` without its command line: a recorded run and a checker in, a report with saved cases out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from harness.anyprogram.case_file import CaseFile, case_of
from harness.anyprogram.case_file import Finding as SavedFinding
from harness.anyprogram.causes import Group, groups_of
from harness.anyprogram.checker import Answer, Checker, CheckerError
from harness.anyprogram.exposure import exposing
from harness.anyprogram.recorded_run import RecordedRun
from harness.anyprogram.state_folder import StateFolder
from harness.anyprogram.state_home import state_home
from harness.anyprogram.strays import Strays
from harness.anyprogram.sweep import PLAIN, Request, Sweep, Swept
from harness.disk import DiskImage
from harness.explore.kill_points import names_at
from harness.explore.saved_case import Death, SavedCase
from harness.explore.tally import Finding
from harness.gate.interruption import listening
from harness.gate.outcome import Report, ScenarioResult
from harness.gate.progress import Listener, silent
from harness.verdict.vocabulary import VERDICTS

CONFIRMED: Final = 20
"""Findings whose example is checked once more: a checker that answers differently is told so."""

_CANNOT_RUN: Final = (126, 127)
"""What a shell exits with for a program that is not executable, or not there."""


class Crashed(msgspec.Struct):
    """The report, and the case of each of its findings by id(finding). `checks`: runs of the checker for states."""

    report: Report
    cases: dict[int, CaseFile]
    checks: int
    wall_s: float


def crash(run: RecordedRun, checker: Checker, request: Request, listener: Listener = silent) -> Crashed:
    """Sweep, then explain. Raises CheckerError (usage), StateFolderError, ValueError for a trace no profile can play."""
    with state_home(run.largest_state * (request.jobs + 1)) as home:
        with listening():  # only here: what was found is explained and saved, whatever comes
            complete = _at_the_end(run, checker, home)
            swept = Sweep(run, checker, request, listener).sweep(home)
        groups = groups_of(run, swept.hits)
        unsure = [] if swept.interrupted else _unsure(run, checker, groups[:CONFIRMED], home)
    notes = _notes(swept, complete, unsure)
    return _assembled(run, checker, request, swept, groups, notes)


def _at_the_end(run: RecordedRun, checker: Checker, home: Path) -> Answer:
    """What the checker says of the run that was never cut short; CheckerError where it cannot run at all."""
    answer = _checked(run, checker, run.end, run.disk_at(run.end), home)
    if checker.command.by_shell and answer.exit_code in _CANNOT_RUN:
        raise CheckerError(f"--check: the shell cannot run {checker.command.text!r}: {answer.summary}")
    return answer


def _checked(run: RecordedRun, checker: Checker, position: int, image: DiskImage, home: Path) -> Answer:
    with Strays() as strays:
        root = StateFolder(home / "alone").restore(image)
        try:
            return checker.check(root, run.input_at(position))
        finally:
            strays.end_of(root)


def _unsure(run: RecordedRun, checker: Checker, groups: Sequence[Group], home: Path) -> list[Group]:
    """The groups whose example is not refused again."""
    return [
        group
        for group in groups
        if _checked(run, checker, group.example.position, group.example.image, home).verdict != group.verdict
    ]


def _notes(swept: Swept, complete: Answer, unsure: Sequence[Group]) -> list[str]:
    notes = [f"{swept.checks:,} runs of the checker: a disk that several profiles allow is checked once"]
    if not complete.held:
        notes.append(
            f"the checker refuses the disk and the marks of the whole run, which nothing cut short: {complete.summary}"
        )
    notes += [f"the checker did not say the same again about one disk: {group.operation}" for group in unsure]
    return notes


def _assembled(
    run: RecordedRun, checker: Checker, request: Request, swept: Swept, groups: Sequence[Group], notes: list[str]
) -> Crashed:
    cases: dict[int, CaseFile] = {}
    found: dict[str, list[Finding]] = {name: [] for name in swept.tallies}
    for group in groups:
        hit = group.example
        profiles = exposing(run, hit, frozenset(one.key for one in group.members if one.told == hit.told))
        finding = _finding(run, group, profiles, request.seed)
        found[hit.state.profile].append(finding)
        saved = SavedFinding(group.verdict, hit.answer.summary, group.operation, group.source, profiles)
        cases[id(finding)] = case_of(run, hit, saved, checker)
    report = Report(request.seed, request.profiles, interrupted=swept.interrupted, wall_s=swept.wall_s)
    for name, tally in swept.tallies.items():
        total = msgspec.structs.replace(tally, findings=found[name], notes=list(notes) if not report.results else [])
        result = ScenarioResult(run.name, name, {run.name: tally}, total, wall_s=swept.wall_s)
        result.reasons = _reasons(run, swept, name, request)
        report.results.append(result)
    return Crashed(report, cases, swept.checks, swept.wall_s)


def _finding(run: RecordedRun, group: Group, profiles: tuple[str, ...], seed: int) -> Finding:
    hit = group.example
    guarantee = VERDICTS[group.verdict]
    where = ("K2",) if hit.state.cut is not None else names_at(run.items, hit.position)
    return Finding(
        verdict=group.verdict,
        guarantee=guarantee,
        summary=hit.answer.summary,
        phase="restarted",
        workload=run.name,
        kill_point=hit.position,
        operation=group.operation,
        source=group.source,
        profiles=profiles,
        case=SavedCase(
            scenario="",
            workload=run.name,
            seed=seed,
            profile=hit.state.profile,
            verdict=group.verdict,
            guarantee=guarantee,
            summary=hit.answer.summary,
            phase="restarted",
            deaths=(Death(hit.position, hit.state),),
        ),
        count=len(group.members),
        where=where,
    )


def _reasons(run: RecordedRun, swept: Swept, name: str, request: Request) -> list[str]:
    """Why it is not known that everything held."""
    if not run.trace.operation_count:
        return ["the trace has no operation: there is nothing that a death could lose"]
    if swept.out_of_time:
        whole, plain = swept.tallies[name].kill_points, swept.plain[name]
        return [
            f"the budget of {request.budget_s:g} s ended after all disks of {whole:,} kill-points "
            f"and the plainest {PLAIN} of {plain:,}"
        ]
    return []
