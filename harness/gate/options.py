"""What a run of the gate is asked to do."""

import os
from typing import Final

import msgspec

DEFAULT_PROFILES: Final = ("process", "strict")
"""The default gate (durability.md, section 3)."""

DEFAULT_EXAMPLES: Final = 200
"""Random histories per scenario and profile where no budget says otherwise."""


class Options(msgspec.Struct, frozen=True):
    """`budget_s` is None for "the floor and the default histories"; `examples` 0 switches random histories off.

    `bound` is the most distinct disks per kill-point before a sweep is `bounded`. `stop_at` ends the run at the first
    finding of that verdict.
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

    @property
    def workers(self) -> int:
        """`jobs`, or the processors this process may use."""
        if self.jobs:
            return self.jobs
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
