"""Versions: the contents of one file that may be found after a crash, counted without listing them."""

import itertools
from collections.abc import Iterable, Iterator
from random import Random
from typing import Final

from harness.disk import SECTOR, File
from harness.durability.contents import FileHistory, Shared
from harness.durability.rows import Row, Version

_COUNTED: Final = 1_000_000
"""Rows times sectors up to which versions are counted row by row: a write of half a mebibyte."""

_SPREAD: Final = 1 << 29
"""Bytes of all versions in one sample: half a gibibyte takes some seconds to build and to read."""

_NEAR: Final = 64
"""Sizes and sectors that a sample takes from each end of many."""


class FileVersions:
    """All versions of one file that hold the units `inside` and none of `outside`.

    One `Row` for each number of sizes that may have survived, made when first asked for: a large write has as many rows
    as sectors, and most questions need few of them.
    """

    __slots__ = (
        "_counts",
        "_history",
        "_inside",
        "_keys",
        "_listed",
        "_outside",
        "_pending",
        "_rows",
        "_shared",
        "_total",
    )

    def __init__(self, history: FileHistory, pending: int, inside: int, outside: int) -> None:
        low = high = 0
        for index, unit in enumerate(history.sizes):
            if not unit.bit & pending or unit.bit & inside:
                low = index + 1
            elif unit.bit & outside:
                break
            high = index + 1
        self._history = history
        self._pending, self._inside, self._outside = pending, inside, outside
        self._counts = range(high, low - 1, -1)
        self._rows: dict[int, Row] = {}
        self._shared: Shared = {}
        self._total: tuple[int, bool] | None = None
        self._listed: list[Version] | None = None
        self._keys: frozenset[int] | None = None

    def row(self, count: int) -> Row:
        """The versions with the first `count` sizes."""
        row = self._rows.get(count)
        if row is None:
            history, shared = self._history, self._shared
            row = self._rows[count] = Row(history, count, self._pending, self._inside, self._outside, shared)
        return row

    def rows(self) -> Iterator[Row]:
        """All rows, the longest chain of sizes first."""
        return map(self.row, self._counts)

    def sizes(self) -> list[int]:
        """The size of each row."""
        sizes, base = self._history.sizes, self._history.base.size
        return [sizes[count - 1].size if count else base for count in self._counts]

    def at_most(self) -> int:
        """The number of versions; too large only where two rows have one size, or `counted` says so."""
        return self._count()[0]

    def counted(self) -> bool:
        """Whether `at_most` counted each row, and did not bound them."""
        return self._count()[1]

    def _count(self) -> tuple[int, bool]:
        if self._total is None:
            if len(self._counts) * len(self._history.sectors) <= _COUNTED:
                self._total = sum(row.count() for row in self.rows()), True
            else:
                self._total = self._bounded(), False
        return self._total

    def _bounded(self) -> int:
        """At least the number of versions: every chain of every sector that a row shows, whatever must be in it."""
        history = self._history
        chains = sorted((sector, len(chain) + 1) for sector, chain in history.sectors.items())
        total, product, shown = 0, 1, 0
        for size in sorted(self.sizes()):
            while shown < len(chains) and chains[shown][0] * SECTOR < size:
                product *= chains[shown][1]
                shown += 1
            total += product
        return total

    def distinct_sizes(self) -> bool:
        sizes = self.sizes()
        return len(set(sizes)) == len(sizes)

    def keys(self) -> frozenset[int]:
        """The keys of all versions; list only what `at_most` says is listable."""
        if self._keys is None:
            self._keys = frozenset(itertools.chain.from_iterable(row.keys() for row in self.rows()))
        return self._keys

    def versions(self) -> list[Version]:
        """All versions, each content once, what survived most first; list only what `at_most` says is listable."""
        if self._listed is None:
            self._listed = list(_once(itertools.chain.from_iterable(row.versions() for row in self.rows())))
        return self._listed

    def spread(self, most: int, chance: Random) -> Iterator[Version]:
        """`most` versions at most, each content once: sizes with all and with none of their data, all sectors but one,
        one sector only, then random ones. Of many sizes and sectors those at both ends, and some between; of large files
        fewer, `_SPREAD` bytes in all.
        """
        enough = max(_NEAR, _SPREAD // max(1, max(self.sizes())))
        return itertools.islice(_once(self._representatives(chance)), min(most, enough))

    def _representatives(self, chance: Random) -> Iterator[Version]:
        longest = self.row(self._counts[0])
        rows = [self.row(count) for count in _ends_and_between(self._counts)]
        for row in rows:
            yield row.plain(whole=True)
        for row in rows:
            yield row.plain(whole=False)
        for index in _ends_and_between(range(len(longest.sides))):
            yield longest.but_one(index, whole=True)
            yield longest.but_one(index, whole=False)
        repeats, seen = 0, set[int]()
        while repeats < 100:
            version = chance.choice(rows).sample(chance)
            repeats = repeats + 1 if version.key in seen else 0
            seen.add(version.key)
            yield version

    def first(self) -> Version:
        """The version in which everything that may survive did."""
        return self.row(self._counts[0]).plain(whole=True)

    def sample(self, chance: Random) -> Version:
        """A random version: any size as likely as another, then mostly holes or mostly whole."""
        return self.row(chance.choice(self._counts)).sample(chance)

    def holds(self, file: File) -> bool:
        fitting = [count for count, size in zip(self._counts, self.sizes(), strict=True) if size == file.size]
        return any(self.row(count).holds(file) for count in fitting)


def _once(versions: Iterable[Version]) -> Iterator[Version]:
    """Each content once."""
    seen: set[int] = set()
    for version in versions:
        if version.key not in seen:
            seen.add(version.key)
            yield version


def _ends_and_between(numbers: range) -> list[int]:
    """All of a few numbers; of many, `_NEAR` at each end and as many between."""
    if len(numbers) <= 3 * _NEAR:
        return list(numbers)
    between = numbers[_NEAR:-_NEAR]
    step = -(-len(between) // _NEAR)
    return [*numbers[:_NEAR], *between[::step], *numbers[-_NEAR:]]


def version_of(history: FileHistory, pending: int, survived: int) -> Version:
    """The version in which exactly the durable units and those of `survived` are."""
    count = 0
    for unit in history.sizes:
        if unit.bit & pending and not unit.bit & survived:
            break
        count += 1
    row = Row(history, count, pending, survived, pending & ~survived)
    return next(iter(row.versions()))
