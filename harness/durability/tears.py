"""Tears: where a single write may stop inside.

A killed process leaves whole pages; a disk leaves sectors (they are units, see `units`), and under `tear="byte"` an
append may also stop at any of its bytes: the off-by-one at the newline is a real bug class (durability.md, section 3).
"""

from typing import Final

from harness.disk import SECTOR
from harness.durability.counting import bits_of
from harness.durability.pending import Append, Pending
from harness.trace import Item, Write

PAGE: Final = 4096
"""Bytes of a page of the page cache."""


def page_prefixes(item: Item) -> list[Write]:
    """The prefixes of `item` that end at a page boundary of the file, shortest first; none but of a write."""
    if not isinstance(item, Write):
        return []
    end = item.offset + len(item.data)
    first = (item.offset // PAGE + 1) * PAGE
    return [Write(item.ino, item.offset, item.data[: stop - item.offset]) for stop in range(first, end, PAGE)]


def cut_lengths(append: Append) -> list[int]:
    """The byte cuts of an append that are no cut between sectors, in bytes kept, shortest first."""
    return [length for length in range(1, append.length) if (append.offset + length) % SECTOR]


def cut_bases(disk: Pending, append: Append) -> list[int]:
    """The down-sets on which a byte cut of `append` stands: everything earlier, and only what had to survive."""
    first = append.units & -append.units
    earlier = disk.pending & (first - 1)
    needed = 0
    for bit in bits_of(append.units):
        needed |= disk.units[bit].down
    needed &= disk.pending & ~append.units
    return [earlier] if needed == earlier else [earlier, needed]
