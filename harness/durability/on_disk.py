"""On disk: what of one file is durable for certain while a process runs, and what its cache shows after a failed sync.

Follows the file through a trace, sector by sector: a sync that returned 0 writes the dirty sectors, one that failed
leaves them clean and unwritten (durability.md, section 4; Rebello et al., ATC'20, section 3.3). Sizes are taken as
persisted ("size and mapping persisted": evicted appended data reads as zeros), so only data can be missing.

Not modelled: what a file system writes back by itself, or along with the sync of another file; for a reader after a
failure that is the worst case, and it is what every profile allows.
"""

from collections.abc import Iterable, Iterator

from harness.disk import SECTOR, File
from harness.trace import Evict, FailedSync, Fdatasync, Fsync, Item, Revert, SyncAll, Truncate, Write


class Durable:
    """The file `ino` as the disk has it. `durable`: after the last sync; `blocks`: the same under the sizes since.

    `dirty`: the sectors that differ in the cache and will be written by the next sync. `changed`: anything since then?
    """

    def __init__(self, ino: int, content: bytes) -> None:
        self.ino = ino
        self.durable = content
        self.blocks = bytearray(content)
        self.dirty: set[int] = set()
        self.changed = False
        self._cache = bytearray(content)

    def after(self, items: Iterable[Item]) -> "Durable":
        """Follow the operations on this file; returns itself."""
        for item in items:
            if isinstance(item, SyncAll) or getattr(item, "ino", 0) == self.ino:
                self._follow(item)
        return self

    def _follow(self, item: Item) -> None:
        match item:
            case Write(offset=offset, data=data):
                end = offset + len(data)
                self._resize(max(len(self._cache), end))
                self._cache[offset:end] = data
                self.changed = True
                self.dirty.update(range(offset // SECTOR, -(-end // SECTOR)))
            case Truncate(size=size):
                self._resize(size)
                self.changed = True
            case Fsync() | Fdatasync() | SyncAll():
                for sector in self.dirty:
                    self.blocks[_span(sector)] = self._cache[_span(sector)]
                self.durable = bytes(self.blocks)
                self.dirty.clear()
                self.changed = False
            case FailedSync(cache="drop-clean" | "late-report"):
                self.dirty.clear()
            case Evict(pieces=pieces):
                self._put(pieces)
            case Revert(size=size, pieces=pieces):
                self._resize(size)
                self._put(pieces)
                self.durable, self.blocks = bytes(self._cache), bytearray(self._cache)
                self.dirty.clear()
                self.changed = False

    def _resize(self, size: int) -> None:
        for content in (self._cache, self.blocks):
            del content[size:]
            content += bytes(size - len(content))
        self.dirty = {sector for sector in self.dirty if sector * SECTOR < size}

    def _put(self, pieces: tuple[tuple[int, bytes], ...]) -> None:
        for offset, data in pieces:
            self._cache[offset : offset + len(data)] = data


def evicted(ino: int, cached: File, disk: Durable) -> Evict | None:
    """What reads show once the cache has dropped all clean pages; None where that is what it shows already."""
    pieces = tuple(
        (offset, block)
        for offset, block in _differing(cached.data, bytes(disk.blocks))
        if offset // SECTOR not in disk.dirty
    )
    return Evict(ino, pieces) if pieces else None


def reverted(ino: int, cached: File, disk: Durable) -> Revert | None:
    """The way back to what was durable; None where nothing has changed since."""
    if not disk.changed:
        return None
    size = len(disk.durable)
    pieces = tuple(_differing(cached.truncate(size).data, disk.durable))
    return Revert(ino, size, pieces) if pieces or size != cached.size else None


def _differing(shown: bytes, wanted: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of each sector of `wanted` that `shown`, of the same size, has otherwise."""
    for offset in range(0, len(wanted), SECTOR):
        if shown[offset : offset + SECTOR] != wanted[offset : offset + SECTOR]:
            yield offset, wanted[offset : offset + SECTOR]


def _span(sector: int) -> slice:
    return slice(sector * SECTOR, (sector + 1) * SECTOR)
