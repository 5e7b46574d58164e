"""One case as data: all that is needed to play it again, and what was found. The content of a repro file."""

from typing import Any, TypeAlias

import msgspec

from harness.durability.state import CrashState
from harness.faults import FaultPlan

Json: TypeAlias = Any
"""A JSON value. Its recursive type is more than msgspec can check; whoever reads an argument checks it."""


class Step(msgspec.Struct, frozen=True):
    """One step of a random history: an action of the scenario, or one of the harness (see `harness.statemachine`)."""

    do: str
    arguments: dict[str, Json] = msgspec.field(default_factory=dict)


class Death(msgspec.Struct, frozen=True):
    """A death after `position` items of the current trace; `state` is the disk that was found."""

    position: int
    state: CrashState


class SavedCase(msgspec.Struct, frozen=True):
    """Scenario, seed, faults, history and deaths; then the verdict that must show again, and in which phase.

    Without `deaths` and `history` it is the clean end of the workload. `steps` (if any) replace the workload's own.
    `profile` is that of the first power cut; `trace_digest` covers the traces of all lives.
    """

    scenario: str
    workload: str
    seed: int
    profile: str
    verdict: str
    guarantee: str
    summary: str
    phase: str
    deaths: tuple[Death, ...] = ()
    plan: FaultPlan | None = None
    recovery_plan: FaultPlan | None = None
    steps: tuple[Step, ...] = ()
    trace_digest: str = ""
    sources: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def length(self) -> int:
        """Workload, fault and death steps; settling does not count. A recorded workload counts as one."""
        return max(1, len(self.steps)) + (self.plan is not None) + (self.recovery_plan is not None) + len(self.deaths)
