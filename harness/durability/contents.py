"""Contents: the parts that the versions of one file are made of.

A file's pending units are a chain of sizes and a chain of data for each sector (rule 1), so a version is: how many
sizes survived, and for each sector that those sizes show, how much of its chain. A `Choice` is one content of one sector.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from harness.disk import SECTOR, File, sector_key
from harness.durability.units import DataUnit, SizeUnit, UnitId


class FileHistory:
    """The units of one file since its last durable content `base`, by chain, oldest first.

    `live`: what the running system sees. `appended`: nothing but appends happened since `base`, so every clean prefix
    of the chains is a prefix of `live` and shares its buffer. `room`: bytes that versions may still keep of what they
    have built, for the next who asks.
    """

    __slots__ = ("_base_keys", "_grown", "_shown", "appended", "base", "live", "room", "sectors", "sizes")

    def __init__(self, base: File) -> None:
        self.base = base
        self.live = base
        self.appended = True
        self.room = 0
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

    def fold(self, durable: File, pending: int) -> None:
        """All sizes are durable: what is `durable` becomes the new base; keep the data that is still pending.

        Bytes that a later, durable shrink discarded can never come back: they leave the pending units.
        """
        shrinks = [size for size in self.sizes if size.shrinks]
        sectors: dict[int, list[DataUnit]] = {}
        for sector, chain in self.sectors.items():
            left = [unit for unit in chain if unit.bit & pending]
            for unit in left:
                limit = min((one.size for one in shrinks if one.id > unit.id), default=unit.end)
                unit.data = unit.data[: max(0, limit - unit.start)]
            if left:
                sectors[sector] = left
        self.base = durable
        self._base_keys.clear()
        self._grown.clear()
        self._shown.clear()
        self.appended = False
        self.sizes, self.sectors = [], sectors


class Choice(NamedTuple):
    """One content of a sector: its key, its visible bytes, the units of its chain that are not in it (as few as give this
    content), and how many lengths of the chain give it."""

    key: int
    data: bytes
    missing: tuple[UnitId, ...]
    ways: int


Shared: TypeAlias = dict[tuple[int, int, int, int], list[Choice]]
"""(sector, low, high, visible bytes) -> its choices: most rows of a file have them in common."""


def reach(chain: Sequence[DataUnit | SizeUnit], pending: int, inside: int, outside: int) -> tuple[int, int]:
    """(fewest, most) units of a chain that may have survived."""
    low = high = 0
    for index, unit in enumerate(chain):
        if not unit.bit & pending or unit.bit & inside:
            low = index + 1
        elif unit.bit & outside:
            break
        high = index + 1
    return low, high


def choices_of(
    history: FileHistory, sector: int, low: int, high: int, size: int, shrinks: Sequence[SizeUnit], shared: Shared
) -> list[Choice]:
    """The different contents of `sector`, in a file of `size` bytes, with `low` to `high` units of its chain, most first."""
    visible = min(size - sector * SECTOR, SECTOR)
    cutting = [unit for unit in shrinks if unit.size < (sector + 1) * SECTOR] if shrinks else shrinks
    name = (sector, low, high, visible)
    if not cutting and name in shared:
        return shared[name]
    chain = history.sectors[sector]
    found: dict[int, Choice] = {}
    for length in range(high, low - 1, -1):
        if cutting:
            key, data = history.shown_shrunk(sector, length, visible, cutting)
        else:
            key, data = history.shown(sector, length, visible)
        known = found.get(key)
        if known is None:
            found[key] = Choice(key, data, tuple([unit.id for unit in chain[length:]]), 1)
        else:
            found[key] = known._replace(ways=known.ways + 1)
    choices = list(found.values())
    if not cutting:
        shared[name] = choices
    return choices
