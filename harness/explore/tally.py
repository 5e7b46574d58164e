"""What a sweep covered and what it found, in records that add up: chunks of work join into one result."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from harness.explore.saved_case import SavedCase
from harness.trace import Source


class Finding(msgspec.Struct, frozen=True):
    """One violation, where it happened, and the case that shows it again.

    `operation` had not reached the disk (or was the last one before a process death), `source` issued it, `profiles`
    are those that expose it. `where` names the kill-point (K0 … K11). `count`: cases of the run in the same group.
    `place` is `source` with the whole path of its file, for those who link to it.
    """

    verdict: str
    guarantee: str
    summary: str
    phase: str
    workload: str
    kill_point: int
    operation: str
    source: str
    profiles: tuple[str, ...]
    case: SavedCase
    fault: str = ""
    count: int = 1
    where: tuple[str, ...] = ()
    place: Source | None = None

    @property
    def group(self) -> tuple[str, str, str]:
        """Findings with the same cause: verdict, guarantee, source line."""
        return (self.verdict, self.guarantee, self.source)


class Tally(msgspec.Struct):
    """Coverage of crash states of one workload under one profile; chunks add up with `add`.

    `recovered_twice`: of `checked`, how many were recovered from once more, after settling. `recovery_depths`: of
    `recovery_checked`, how many follow how many deaths in a row that hit recoveries.
    `double_*`: pairs of faults in one run; `recovery_faults_*`: faults that hit a recovery; `possible` before sampling.
    `complete` is False for a chunk that was ended before all of it was done.
    """

    operations: int = 0
    kill_points: int = 0
    legal: int = 0
    legal_exact: bool = True
    distinct: int = 0
    checked: int = 0
    exhaustive: bool = True
    complete: bool = True
    recovery_kill_points: int = 0
    recovery_checked: int = 0
    recovered_twice: int = 0
    recovery_depths: dict[str, int] = msgspec.field(default_factory=dict)
    faults_planned: int = 0
    faults_fired: int = 0
    faults_told: int = 0
    double_possible: int = 0
    double_planned: int = 0
    double_fired: int = 0
    double_told: int = 0
    recovery_faults_possible: int = 0
    recovery_faults_planned: int = 0
    recovery_faults_fired: int = 0
    recovery_faults_told: int = 0
    examples: int = 0
    steps: int = 0
    wall_s: float = 0.0
    probes: dict[str, int] = msgspec.field(default_factory=dict)
    findings: list[Finding] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Join another chunk. `operations` is a property of the workload, not of a chunk: the caller sets it."""
        self.kill_points += other.kill_points
        self.legal += other.legal
        self.legal_exact &= other.legal_exact
        self.distinct += other.distinct
        self.checked += other.checked
        self.exhaustive &= other.exhaustive
        self.complete &= other.complete
        self.recovery_kill_points += other.recovery_kill_points
        self.recovery_checked += other.recovery_checked
        self.recovered_twice += other.recovered_twice
        for depth, count in other.recovery_depths.items():
            self.recovery_depths[depth] = self.recovery_depths.get(depth, 0) + count
        self.faults_planned += other.faults_planned
        self.faults_fired += other.faults_fired
        self.faults_told += other.faults_told
        self.double_possible += other.double_possible
        self.double_planned += other.double_planned
        self.double_fired += other.double_fired
        self.double_told += other.double_told
        self.recovery_faults_possible += other.recovery_faults_possible
        self.recovery_faults_planned += other.recovery_faults_planned
        self.recovery_faults_fired += other.recovery_faults_fired
        self.recovery_faults_told += other.recovery_faults_told
        self.examples += other.examples
        self.steps += other.steps
        self.wall_s += other.wall_s
        for name, count in other.probes.items():
            self.probes[name] = self.probes.get(name, 0) + count
        for finding in other.findings:
            self.note(finding)
        self.notes += [note for note in other.notes if note not in self.notes]

    def deaths_at(self, depth: int) -> None:
        """A disk was judged that a death at this depth of recoveries left."""
        self.recovery_depths[str(depth)] = self.recovery_depths.get(str(depth), 0) + 1

    def note(self, finding: Finding) -> None:
        """Keep one finding a group: the one with the shortest case; count the rest."""
        for index, known in enumerate(self.findings):
            if known.group == finding.group:
                keep, drop = (known, finding) if known.case.length <= finding.case.length else (finding, known)
                self.findings[index] = msgspec.structs.replace(keep, count=keep.count + drop.count)
                return
        self.findings.append(finding)

    @property
    def states_per_s(self) -> float:
        return self.checked / self.wall_s if self.wall_s else 0.0


Stop: TypeAlias = Callable[[Tally], bool]
"""Asked after each case: True ends a sweep there."""


def never(_: Tally) -> bool:
    return False
