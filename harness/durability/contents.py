"""Contents: the parts that the versions of one file are made of.

A file's pending units are a chain of sizes and a chain of data for each sector (rule 1), so a version is: how many
sizes survived, and for each sector that those sizes show, how much of its chain. Sectors are independent once the size
is chosen, so versions are counted as a sum of products and listed without repetition; a version's key is put together
from the keys of its sectors (`File.key`), its bytes only when somebody asks for them.
"""

import itertools
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from harness.disk import SECTOR, File, sector_key, size_key
from harness.durability.units import DataUnit, SizeUnit, UnitId

_REMEMBERED: Final = 16_384
"""Bytes up to which a version keeps its content for the next who asks."""


class FileHistory:
    """The units of one file since its last durable content `base`, by chain, oldest first.

    `live`: what the running system sees. `appended`: nothing but appends happened since `base`, so every clean prefix
    of the chains is a prefix of `live` and shares its buffer.
    """

    __slots__ = ("_base_keys", "_grown", "_shown", "appended", "base", "live", "sectors", "sizes")

    def __init__(self, base: File) -> None:
        self.base = base
        self.live = base
        self.appended = True
        self.sizes: list[SizeUnit] = []
        self.sectors: dict[int, list[DataUnit]] = {}
        self._base_keys: dict[int, int] = {}
        self._grown: dict[int, list[bytes]] = {}
        self._shown: dict[tuple[int, int, int], tuple[int, bytes]] = {}

    def units(self) -> Iterator[DataUnit | SizeUnit]:
        yield from self.sizes
        for chain in self.sectors.values():
            yield from chain

    def base_sector(self, sector: int, end: int) -> bytes:
        """The bytes of `sector` in the base below byte `end` of the file; fewer than a sector at its end."""
        return self.base.read(sector * SECTOR, min(SECTOR, end - sector * SECTOR))

    def base_key(self, sector: int) -> int:
        key = self._base_keys.get(sector)
        if key is None:
            key = self._base_keys[sector] = sector_key(sector, self.base_sector(sector, self.base.size))
        return key

    def sector_after(self, sector: int, length: int) -> bytes:
        """The bytes of `sector` after the first `length` units of its chain, no shrink between them, zeros to its end."""
        steps = self._grown.get(sector)
        if steps is None:
            kept = self.base_sector(sector, self.base.size)
            steps = self._grown[sector] = [kept + bytes(SECTOR - len(kept))]
        start = sector * SECTOR
        for unit in self.sectors[sector][len(steps) - 1 : length]:
            content = steps[-1]
            steps.append(content[: unit.start - start] + unit.data + content[unit.end - start :])
        return steps[length]

    def shown(self, sector: int, length: int, visible: int) -> tuple[int, bytes]:
        """(key, bytes) of the first `visible` bytes of `sector_after`."""
        name = (sector, length, visible)
        found = self._shown.get(name)
        if found is None:
            data = self.sector_after(sector, length)[:visible]
            found = self._shown[name] = (sector_key(sector, data), data)
        return found

    def shown_shrunk(self, sector: int, length: int, visible: int, shrinks: Sequence[SizeUnit]) -> tuple[int, bytes]:
        """As `shown`, with what these shrinks, among the units in trace order, discarded."""
        start = sector * SECTOR
        kept = self.base_sector(sector, self.base.size)
        content = bytearray(kept + bytes(SECTOR - len(kept)))
        chain: list[DataUnit | SizeUnit] = [*self.sectors[sector][:length], *shrinks]
        for unit in sorted(chain, key=lambda one: one.id):
            if isinstance(unit, SizeUnit):
                keep = max(unit.size - start, 0)
                content[keep:] = bytes(SECTOR - keep)
            else:
                content[unit.start - start : unit.end - start] = unit.data
        data = bytes(content[:visible])
        return sector_key(sector, data), data

    def leave(self, sector: int, gone: int) -> None:
        """The units `gone` of this sector's chain survive no crash: no version has them."""
        left = [unit for unit in self.sectors[sector] if not unit.bit & gone]
        if left:
            self.sectors[sector] = left
        else:
            del self.sectors[sector]
        self._grown.clear()
        self._shown.clear()

    def fold(self, pending: int) -> None:
        """All sizes are durable: make them, and the durable data, the new base; keep the data that is still pending.

        Bytes that a later, durable shrink discarded can never come back: they leave the pending units.
        """
        everything = Row(self, len(self.sizes), pending, 0, ~0)
        durable = next(iter(everything.versions()))
        shrinks = [size for size in self.sizes if size.shrinks]
        sectors: dict[int, list[DataUnit]] = {}
        for sector, chain in self.sectors.items():
            left = [unit for unit in chain if unit.bit & pending]
            for unit in left:
                limit = min((one.size for one in shrinks if one.id > unit.id), default=unit.end)
                unit.data = unit.data[: max(0, limit - unit.start)]
            if left:
                sectors[sector] = left
        self.base = durable.file()
        self._base_keys.clear()
        self._grown.clear()
        self._shown.clear()
        self.appended = False
        self.sizes, self.sectors = [], sectors


