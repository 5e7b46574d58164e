"""GitHub: workflow commands that annotate the lines of a pull request.

Escaping as GitHub's own toolkit does it (actions/toolkit, packages/core, command.ts): % CR LF everywhere, and : , in
properties, so that no text of a subject can start a command of its own.
"""

from collections.abc import Mapping
from typing import Final

from harness.explore.tally import Finding
from harness.gate.outcome import Report
from harness.report.failure import lines
from harness.report.places import place_of

_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def annotations(report: Report, repros: Mapping[int, str]) -> list[str]:
    """One command a line: an error per finding and per failure, a warning for what is inconclusive."""
    told: list[str] = []
    for result in report.results:
        where = f"{result.name} [{result.profile}]"
        told += [_finding(where, finding, repros) for finding in result.total.findings]
        told += [_command("warning", {"title": f"inconclusive: {where}"}, text) for text in result.reasons]
        told += [_command("error", {"title": f"error: {where}"}, text) for text in result.errors]
    return told


def _finding(where: str, finding: Finding, repros: Mapping[int, str]) -> str:
    place = place_of(finding)
    at = {"file": place.file, "line": str(place.line)} if place is not None and place.relative else {}
    repro = repros.get(id(finding), "")
    text = "\n".join(lines(finding, f"harness replay {repro}" if repro else ""))
    return _command("error", {**at, "title": f"{finding.verdict} in {where}"}, text)


def _command(name: str, properties: Mapping[str, str], text: str) -> str:
    said = ",".join(f"{key}={value.translate(_PROPERTY)}" for key, value in properties.items())
    return f"::{name} {said}::{text.translate(_DATA)}"
