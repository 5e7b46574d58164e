"""Strips: the part of a row that a look shows, with the key of what it is told."""

from collections.abc import Sequence

from harness.disk import SECTOR, sector_key, size_key
from harness.durability.contents import Choice, FileHistory, Shared, choices_of, reach
from harness.durability.looks import Span


class Strip:
    """The sectors of one row within `span`: `sides` are the choices of those that have pending data, `key` what all others
    and the end of the file contribute to the answer.

    Costs the span, however long the file is.
    """

    __slots__ = ("key", "sectors", "sides")

    def __init__(
        self, history: FileHistory, count: int, pending: int, inside: int, outside: int, shared: Shared, span: Span
    ) -> None:
        sizes = history.sizes
        size = sizes[count - 1].size if count else history.base.size
        if count:
            inside |= sizes[count - 1].down
        shrinks = [unit for unit in sizes[:count] if unit.shrinks]
        clip = min((unit.size for unit in shrinks), default=size)
        clip = min(clip, history.base.size, size)
        end = min(size, span.last * SECTOR)
        key = size_key(end)
        sectors: list[int] = []
        self.sides: list[Sequence[Choice]] = []
        for sector in range(span.first, -(-end // SECTOR)):
            chain = history.sectors.get(sector)
            if chain is not None:
                low, high = reach(chain, pending, inside, outside)
                sectors.append(sector)
                self.sides.append(choices_of(history, sector, low, high, size, shrinks, shared))
            elif (sector + 1) * SECTOR <= clip:
                key ^= history.base_key(sector)
            else:
                kept = history.base_sector(sector, clip) if sector * SECTOR < clip else b""
                key ^= sector_key(sector, kept + bytes(min(SECTOR, end - sector * SECTOR) - len(kept)))
        self.key = key
        self.sectors = tuple(sectors)
