"""What advice consists of: records for a reader, a terminal, or JSON."""

import enum

import msgspec

from harness.advice.examination import Unmendable
from harness.advice.judged_story import Complaint
from harness.advice.placement import Placement, Sync

PANEL = ("strict", "ext4", "ext4-documented", "xfs", "btrfs")
"""Profiles that each sync is tried under, beside those asked for: "buys nothing under ext4" needs somebody to ask."""


class Answer(enum.StrEnum):
    """Whether the program is missing a sync, in one word."""

    NOTHING = "nothing-missing"
    MISSING = "missing"
    BOUNDED = "inconclusive"
    ERROR = "error"
    INTERRUPTED = "interrupted"


EXIT_CODES = {Answer.NOTHING: 0, Answer.MISSING: 1, Answer.BOUNDED: 3, Answer.ERROR: 4, Answer.INTERRUPTED: 130}


class AddedSync(msgspec.Struct, frozen=True):
    """One sync to add. `matters`: profile -> what is lost without it, the others in place; `nothing`: the profiles under
    which it is not needed; `unknown`: those under which not everything could be looked at."""

    placement: Placement
    text: str
    paths: tuple[str, ...] = ()
    executions: int = 0
    matters: dict[str, str] = msgspec.field(default_factory=dict)
    nothing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class PresentSync(msgspec.Struct, frozen=True):
    """A sync of the program: as for `AddedSync`, with the workloads in which it runs."""

    sync: Sync
    paths: tuple[str, ...]
    executions: int
    workloads: tuple[str, ...]
    matters: dict[str, str] = msgspec.field(default_factory=dict)
    nothing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def superfluous_under(self, profiles: tuple[str, ...]) -> bool:
        """Whether taking it away changes no verdict under any of these."""
        return all(name in self.nothing for name in profiles)


class Advice(msgspec.Struct, kw_only=True):
    """The answer for one scenario.

    `violations`: violating crash states of the program as it is, at each kill-point (`counted` False: of the plainest
    ones); `lacking`: (operation that had to be durable and was not, its line). `missing` makes all violations go away
    but the `unmendable` ones; `verified` says that a sweep with them in place showed so, `smallest` that no smaller set
    does. `complete` is False where a bound or the budget left something out of that; `notes` say what.
    """

    scenario: str
    profiles: tuple[str, ...]
    panel: tuple[str, ...]
    workloads: tuple[str, ...] = ()
    violations: int = 0
    counted: bool = True
    complaints: list[Complaint] = msgspec.field(default_factory=list)
    lacking: list[tuple[str, str]] = msgspec.field(default_factory=list)
    missing: list[AddedSync] = msgspec.field(default_factory=list)
    unmendable: list[Unmendable] = msgspec.field(default_factory=list)
    syncs: list[PresentSync] = msgspec.field(default_factory=list)
    verified: bool = False
    smallest: bool = True
    complete: bool = True
    interrupted: bool = False
    notes: list[str] = msgspec.field(default_factory=list)
    errors: list[str] = msgspec.field(default_factory=list)
    restarts: int = 0
    wall_s: float = 0.0

    @property
    def superfluous(self) -> list[PresentSync]:
        """The syncs that buy nothing under any of the profiles asked for."""
        return [sync for sync in self.syncs if sync.superfluous_under(self.profiles)]

    @property
    def answer(self) -> Answer:
        if self.interrupted:
            return Answer.INTERRUPTED
        if self.errors:
            return Answer.ERROR
        if self.violations or self.missing:
            return Answer.MISSING
        return Answer.NOTHING if self.complete else Answer.BOUNDED
