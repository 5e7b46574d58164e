"""The result of a run: per scenario and profile what was covered and found, and the one word that sums it up."""

import enum

import msgspec

from harness.explore.tally import Finding, Tally
from harness.gate.part import Part
from harness.gate.shard import Shard


class Outcome(enum.StrEnum):
    HELD = "held"
    VIOLATION = "violation"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    INTERRUPTED = "interrupted"


EXIT_CODES: dict[Outcome, int] = {
    Outcome.HELD: 0,
    Outcome.VIOLATION: 1,
    Outcome.INCONCLUSIVE: 3,
    Outcome.ERROR: 4,
    Outcome.INTERRUPTED: 130,
}
"""2 is a usage error, raised before there is a result."""


class ScenarioResult(msgspec.Struct):
    """One scenario under one profile: `workloads` by name, `total` their sum with faults and histories.

    `reasons` say why the result is inconclusive; `errors` what the harness or the subject failed at by itself. `known`
    are findings that a baseline names: they are told, and fail nothing.
    """

    name: str
    profile: str
    workloads: dict[str, Tally] = msgspec.field(default_factory=dict)
    total: Tally = msgspec.field(default_factory=Tally)
    probes: tuple[str, ...] = ()
    reasons: list[str] = msgspec.field(default_factory=list)
    errors: list[str] = msgspec.field(default_factory=list)
    wall_s: float = 0.0
    known: list[Finding] = msgspec.field(default_factory=list)

    @property
    def missed(self) -> list[str]:
        return [name for name in self.probes if not self.total.probes.get(name)]

    @property
    def hit(self) -> list[str]:
        return sorted(name for name, count in self.total.probes.items() if count)

    @property
    def outcome(self) -> Outcome:
        if self.errors:
            return Outcome.ERROR
        if self.total.findings:
            return Outcome.VIOLATION
        return Outcome.INCONCLUSIVE if self.reasons else Outcome.HELD


class Report(msgspec.Struct):
    """A whole run, or a shard of one, which keeps its `parts` to be joined with those of the others.

    Where several outcomes apply: interrupted, error, violation, inconclusive, held.
    """

    seed: int
    profiles: tuple[str, ...]
    results: list[ScenarioResult] = msgspec.field(default_factory=list)
    interrupted: bool = False
    wall_s: float = 0.0
    shard: Shard | None = None
    parts: list[Part] = msgspec.field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        if self.interrupted:
            return Outcome.INTERRUPTED
        outcomes = {result.outcome for result in self.results}
        for worst in (Outcome.ERROR, Outcome.VIOLATION, Outcome.INCONCLUSIVE):
            if worst in outcomes:
                return worst
        return Outcome.HELD if self.results else Outcome.INCONCLUSIVE

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.outcome]
