"""Rewritten: does a run write into a sector that a failed sync left clean?

A write that changes part of a sector needs the rest of it: from the page cache, as long as that has not forgotten the
page, and from the disk afterwards. Which of the two it was decides what the next sync makes durable.
"""

from collections.abc import Iterable

from harness.disk import SECTOR
from harness.trace import FailedSync, Fdatasync, Fsync, Item, SyncAll, Write


def rewrites_dropped_sector(items: Iterable[Item]) -> bool:
    """Is a sector written in part after a failed sync dropped it?"""
    dirty: dict[int, set[int]] = {}
    dropped: dict[int, set[int]] = {}
    for item in items:
        match item:
            case Write(ino=ino, offset=offset, data=data):
                end = offset + len(data)
                edges = {at // SECTOR for at in (offset, end) if at % SECTOR}
                if edges & dropped.get(ino, set()):
                    return True
                dirty.setdefault(ino, set()).update(range(offset // SECTOR, -(-end // SECTOR)))
            case Fsync(ino=ino) | Fdatasync(ino=ino):
                dirty.pop(ino, None)
            case SyncAll():
                dirty.clear()
            case FailedSync(ino=ino, cache="drop-clean" | "late-report"):
                dropped.setdefault(ino, set()).update(dirty.pop(ino, set()))
    return False
