"""Writes one repro file a finding and remembers which is whose."""

from pathlib import Path

from harness.explore.tally import Finding
from harness.gate.outcome import Report
from harness.repro import REPRO_SCHEMA, ReproFile, save


def save_all(report: Report, out: Path, test: str = "") -> dict[int, str]:
    """Save every finding's case under `out`; maps id(finding) to the path as a person would type it."""
    findings = [one for result in report.results for one in (*result.total.findings, *result.known)]
    return {id(finding): save_one(finding, out, test) for finding in findings}


def save_one(finding: Finding, out: Path, test: str = "") -> str:
    file = ReproFile(
        "crash-harness repro", REPRO_SCHEMA, finding.case, finding.operation, finding.source, finding.profiles, test
    )
    return str(save(file, out))
