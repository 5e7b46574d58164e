"""Byte cuts: appends that stopped at one of their bytes (durability.md, section 3, "tears").

Clean prefixes of one pending append, combined only with "everything earlier survived" and with "only what had to":
crossing them freely with everything else multiplies and finds nothing more. At most 2L states for an append of L bytes;
each is made when somebody asks for it, and its key costs one sector.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from harness.disk import SECTOR, File, sector_key, size_key
from harness.durability.pending import Append
from harness.durability.scenes import file_at
from harness.durability.trees import CrashImage, StateKey, Tree

KEPT_WHOLE: Final = 512
"""Bytes at each end of an append that a sample of its cuts does not thin out."""


class ByteCuts:
    """The byte cuts of one append on one base: `tree` and `image` are those of the base."""

    __slots__ = ("_file", "_full", "_image", "_index", "_keys", "_tree", "append", "lengths")

    def __init__(self, append: Append, tree: Tree, image: CrashImage, lengths: Sequence[int]) -> None:
        self.append: Final = append
        self._tree: Final = tree
        self._image: Final = image
        self._index: Final = tree.files.index(append.ino) + 1 if append.ino in tree.files else 0
        # Where the file has no name on this base, what it holds cannot be seen: one state stands for all cuts.
        self.lengths: Final = lengths if self._index else lengths[:1]
        self._file: File | None = None
        self._full: list[int] = []
        self._keys: list[StateKey] = []

    def thinned(self, most: int) -> "ByteCuts":
        """At most about `most` of the cuts: those near the ends, and some between."""
        lengths = self.lengths
        if len(lengths) <= most:
            return self
        near = min(KEPT_WHOLE, max(1, most // 4))
        step = -(-(len(lengths) - 2 * near) // max(1, most - 2 * near))
        kept = [*lengths[:near], *lengths[near:-near:step], *lengths[-near:]]
        return ByteCuts(self.append, self._tree, self._image, kept)

    def keys(self) -> list[StateKey]:
        """The key of each, shortest first: worked out once, for those who count and those who list."""
        if not self._keys:
            self._keys = [self._key(length) for length in self.lengths]
        return self._keys

    def images(self) -> Iterator[tuple[int, CrashImage]]:
        """The length of each and the disk on which that many bytes of the append are, shortest first."""
        if not self._index:
            for length in self.lengths:
                yield length, self._image
            return
        base, ino, offset, index = self._image.nodes, self.append.ino, self.append.offset, self._index
        files, places, buffer, keyed = self._tree.files, self._tree.places, self._whole().buffer, File.keyed
        for length, key in zip(self.lengths, self.keys(), strict=True):
            nodes = base.copy()
            nodes[ino] = keyed(buffer, offset + length, key[index])
            yield length, CrashImage(nodes, key, files, places)

    def holds(self, image: CrashImage) -> bool:
        """Is `image` one of the cuts? Only the cut of its size is looked at, however many there are."""
        if not self._index:
            return bool(self.lengths) and image.state_key == self._image.state_key
        if image.state_key[0] != self._tree.shape:
            return False
        length = file_at(image.nodes, image.files[self._index - 1]).size - self.append.offset
        at = bisect_left(self.lengths, length)
        return at < len(self.lengths) and self.lengths[at] == length and self._key(length) == image.state_key

    def image(self, length: int) -> CrashImage:
        """The disk on which `length` bytes of the append are."""
        if not self._index:
            return self._image
        key = self._key(length)
        nodes = dict(self._image.nodes)
        nodes[self.append.ino] = File.keyed(self._whole().buffer, self.append.offset + length, key[self._index])
        return CrashImage(nodes, key, self._tree.files, self._tree.places)

    def _key(self, length: int) -> StateKey:
        index, key = self._index, self._image.state_key
        if not index:
            return key
        size = self.append.offset + length
        last, rest = divmod(size, SECTOR)
        end = self._whole().buffer[size - rest : size]
        file_key = self._below(last) ^ sector_key(last, end) ^ size_key(size)
        return (*key[:index], file_key, *key[index + 1 :])

    def _whole(self) -> File:
        """The file with the whole append on the base."""
        if self._file is None:
            append = self.append
            whole, start = append.after, file_at(self._image.nodes, append.ino)
            if start.key != whole.truncate(append.offset).key:
                # Something earlier of this file is missing: the prefix stands on that.
                whole = start.write(append.offset, whole.read(append.offset, append.length))
            self._file = whole
        return self._file

    def _below(self, sector: int) -> int:
        """What the whole sectors below `sector` contribute to the file's key."""
        full, index = self._full, sector - self.append.offset // SECTOR
        if index < len(full):
            return full[index]
        first = sector - index
        if not full:
            start = self._whole().truncate(first * SECTOR)
            full.append(start.key ^ size_key(start.size))
        while len(full) <= index:
            number = first + len(full) - 1
            full.append(full[-1] ^ sector_key(number, self._whole().read(number * SECTOR, SECTOR)))
        return full[index]
