"""Failed syncs: a journal of JSON lines on disks whose fsync fails, and the classic mistakes around that.

`FailedSync` is the scenario's class, loaded when first asked for: the journal is a program of its own.
"""

from typing import Any

__all__ = ["FailedSync"]


def __getattr__(name: str) -> Any:
    if name == "FailedSync":
        from scenarios.failed_sync.scenario import FailedSync

        return FailedSync
    raise AttributeError(f"module 'scenarios.failed_sync' has no attribute {name!r}")
