"""Advisory locks of one process: flock(2) and open-file-description locks by open file, fcntl(2) locks by process.

A lock lives as long as its open file; a new life begins with none. POSIX record locks (`fcntl.lockf`) never conflict
inside one process, and all of a process's go when it closes any descriptor of the file (fcntl(2)). Byte ranges are not
modelled: an open-file-description lock covers the file.
"""

from typing import Final

SHARED: Final = "shared"
EXCLUSIVE: Final = "exclusive"


class LockTable(dict[int, dict[int, str]]):
    """Who holds which file: inode -> (holder -> mode). False where nobody holds any."""

    __slots__ = ()

    def take(self, ino: int, holder: int, mode: str) -> bool:
        """True when `holder` has the lock now; False when another holder is in the way."""
        holders = self.setdefault(ino, {})
        others = [held for other, held in holders.items() if other != holder]
        if EXCLUSIVE in others or (mode == EXCLUSIVE and others):
            return False
        holders[holder] = mode
        return True

    def release(self, ino: int, holder: int) -> None:
        holders = self.get(ino)
        if holders is not None:
            holders.pop(holder, None)
            if not holders:
                del self[ino]
