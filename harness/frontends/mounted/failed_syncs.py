"""Failed syncs: who is told of them, and what the page cache of the mounted folder shows afterwards.

The rules are those of the simulated frontend (`harness.frontends.simulated.write_errors`): a failure is told once to each
open file that was open when it was first told (errseq_t), a failure that nobody was told of to whoever syncs next, and
what is read afterwards is `harness.durability.on_disk` (durability.md, section 4; Rebello et al., ATC'20).

Not modelled: what a shared mapping shows after an eviction, or a page cache between the program and the mount.
"""

from harness.disk import DiskImage, File
from harness.durability.on_disk import Durable, evicted, reverted
from harness.faults import Outcome
from harness.frontends.mounted.choke_point import ChokePoint
from harness.frontends.mounted.handles import Handle, Handles
from harness.frontends.mounted.inodes import Inode, InodeTable
from harness.trace import CachePolicy, Evict, FailedSync, Revert


class FailedSyncs:
    """The failures of one mounted disk."""

    def __init__(self, table: InodeTable, choke: ChokePoint, handles: Handles) -> None:
        self._table = table
        self._choke = choke
        self._handles = handles
        self._unseen: dict[int, int] = {}
        self._owed: dict[int, int] = {}

    def tell(self, inode: Inode, handle: Handle | None) -> None:
        """A sync in whose way nothing stands by itself: raises an error that this open file is owed."""
        unseen = self._unseen.pop(inode.ino, None)
        owed = self._owed.pop(handle.number, None) if handle is not None else None
        if unseen is not None:
            self._owe_others(inode, handle, unseen)
            self._choke.record(FailedSync(inode.ino, unseen, "late-report"))
            raise OSError(unseen, "the error of an earlier sync")
        if owed is not None:
            self._choke.record(FailedSync(inode.ino, owed, "untouched"))
            raise OSError(owed, "the error of an earlier sync")

    def fail(self, inode: Inode, handle: Handle | None, outcome: Outcome) -> None:
        """A sync that a fault makes fail: raises its error, or returns where that is told later."""
        number = outcome.errno
        assert number is not None
        unseen = self._unseen.pop(inode.ino, None)
        owed = self._owed.pop(handle.number, None) if handle is not None else None
        cache: CachePolicy = outcome.cache
        if cache == "late-report":
            self._unseen[inode.ino] = number
            number = unseen or owed or 0
        self._choke.record(FailedSync(inode.ino, number, cache))
        if cache == "revert" and inode.is_file:
            self._change(inode, reverted(inode.ino, File(bytes(inode.data)), self._durable(inode)))
        if outcome.forgets == "at once" and inode.is_file:
            self._change(inode, evicted(inode.ino, File(bytes(inode.data)), self._durable(inode)))
        if number:
            if cache not in ("late-report", "stay-dirty"):
                self._owe_others(inode, handle, number)
            raise OSError(number, "a fault of the plan")

    def closed(self, handle: Handle) -> None:
        self._owed.pop(handle.number, None)

    def _owe_others(self, inode: Inode, told: Handle | None, number: int) -> None:
        for other in self._handles.on(inode):
            if other is not told:
                self._owed[other.number] = number

    def _durable(self, inode: Inode) -> Durable:
        trace = self._choke.trace
        before = DiskImage.made_by(trace.base).nodes.get(inode.ino)
        return Durable(inode.ino, before.data if isinstance(before, File) else b"").after(trace.items)

    def _change(self, inode: Inode, change: Evict | Revert | None) -> None:
        if change is None:
            return
        self._choke.record(change)
        if isinstance(change, Revert):
            del inode.data[change.size :]
            inode.data += bytes(change.size - len(inode.data))
        for offset, data in change.pieces:
            inode.data[offset : offset + len(data)] = data
