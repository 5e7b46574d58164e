"""Rows: all versions of one file that have one size.

Sectors are independent once the size is chosen, so versions are counted as a product and listed without repetition; a
version's key is put together from the keys of its sectors (`File.key`), its bytes only when somebody asks for them.
"""

import itertools
from collections.abc import Iterator, Mapping
from random import Random
from typing import Final

from harness.disk import SECTOR, File, sector_key, size_key
from harness.durability.contents import Choice, FileHistory, Shared, choices_of, reach
from harness.durability.units import UnitId


class Version:
    """One content of a file: its key, the units that are not in it, and its bytes on demand."""

    __slots__ = ("_choices", "_file", "_row", "key")

    def __init__(self, key: int, row: "Row", choices: tuple[Choice, ...]) -> None:
        self.key = key
        self._row = row
        self._choices = choices
        self._file: File | None = None

    @property
    def missing(self) -> tuple[UnitId, ...]:
        missing = self._row.missing
        for choice in self._choices:
            if choice.missing:
                missing += choice.missing
        return missing

    def file(self) -> File:
        if self._file is not None:
            return self._file
        file = self._row.build(self.key, self._choices)
        if file.size <= self._row.history.room:
            self._row.history.room -= file.size
            self._file = file
        return file


_NOTHING: Final[Mapping[int, Choice]] = {}


class Row:
    """All versions with the first `count` sizes of the chain.

    `pending`: units that are not durable; `inside`, `outside`: units that must, and must not, be in the version. `sides`:
    what each of the `sectors` may hold; `hidden`: in how many ways what the size does not show may have survived.
    """

    __slots__ = ("_clip", "_key", "_shared", "hidden", "history", "missing", "sectors", "sides", "size")

    def __init__(
        self,
        history: FileHistory,
        count: int,
        pending: int,
        inside: int,
        outside: int,
        shared: Shared | None = None,
    ) -> None:
        self.history = history
        self._shared = shared if shared is not None else {}
        sizes = history.sizes
        self.size = sizes[count - 1].size if count else history.base.size
        if count:
            inside |= sizes[count - 1].down
        shrinks = [unit for unit in sizes[:count] if unit.shrinks]
        self._clip = min((unit.size for unit in shrinks), default=history.base.size)
        self._clip = min(self._clip, history.base.size)
        missing = [unit.id for unit in sizes[count:]]
        self.sectors: list[int] = []
        self.sides: list[list[Choice]] = []
        self.hidden = 1
        for sector, chain in history.sectors.items():
            low, high = reach(chain, pending, inside, outside)
            if sector * SECTOR < self.size:
                self.sectors.append(sector)
                self.sides.append(choices_of(history, sector, low, high, self.size, shrinks, self._shared))
            else:
                missing += [unit.id for unit in chain[high:]]
                self.hidden *= high - low + 1
        self.missing = tuple(missing)
        self._key = self._static_key()

    def _static_key(self) -> int:
        """The key of everything but the sectors that have a choice."""
        history, clip = self.history, self._clip
        base, size = history.base, self.size
        key = base.key ^ size_key(base.size) ^ size_key(size)
        changed = min(clip, size) // SECTOR if min(clip, size) < max(base.size, size) else -(-size // SECTOR)
        chosen = set(self.sectors)
        for sector in chosen:
            if sector < changed:
                key ^= history.base_key(sector)
        for sector in range(changed, -(-base.size // SECTOR)):
            key ^= history.base_key(sector)
        for sector in range(changed, -(-size // SECTOR)):
            if sector not in chosen:
                key ^= sector_key(sector, self._static_sector(sector))
        return key

    def _static_sector(self, sector: int) -> bytes:
        visible = min(self.size - sector * SECTOR, SECTOR)
        kept = self.history.base_sector(sector, min(self._clip, self.size)) if sector * SECTOR < self._clip else b""
        return kept + bytes(visible - len(kept))

    def count(self) -> int:
        total = 1
        for side in self.sides:
            total *= len(side)
        return total

    def holding(self, fixed: Mapping[int, Choice]) -> list[list[Choice]]:
        """The sides, those of the sectors in `fixed` with nothing left to choose."""
        return [
            [fixed[sector]] if sector in fixed else side for sector, side in zip(self.sectors, self.sides, strict=True)
        ]

    def ways(self, fixed: Mapping[int, Choice]) -> int:
        """How many sets of units give a version of this row with these choices in it."""
        total = self.hidden
        for side in self.holding(fixed):
            total *= sum([choice.ways for choice in side])
        return total

    def versions(self, fixed: Mapping[int, Choice] = _NOTHING) -> Iterator[Version]:
        for choices in itertools.product(*(self.holding(fixed) if fixed else self.sides)):
            key = self._key
            for choice in choices:
                key ^= choice.key
            yield Version(key, self, choices)

    def plain(self, *, whole: bool) -> Version:
        """Each sector with most of its units, or each with fewest."""
        return self._version(tuple([side[0] if whole else side[-1] for side in self.sides]))

    def whole_with(self, fixed: Mapping[int, Choice]) -> Version:
        """The version with most units that holds these choices."""
        return self._version(tuple([side[0] for side in self.holding(fixed)]))

    def but_one(self, index: int, *, whole: bool) -> Version:
        """As `plain`, one sector the other way round."""
        choices = [side[0] if whole else side[-1] for side in self.sides]
        choices[index] = self.sides[index][-1 if whole else 0]
        return self._version(tuple(choices))

    def sample(self, chance: Random) -> Version:
        whole = chance.random()
        return self._version(
            tuple(
                [side[0] if len(side) == 1 or chance.random() < whole else chance.choice(side) for side in self.sides]
            )
        )

    def _version(self, choices: tuple[Choice, ...]) -> Version:
        key = self._key
        for choice in choices:
            key ^= choice.key
        return Version(key, self, choices)

    def keyed_ways(self, fixed: Mapping[int, Choice]) -> Iterator[tuple[int, int]]:
        """(key, how many sets of units) of each version with these choices in it."""
        for choices in itertools.product(*self.holding(fixed)):
            key, ways = self._key, self.hidden
            for choice in choices:
                key, ways = key ^ choice.key, ways * choice.ways
            yield key, ways

    def keys(self) -> Iterator[int]:
        keys = [self._key]
        for side in self.sides:
            keys = [key ^ choice.key for key in keys for choice in side]
        return iter(keys)

    def holds(self, file: File) -> bool:
        """Whether `file` has the content of one of these versions; costs what changed, however many there are."""
        if file.size != self.size:
            return False
        key = self._key
        for sector, side in zip(self.sectors, self.sides, strict=True):
            data = file.read(sector * SECTOR, SECTOR)
            found = next((choice.key for choice in side if choice.data == data), None)
            if found is None:
                return False
            key ^= found
        return key == file.key

    def build(self, key: int, choices: tuple[Choice, ...]) -> File:
        history, size = self.history, self.size
        if history.appended and all(
            choice.data == history.live.read(sector * SECTOR, len(choice.data))
            for sector, choice in zip(self.sectors, choices, strict=True)
        ):
            return File.keyed(history.live.buffer, size, key)
        buffer = bytearray(memoryview(history.base.buffer)[: min(self._clip, size)])
        buffer += bytes(size - len(buffer))
        for sector, choice in zip(self.sectors, choices, strict=True):
            buffer[sector * SECTOR : sector * SECTOR + len(choice.data)] = choice.data
        return File.keyed(buffer, size, key)
