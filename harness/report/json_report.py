"""The JSON of `run` (and later `crash`, `fault`): the contract of DESIGN, section 5; all keys always present.

`known` are violations that a baseline names: they do not make the outcome. `shard` is null for a whole run; `parts` is
what `harness merge` joins, empty for a whole run.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from harness.explore.tally import Finding, Tally
from harness.gate.outcome import Report, ScenarioResult

JSON_SCHEMA: Final = 1


def document(
    report: Report, version: str, repros: Mapping[int, str], mends: Mapping[int, Sequence[str]] | None = None
) -> dict[str, Any]:
    """The whole document; `repros` maps id(finding) to the path of its repro file, `mends` to the syncs it is missing."""
    return {
        "schema": JSON_SCHEMA,
        "version": version,
        "seed": report.seed,
        "profiles": list(report.profiles),
        "outcome": str(report.outcome),
        "wall_s": round(report.wall_s, 3),
        "shard": {"index": report.shard.index, "of": report.shard.of} if report.shard is not None else None,
        "parts": msgspec.to_builtins(report.parts),
        "scenarios": [_scenario(result, repros, mends or {}) for result in report.results],
    }


def _states(tally: Tally) -> dict[str, Any]:
    return {
        "legal": tally.legal,
        "legal_exact": tally.legal_exact,
        "distinct": tally.distinct,
        "checked": tally.checked,
        "exhaustive": tally.exhaustive,
    }


def _scenario(result: ScenarioResult, repros: Mapping[int, str], mends: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    total = Tally()
    for tally in result.workloads.values():
        total.add(tally)
    total.operations = sum(tally.operations for tally in result.workloads.values())
    full = result.total
    total.exhaustive &= bool(result.workloads) and not result.errors
    sweep_s = total.wall_s
    return {
        "name": result.name,
        "profile": result.profile,
        "outcome": str(result.outcome),
        "operations": total.operations,
        "kill_points": total.kill_points,
        "crash_states": _states(total),
        "workloads": [
            {
                "name": name,
                "operations": tally.operations,
                "kill_points": tally.kill_points,
                "crash_states": _states(tally),
            }
            for name, tally in result.workloads.items()
        ],
        "recovery_deaths": {
            "kill_points": full.recovery_kill_points,
            "checked": full.recovery_checked,
            "recovered_twice": full.recovered_twice,
            "by_depth": dict(sorted(full.recovery_depths.items(), key=lambda one: int(one[0]))),
        },
        "faults": {"planned": full.faults_planned, "fired": full.faults_fired, "told": full.faults_told},
        "double_faults": {
            "pairs": {
                "possible": full.double_possible,
                "planned": full.double_planned,
                "fired": full.double_fired,
                "told": full.double_told,
            },
            "in_recovery": {
                "possible": full.recovery_faults_possible,
                "planned": full.recovery_faults_planned,
                "fired": full.recovery_faults_fired,
                "told": full.recovery_faults_told,
            },
        },
        "histories": {"examples": full.examples, "steps": full.steps},
        "probes": {"hit": result.hit, "missed": result.missed},
        "wall_s": round(result.wall_s, 3),
        "states_per_s": round(total.checked / sweep_s, 1) if sweep_s else 0.0,
        "violations": [_violation(finding, repros, mends) for finding in full.findings],
        "known": [_violation(finding, repros, mends) for finding in result.known],
        "reasons": list(result.reasons),
        "notes": list(full.notes),
        "errors": list(result.errors),
    }


def _violation(finding: Finding, repros: Mapping[int, str], mends: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    return {
        "verdict": finding.verdict,
        "guarantee": finding.guarantee,
        "summary": finding.summary,
        "phase": finding.phase,
        "workload": finding.workload,
        "kill_point": finding.kill_point,
        "kill_point_names": list(finding.where),
        "operation": finding.operation,
        "source": finding.source,
        "profiles": list(finding.profiles),
        "fault": finding.fault,
        "count": finding.count,
        "repro": repros.get(id(finding), ""),
        "mend": [line.strip() for line in mends.get(id(finding), ())],
    }