class Choice(NamedTuple):
    """One content of a sector: its key, its visible bytes, and the units of its chain that are not in it."""

    key: int
    data: bytes
    missing: tuple[UnitId, ...]


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
        if file.size <= _REMEMBERED:
            self._file = file
        return file


class Row:
    """All versions with the first `count` sizes of the chain.

    `pending`: units that are not durable; `inside`, `outside`: units that must, and must not, be in the version.
    """

    __slots__ = ("_clip", "_history", "_key", "_sectors", "_shared", "missing", "sides", "size")

    def __init__(
        self,
        history: FileHistory,
        count: int,
        pending: int,
        inside: int,
        outside: int,
        shared: dict[tuple[int, int, int, int], list[Choice]] | None = None,
    ) -> None:
        self._history = history
        self._shared = shared if shared is not None else {}
        sizes = history.sizes
        self.size = sizes[count - 1].size if count else history.base.size
        if count:
            inside |= sizes[count - 1].down
        shrinks = [unit for unit in sizes[:count] if unit.shrinks]
        self._clip = min((unit.size for unit in shrinks), default=history.base.size)
        self._clip = min(self._clip, history.base.size)
        missing = [unit.id for unit in sizes[count:]]
        self._sectors: list[int] = []
        self.sides: list[list[Choice]] = []
        for sector, chain in history.sectors.items():
            low = high = 0
            for index, unit in enumerate(chain):
                if not unit.bit & pending or unit.bit & inside:
                    low = index + 1
                elif unit.bit & outside:
                    break
                high = index + 1
            if sector * SECTOR < self.size:
                self._sectors.append(sector)
                self.sides.append(self._choices(sector, chain, low, high, shrinks))
            else:
                missing += [unit.id for unit in chain[high:]]
        self.missing = tuple(missing)
        self._key = self._static_key()

    def _choices(
        self, sector: int, chain: list[DataUnit], low: int, high: int, shrinks: list[SizeUnit]
    ) -> list[Choice]:
        """The different contents of `sector` with `low` to `high` units of its chain, most units first."""
        history = self._history
        visible = min(self.size - sector * SECTOR, SECTOR)
        cutting = [unit for unit in shrinks if unit.size < (sector + 1) * SECTOR] if shrinks else shrinks
        name = (sector, low, high, visible)
        if not cutting and name in self._shared:
            return self._shared[name]
        choices: list[Choice] = []
        seen: set[int] = set()
        for length in range(high, low - 1, -1):
            if cutting:
                key, data = history.shown_shrunk(sector, length, visible, cutting)
            else:
                key, data = history.shown(sector, length, visible)
            if key not in seen:
                seen.add(key)
                choices.append(Choice(key, data, tuple([unit.id for unit in chain[length:]])))
        if not cutting:
            self._shared[name] = choices
        return choices

    def _static_key(self) -> int:
        """The key of everything but the sectors that have a choice."""
        history, clip = self._history, self._clip
        base, size = history.base, self.size
        key = base.key ^ size_key(base.size) ^ size_key(size)
        changed = min(clip, size) // SECTOR if min(clip, size) < max(base.size, size) else -(-size // SECTOR)
        chosen = set(self._sectors)
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
        kept = self._history.base_sector(sector, min(self._clip, self.size)) if sector * SECTOR < self._clip else b""
        return kept + bytes(visible - len(kept))

    def count(self) -> int:
        total = 1
        for side in self.sides:
            total *= len(side)
        return total

    def versions(self) -> Iterator[Version]:
        for choices in itertools.product(*self.sides):
            key = self._key
            for choice in choices:
                key ^= choice.key
            yield Version(key, self, choices)

    def plain(self, *, whole: bool) -> Version:
        """Each sector with most of its units, or each with fewest."""
        return self._version(tuple([side[0] if whole else side[-1] for side in self.sides]))

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
        for sector, side in zip(self._sectors, self.sides, strict=True):
            data = file.read(sector * SECTOR, SECTOR)
            found = next((choice.key for choice in side if choice.data == data), None)
            if found is None:
                return False
            key ^= found
        return key == file.key

    def build(self, key: int, choices: tuple[Choice, ...]) -> File:
        history, size = self._history, self.size
        if history.appended and all(
            choice.data == history.live.read(sector * SECTOR, len(choice.data))
            for sector, choice in zip(self._sectors, choices, strict=True)
        ):
            return File.keyed(history.live.buffer, size, key)
        buffer = bytearray(memoryview(history.base.buffer)[: min(self._clip, size)])
        buffer += bytes(size - len(buffer))
        for sector, choice in zip(self._sectors, choices, strict=True):
            buffer[sector * SECTOR : sector * SECTOR + len(choice.data)] = choice.data
        return File.keyed(buffer, size, key)
