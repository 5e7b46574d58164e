"""Advisory locks of one process: flock(2) and open-file-description locks by open file, fcntl(2) locks by process.

A lock lives as long as its open file; a new life begins with none. POSIX record locks (`fcntl.lockf`) never conflict
inside one process, and all of a process's go when it closes any descriptor of the file (fcntl(2)). Byte ranges are not
modelled: an open-file-description lock covers the file.
"""

from typing import Final

SHARED: Final = "shared"
EXCLUSIVE: Final = "exclusive"


class LockTable:
    """Who holds which file: inode -> (holder -> mode)."""

    __slots__ = ("_holders",)

    def __init__(self) -> None:
        self._holders: dict[int, dict[int, str]] = {}

    def take(self, ino: int, holder: int, mode: str) -> bool:
        """True when `holder` has the lock now; False when another holder is in the way."""
        holders = self._holders.setdefault(ino, {})
        others = [held for other, held in holders.items() if other != holder]
        if EXCLUSIVE in others or (mode == EXCLUSIVE and others):
            return False
        holders[holder] = mode
        return True

    def release(self, ino: int, holder: int) -> None:
        holders = self._holders.get(ino)
        if holders is not None:
            holders.pop(holder, None)
            if not holders:
                del self._holders[ino]

    def __bool__(self) -> bool:
        return bool(self._holders)
