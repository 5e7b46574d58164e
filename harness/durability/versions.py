"""Versions: the contents of one file that may be found after a crash, counted without listing them."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Final

from harness.disk import SECTOR, File
from harness.durability.contents import FileHistory, Shared, reach
from harness.durability.looks import Span
from harness.durability.rows import Row, Version
from harness.durability.strips import Strip

_COUNTED: Final = 1_000_000
"""Rows times sectors up to which versions are counted row by row: a write of half a mebibyte."""

_SPREAD: Final = 1 << 29
"""Bytes of all versions in one sample: half a gibibyte takes some seconds to build and to read."""

_NEAR: Final = 64
"""Sizes and sectors that a sample takes from each end of many."""


KEPT: Final = 16 * 2**20
"""Bytes that the versions of one file keep of what they have built: a million states must not fill the memory."""


class FileVersions:
    """All versions of one file that hold the units `inside` and none of `outside`.

    One `Row` for each number of sizes that may have survived (`counts`, the most first), made when first asked for: a
    large write has as many rows as sectors, and most questions need few of them.
    """

    __slots__ = (
        "_history",
        "_inside",
        "_keys",
        "_largest",
        "_listed",
        "_outside",
        "_pending",
        "_rows",
        "_shared",
        "_total",
        "_ways",
        "counts",
    )

    def __init__(self, history: FileHistory, pending: int, inside: int, outside: int) -> None:
        low, high = reach(history.sizes, pending, inside, outside)
        history.room = KEPT
        self._history = history
        self._pending, self._inside, self._outside = pending, inside, outside
        self.counts = range(high, low - 1, -1)
        self._rows: dict[int, Row] = {}
        self._shared: Shared = {}
        self._largest = -1
        self._total: tuple[int, bool] | None = None
        self._listed: list[Version] | None = None
        self._keys: frozenset[int] | None = None
        self._ways: dict[int, int] | None = None

    def row(self, count: int) -> Row:
        """The versions with the first `count` sizes."""
        row = self._rows.get(count)
        if row is None:
            history, shared = self._history, self._shared
            row = self._rows[count] = Row(history, count, self._pending, self._inside, self._outside, shared)
        return row

    def strip(self, count: int, span: Span) -> Strip:
        """What a look at `span` shows of the versions with the first `count` sizes."""
        history, shared = self._history, self._shared
        return Strip(history, count, self._pending, self._inside, self._outside, shared, span)

    def sectors_in(self, span: Span) -> int:
        """How many sectors with pending data a look at `span` may show, at most."""
        return min(span.last - span.first, len(self._history.sectors))

    def size_of(self, count: int) -> int:
        return self._history.sizes[count - 1].size if count else self._history.base.size

    def ways(self) -> int:
        """How many sets of the file's units there are."""
        return sum(row.ways({}) for row in self.rows())

    def keyed_ways(self) -> dict[int, int]:
        """Key of a version -> how many sets of units give it; list only what `at_most` says is listable."""
        if self._ways is None:
            self._ways = {}
            for row in self.rows():
                for key, ways in row.keyed_ways({}):
                    self._ways[key] = self._ways.get(key, 0) + ways
        return self._ways

    def rows(self) -> Iterator[Row]:
        """All rows, the longest chain of sizes first."""
        return map(self.row, self.counts)

    def sizes(self) -> list[int]:
        """The size of each row."""
        return [self.size_of(count) for count in self.counts]

    def largest(self) -> int:
        """The size of the longest version."""
        if self._largest < 0:
            self._largest = max(self.sizes())
        return self._largest

    def at_most(self) -> int:
        """The number of versions; too large only where two rows have one size, or `counted` says so."""
        return self._count()[0]

    def counted(self) -> bool:
        """Whether `at_most` counted each row, and did not bound them."""
        return self._count()[1]

    def _count(self) -> tuple[int, bool]:
        if self._total is None:
            if len(self.counts) * len(self._history.sectors) <= _COUNTED:
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
        longest = self.row(self.counts[0])
        rows = [self.row(count) for count in ends_and_between(self.counts)]
        for row in rows:
            yield row.plain(whole=True)
        for row in rows:
            yield row.plain(whole=False)
        for index in ends_and_between(range(len(longest.sides))):
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
        return self.row(self.counts[0]).plain(whole=True)

    def sample(self, chance: Random) -> Version:
        """A random version: any size as likely as another, then mostly holes or mostly whole."""
        return self.row(chance.choice(self.counts)).sample(chance)

    def holds(self, file: File) -> bool:
        fitting = [count for count, size in zip(self.counts, self.sizes(), strict=True) if size == file.size]
        return any(self.row(count).holds(file) for count in fitting)


def _once(versions: Iterable[Version]) -> Iterator[Version]:
    """Each content once."""
    seen: set[int] = set()
    for version in versions:
        if version.key not in seen:
            seen.add(version.key)
            yield version


def ends_and_between(numbers: Sequence[int]) -> list[int]:
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
