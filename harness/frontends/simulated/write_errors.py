"""Write errors: what a kernel remembers of syncs that failed, and what the page cache shows afterwards.

Who is told follows Linux's `errseq_t` (Documentation/core-api/errseq.rst): a failure is reported once to each open file
description that was open when it was first reported, at its own next sync; one opened later is told nothing. A failure
that nobody was told of ("late-report", where the first sync returns 0) is told to whoever syncs the file next. FreeBSD
("stay-dirty") keeps no such record. What the cache shows afterwards is `harness.durability.on_disk`.

Not modelled: errors of the kernel's own write-back between two calls of the subject; folders, whose entries stay
pending however their sync fails; what an earlier, killed process had not synced (here it counts as durable).
"""

from typing import TYPE_CHECKING, NamedTuple

from harness.disk import File
from harness.durability.on_disk import Durable, evicted, reverted
from harness.frontends.simulated.paths import VOLATILE, os_error
from harness.trace import CachePolicy, FailedSync

if TYPE_CHECKING:
    from harness.frontends.simulated.descriptors import OpenFile
    from harness.frontends.simulated.injection import Outcome
    from harness.frontends.simulated.kernel import Kernel


class _Debt(NamedTuple):
    """An error that somebody has still to be told of, and what the sync that tells it leaves in the cache."""

    errno: int
    cache: CachePolicy | None


class WriteErrors:
    """The failures of one process's disk. `looked`: a file was read after pages of it had been left clean."""

    __slots__ = ("_disks", "_kernel", "_left_clean", "_owed", "_unseen", "looked")

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self._unseen: dict[int, int] = {}
        self._owed: dict[OpenFile, int] = {}
        self._left_clean: set[int] = set()
        self._disks: dict[int, tuple[Durable, int]] = {}
        self.looked = False

    def look_at(self, ino: int) -> None:
        """The content of `ino` is being read."""
        if ino in self._left_clean:
            self.looked = True

    def tell(self, open_file: "OpenFile") -> None:
        """A sync in whose way nothing stands by itself: raises an error that this description is owed."""
        debt = self._take(open_file)
        if debt is not None:
            self._fail(open_file, debt.errno, debt.cache)
            raise os_error(debt.errno)

    def fail(self, open_file: "OpenFile", outcome: "Outcome") -> None:
        """A sync that a fault makes fail: raises its error, or returns where that is told later."""
        number = outcome.errno
        assert number is not None
        cache: CachePolicy = getattr(outcome, "cache", "drop-clean")
        debt = self._take(open_file)
        if cache == "late-report":
            self._unseen[open_file.ino] = number
            number = debt.errno if debt is not None else 0
        self._fail(open_file, number, cache)
        if getattr(outcome, "forgets", "never") == "at once":
            self._forget(open_file.ino)
        if number:
            if cache not in ("late-report", "stay-dirty"):
                self._owe_others(open_file, number)
            raise os_error(number)

    def fail_close(self, open_file: "OpenFile", outcome: "Outcome") -> None:
        """A close that a fault makes fail: of what was never synced the error is that of the write-back."""
        kept = self._kernel.recording and open_file.writable and 0 <= open_file.ino < VOLATILE
        if kept and self._durable(open_file.ino).dirty:
            number = outcome.errno
            assert number is not None
            self._fail(open_file, number, getattr(outcome, "cache", "drop-clean"))
            if getattr(outcome, "forgets", "never") == "at once":
                self._forget(open_file.ino)
            self._owe_others(open_file, number)

    def _take(self, open_file: "OpenFile") -> _Debt | None:
        unseen = self._unseen.pop(open_file.ino, None)
        owed = self._owed.pop(open_file, None)
        if unseen is not None:
            self._owe_others(open_file, unseen)
            return _Debt(unseen, "late-report")
        return _Debt(owed, None) if owed is not None else None

    def _owe_others(self, told: "OpenFile", number: int) -> None:
        for other in self._kernel.descriptors.values():
            if other.ino == told.ino and other is not told:
                self._owed[other] = number

    def _fail(self, open_file: "OpenFile", number: int, cache: CachePolicy | None) -> None:
        kernel, ino = self._kernel, open_file.ino
        kernel.record(FailedSync(ino, number, cache or "untouched"))
        if cache in ("drop-clean", "late-report"):
            self._left_clean.add(ino)
        elif cache == "revert" and ino < VOLATILE and isinstance(kernel.nodes[ino], File):
            change = reverted(ino, open_file.file, self._durable(ino))
            if change is not None:
                kernel.record(change)

    def _forget(self, ino: int) -> None:
        kernel = self._kernel
        node = kernel.nodes[ino]
        if ino < VOLATILE and isinstance(node, File):
            change = evicted(ino, node, self._durable(ino))
            if change is not None:
                kernel.record(change)

    def _durable(self, ino: int) -> Durable:
        """Followed from where the last question left it: a retry loop asks again and again."""
        kernel = self._kernel
        disk, followed = self._disks.get(ino, (None, 0))
        if disk is None:
            node = kernel.first_node(ino)
            disk = Durable(ino, node.data if isinstance(node, File) else b"")
        items = kernel.own_items(followed)
        self._disks[ino] = disk.after(items), followed + len(items)
        return disk
