"""Coverage as pictures: kill-points against verdicts, states on a logarithmic scale, faults, probes.

Numbers come from the tallies and stand beside each picture as text. Nothing here judges.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from harness.explore.kill_points import MEANING
from harness.explore.tally import Finding, Tally
from harness.gate.outcome import Report, ScenarioResult

BAR: Final = 420
"""Width of the longest bar."""

NOWHERE: Final = "none"
"""The column of findings without a named kill-point: nobody died, or it has no name."""


class Cell(msgspec.Struct, frozen=True):
    """`count` cases; `anchor` is the first finding among them, `level` 0 to 4 for the shade."""

    count: int
    anchor: str
    level: int


class Matrix(msgspec.Struct, frozen=True):
    """Verdicts (rows) against kinds of kill-points (columns: name and meaning). A case counts in each of its kinds."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


class StateBar(msgspec.Struct, frozen=True):
    """One number of crash states, its text, and the length of its bar (logarithmic)."""

    label: str
    text: str
    width: float


class Coverage(msgspec.Struct, frozen=True):
    """One scenario under one profile. `workloads`: (name, operations, kill-points, legal, distinct, checked, word).

    `recovery_depths`: (deaths in a row that hit recoveries, states checked).
    """

    name: str
    profile: str
    outcome: str
    exhaustive: bool
    kill_points: int
    states: tuple[StateBar, ...]
    recovery: StateBar
    recovery_kill_points: int
    recovery_depths: tuple[tuple[int, int], ...]
    faults: tuple[StateBar, ...]
    examples: int
    steps: int
    hit: tuple[tuple[str, int], ...]
    missed: tuple[str, ...]
    workloads: tuple[tuple[str, str, str, str, str, str, str], ...]
    reasons: tuple[str, ...]
    errors: tuple[str, ...]
    notes: tuple[str, ...]
    wall_s: float
    violations: int


def matrix_of(findings: Sequence[Finding], anchors: Mapping[int, str]) -> Matrix:
    """`anchors` maps id(finding) to its place on the page."""
    counts: dict[tuple[str, str], int] = {}
    first: dict[tuple[str, str], str] = {}
    for finding in findings:
        for name in finding.where or (NOWHERE,):
            place = (finding.verdict, name)
            counts[place] = counts.get(place, 0) + finding.count
            first.setdefault(place, anchors.get(id(finding), ""))
    used = {name for _, name in counts}
    columns = tuple([(name, meaning) for name, meaning in MEANING.items()])
    if NOWHERE in used:
        columns += ((NOWHERE, "nobody died, or a place without a name"),)
    most = max(counts.values(), default=1)
    rows = tuple(
        [
            (verdict, tuple([_cell(counts, first, most, (verdict, name)) for name, _ in columns]))
            for verdict in sorted({verdict for verdict, _ in counts})
        ]
    )
    return Matrix(columns, rows)


def _cell(
    counts: Mapping[tuple[str, str], int], first: Mapping[tuple[str, str], str], most: int, at: tuple[str, str]
) -> Cell:
    count = counts.get(at, 0)
    level = 0 if not count else 1 + min(3, int(3.999 * math.log1p(count) / math.log1p(most)))
    return Cell(count, first.get(at, ""), level)


def coverage_of(report: Report) -> tuple[Coverage, ...]:
    """One entry a scenario and profile; the bars of all share one scale."""
    largest = max((_states(result).legal for result in report.results), default=1)
    return tuple([_coverage(result, largest) for result in report.results])


def _states(result: ScenarioResult) -> Tally:
    total = Tally()
    for tally in result.workloads.values():
        total.add(tally)
    return total


def _coverage(result: ScenarioResult, largest: int) -> Coverage:
    total, full = _states(result), result.total
    scale = max(largest, full.recovery_checked, 1)
    most_faults = max(full.faults_planned, 1)
    return Coverage(
        name=result.name,
        profile=result.profile,
        outcome=str(result.outcome),
        exhaustive=total.exhaustive and bool(result.workloads) and not result.errors,
        kill_points=total.kill_points,
        states=(
            _bar("legal", total.legal, scale, "" if total.legal_exact else "at least "),
            _bar("distinct", total.distinct, scale),
            _bar("checked", total.checked, scale),
        ),
        recovery=_bar("checked", full.recovery_checked, scale),
        recovery_kill_points=full.recovery_kill_points,
        recovery_depths=tuple(sorted((int(depth), count) for depth, count in full.recovery_depths.items())),
        faults=tuple(
            [
                StateBar(label, f"{count:,}", BAR * count / most_faults)
                for label, count in (
                    ("planned", full.faults_planned),
                    ("fired", full.faults_fired),
                    ("told", full.faults_told),
                )
            ]
        )
        if full.faults_planned
        else (),
        examples=full.examples,
        steps=full.steps,
        hit=tuple([(name, full.probes[name]) for name in result.hit]),
        missed=tuple(result.missed),
        workloads=tuple([_workload(name, tally) for name, tally in result.workloads.items()]),
        reasons=tuple(result.reasons),
        errors=tuple(result.errors),
        notes=tuple(full.notes),
        wall_s=result.wall_s,
        violations=len(full.findings),
    )


def _bar(label: str, count: int, scale: int, before: str = "") -> StateBar:
    width = BAR * _log(count) / _log(scale) if count else 0.0
    return StateBar(label, before + in_words(count), width)


def _log(count: int) -> float:
    """log2 of one more, of a number of any size."""
    return math.log2(count + 1) if count < 10**300 else float(count.bit_length())


def _workload(name: str, tally: Tally) -> tuple[str, str, str, str, str, str, str]:
    return (
        name,
        f"{tally.operations:,}",
        f"{tally.kill_points:,}",
        ("" if tally.legal_exact else "≥ ") + in_words(tally.legal),
        in_words(tally.distinct),
        in_words(tally.checked),
        "exhaustive" if tally.exhaustive else "bounded",
    )


def in_words(count: int) -> str:
    """ "1,204", "about 3.2e17": a number of any size."""
    if count < 10**12:
        return f"{count:,}"
    digits = len(text := str(count)) if count < 10**4000 else 0
    return f"about {text[0]}.{text[1]}e{digits - 1}" if digits else f"about 2^{count.bit_length() - 1}"
