"""The last lines of a violation: the smallest set of syncs that takes away all violations of its workload.

Only for findings of a power cut in a recorded workload: of a killed process, a failed call or a random history no sync
is the cure, or none that could be told from one trace.
"""

from collections.abc import Mapping
from typing import Final

from harness.advice.advice import Advice
from harness.advice.advisor import Request, advise
from harness.clock import machine_seconds
from harness.explore.recording import AnyScenario
from harness.explore.tally import Finding
from harness.gate.outcome import Report

MENDING_S: Final = 5.0
"""Seconds that a run which found violations spends on advice."""

_LABEL: Final = 10


def mendings(scenario: AnyScenario, report: Report, budget_s: float = MENDING_S) -> Mapping[int, tuple[str, ...]]:
    """id(finding) -> lines, for those findings of `report` that there is advice for."""
    until = machine_seconds() + budget_s
    known: dict[tuple[str, str], tuple[str, ...]] = {}
    found: dict[int, tuple[str, ...]] = {}
    for result in report.results:
        if report.interrupted or result.errors:
            continue
        for finding in result.total.findings:
            left = until - machine_seconds()
            if left <= 0 or not _of_a_power_cut(finding):
                continue
            place = (finding.case.profile, finding.workload)
            if place not in known:
                request = Request(
                    (finding.case.profile,), (), (finding.workload,), report.seed, budget_s=left, removal=False
                )
                known[place] = mending(advise(scenario, request))
            found[id(finding)] = known[place]
    return found


def mending(advice: Advice) -> tuple[str, ...]:
    """What to add, and nothing else; no line where the time did not suffice to be sure."""
    if advice.errors or not advice.violations or not advice.verified:
        return ()
    under = ", ".join(advice.profiles)
    if not advice.missing:
        return (
            (_row("mend", f"no sync mends it under {under}: {advice.unmendable[0].why}"),) if advice.unmendable else ()
        )
    count = len(advice.missing)
    least = "the smallest set that mends all" if advice.smallest else "which mend all"
    what = "of this workload that a sync can mend" if advice.unmendable else "violations of this workload"
    head = f"{count} missing sync{'s' if count > 1 else ''}, {least} {what} under {under}:"
    return (_row("mend", head), *(_row("", one.text) for one in advice.missing))


def _of_a_power_cut(finding: Finding) -> bool:
    case = finding.case
    return len(case.deaths) == 1 and case.profile != "process" and case.plan is None and not case.steps


def _row(label: str, text: str) -> str:
    return f"{label:<{_LABEL}}{text}"
