"""What a run of the gate is asked to do."""

import os
from collections.abc import Iterable
from typing import Final

import msgspec

from harness.gate.shard import Shard

DEFAULT_PROFILES: Final = ("process", "strict")
"""The default gate (durability.md, section 3)."""

DEFAULT_EXAMPLES: Final = 200
"""Random histories per scenario and profile where no budget says otherwise."""

ANY_VERDICT: Final = "any"


class Options(msgspec.Struct, frozen=True):
    """`budget_s` is None for "the floor and the default histories"; `examples` 0 switches random histories off.

    `bound` is the most distinct disks per kill-point before a sweep is `bounded`. `stop_at` ends the run at the first
    finding of that verdict (ANY_VERDICT: of whichever). `quick`: a sample instead of the floor (harness.gate.sample).
    `executor` is the address of a cluster ("dask://HOST:PORT") instead of `jobs` processes, `resume` the folder of a
    journal; empty for neither. `recovery_depth` is None for what the scenario says.
    `double_faults`: faults hit recoveries as well, and come in pairs.
    """

    profiles: tuple[str, ...] = DEFAULT_PROFILES
    seed: int = 0
    budget_s: float | None = None
    jobs: int = 0
    faults: bool = True
    examples: int = DEFAULT_EXAMPLES
    bound: int = 65_536
    stop_at: str | None = None
    check_determinism: bool = True
    quick: bool = False
    executor: str = ""
    shard: Shard | None = None
    resume: str = ""
    recovery_depth: int | None = None
    double_faults: bool = False

    @property
    def workers(self) -> int:
        """`jobs`, or the processors this process may use."""
        if self.jobs:
            return self.jobs
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


def ends(stop_at: str | None, verdicts: Iterable[str]) -> bool:
    """Whether a run that stops at `stop_at` is over, these verdicts having been found."""
    return stop_at is not None and any(stop_at in (ANY_VERDICT, verdict) for verdict in verdicts)
