"""Handles: the open files of a mounted folder, one for each open file description."""

from collections.abc import Iterator

from harness.frontends.mounted.inodes import Inode
from harness.frontends.mounted.listing import Listed


class Handle:
    """One open file or folder. `owed_errno`: the error that its next write gets. `listed`: names being listed."""

    __slots__ = ("flags", "inode", "listed", "number", "owed_errno")

    def __init__(self, number: int, inode: Inode, flags: int) -> None:
        self.number = number
        self.inode = inode
        self.flags = flags
        self.owed_errno = 0
        self.listed: list[Listed] | None = None


class Handles:
    """Open files by number. A file with a handle lives on without a name."""

    def __init__(self) -> None:
        self._open: dict[int, Handle] = {}
        self._last = 0

    def open(self, inode: Inode, flags: int) -> Handle:
        self._last += 1
        handle = self._open[self._last] = Handle(self._last, inode, flags)
        inode.handles += 1
        return handle

    def get(self, number: int) -> Handle | None:
        return self._open.get(number)

    def close(self, number: int) -> Handle | None:
        handle = self._open.pop(number, None)
        if handle is not None:
            handle.inode.handles -= 1
        return handle

    def on(self, inode: Inode) -> Iterator[Handle]:
        """The open files on this inode."""
        return (handle for handle in self._open.values() if handle.inode is inode)
