"""SARIF 2.1.0 (OASIS, 27 March 2020): what code scanning reads. One rule per guarantee, one result per finding.

`partialFingerprints` names the cause without line numbers, so that a finding stays the same when code above it moves.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.explore.tally import Finding
from harness.gate.outcome import Report
from harness.report.cause import cause_key
from harness.report.failure import lines
from harness.report.places import place_of

SCHEMA_URI: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(report: Report, version: str, repros: Mapping[int, str]) -> str:
    """The whole document as JSON text. `repros` maps id(finding) to the path of its repro file."""
    findings = [(result.name, finding) for result in report.results for finding in result.total.findings]
    rules = _rules([finding for _, finding in findings])
    run: dict[str, Any] = {
        "tool": {"driver": {"name": "crash-harness", "version": version, "rules": list(rules.values())}},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report)],
        "results": [_result(name, finding, list(rules).index(_rule(finding)), repros) for name, finding in findings],
    }
    return json.dumps({"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(finding: Finding) -> str:
    return f"{finding.verdict}/{finding.guarantee}"


def _rules(findings: Sequence[Finding]) -> dict[str, dict[str, Any]]:
    return {
        _rule(finding): {
            "id": _rule(finding),
            "name": finding.verdict,
            "shortDescription": {"text": finding.verdict},
            "fullDescription": {"text": finding.guarantee},
            "defaultConfiguration": {"level": "error"},
        }
        for finding in findings
    }


def _result(scenario: str, finding: Finding, rule: int, repros: Mapping[int, str]) -> dict[str, Any]:
    repro = repros.get(id(finding), "")
    text = lines(finding, f"harness replay {repro}" if repro else "")
    found: dict[str, Any] = {
        "ruleId": _rule(finding),
        "ruleIndex": rule,
        "level": "error",
        "kind": "fail",
        "message": {"text": "\n".join(text)},
        "locations": [],
        "occurrenceCount": finding.count,
        "partialFingerprints": {"cause/v1": cause_key(scenario, finding)},
        "properties": {
            "scenario": scenario,
            "workload": finding.workload,
            "profiles": list(finding.profiles),
            "killPoint": finding.kill_point,
            "repro": repro,
        },
    }
    place = place_of(finding)
    if place is not None:
        uri = (
            {"uri": Path(place.file).as_uri()} if not place.relative else {"uri": place.file, "uriBaseId": "%SRCROOT%"}
        )
        found["locations"] = [{"physicalLocation": {"artifactLocation": uri, "region": {"startLine": place.line}}}]
    return found


def _invocation(report: Report) -> dict[str, Any]:
    told = [("error", text) for result in report.results for text in result.errors]
    told += [("warning", f"inconclusive: {text}") for result in report.results for text in result.reasons]
    return {
        "executionSuccessful": report.exit_code in (0, 1),
        "exitCode": report.exit_code,
        "exitCodeDescription": str(report.outcome),
        "toolExecutionNotifications": [{"level": level, "message": {"text": text}} for level, text in told],
    }
