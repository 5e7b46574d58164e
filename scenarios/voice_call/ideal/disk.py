"""The ideal disk, and the outside world that it survives in.

A commit is one value that is there or not: no torn writes, no caches, no errors. To the harness it shows as one
`sync(2)`, which cannot fail and changes nothing, so that there is a kill-point between any two commits; the commit
itself comes after it. One writer at a time: who holds the pen is forgotten when the process dies.
"""

import os
from typing import Any

from harness.scenario import Run
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.provider import Provider


class IdealDisk:
    """Commits in their order. `commits` is replaced, never changed, so a snapshot may keep it."""

    def __init__(self) -> None:
        self.commits: tuple[bytes, ...] = ()
        self._holder: Pen | None = None

    def open(self) -> "Pen":
        """The right to write. Raises StoreUnavailable while somebody else in this process has it."""
        if self._holder is not None:
            raise StoreUnavailable("the ideal disk has a writer already: stop that manager first")
        self._holder = Pen(self)
        return self._holder

    def holds(self, pen: "Pen") -> bool:
        """Whether this pen still writes."""
        return self._holder is pen

    def let_go(self) -> None:
        """The process is gone, or its manager was stopped: somebody else may write."""
        self._holder = None


class Pen:
    """One manager's right to write."""

    def __init__(self, disk: IdealDisk) -> None:
        self._disk = disk

    @property
    def count(self) -> int:
        """How many commits there are: the number of the next one."""
        return len(self._disk.commits)

    def read(self) -> tuple[bytes, ...]:
        """All commits, in their order."""
        return self._disk.commits

    def commit(self, value: bytes) -> None:
        """Durable when this returns. Raises StoreUnavailable for a manager whose time is over."""
        if not self._disk.holds(self):
            raise StoreUnavailable("this manager was stopped: its successor writes now")
        os.sync()
        self._disk.commits = (*self._disk.commits, value)

    def close(self) -> None:
        """Give the right back. A second time changes nothing."""
        if self._disk.holds(self):
            self._disk.let_go()


class IdealProvider(Provider):
    """The provider, and beside it the disk: both outlive the process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.disk = IdealDisk()

    def attach(self, run: Run) -> None:
        super().attach(run)
        self.disk.let_go()

    def snapshot(self) -> Any:
        return (super().snapshot(), self.disk.commits)

    def restore(self, snapshot: Any) -> None:
        provider, self.disk.commits = snapshot
        self.disk.let_go()
        super().restore(provider)
