"""Looks: what a run saw of the contents of files, sector by sector.

A run asks a file for its size, for some of its bytes or for all of them. A look at bytes is taken to the sectors that it
touches: sectors are what the disk decides about. Its answer is a key: equal for two files exactly when the run was told
the same, whether the file ended inside the look included.

A look stands for the same place of the file that the life began with, also when the life has changed the file by then:
what is at an offset now follows from what was there, from where the file ended, and from what the life did, which
follows from what it saw before.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from harness.disk import SECTOR, File, Node, sector_key, size_key

ALL: Final = 2**62
"""An end beyond that of every file."""


Look: TypeAlias = tuple[int, int, int]
"""(inode, start, end): a look at these bytes of a file; at its size where `start` is negative."""


class Span(NamedTuple):
    """The sectors from `first` on, below `last`; all, with the size, where `last` is ALL; the size alone (see SIZE)."""

    first: int
    last: int


def inode_of(look: int | Look) -> int:
    return look if isinstance(look, int) else look[0]


SIZE: Final = Span(-1, -1)
WHOLE: Final = Span(0, ALL)


def spans_of(looks: Iterable[int | Look], nodes: Mapping[int, Node]) -> list[tuple[int, Span]]:
    """(inode, what of it) in the order of the looks, without what was known already. A number is a look at the whole.

    `nodes`: those that the run began with. What is not a file among them is the run's own, or part of the names. A look
    stays what it was asked for, also where the file was short: in another state it may be longer, and the rest not asked.
    """
    found: list[tuple[int, Span]] = []
    known: dict[int, list[Span]] = {}
    for look in looks:
        ino, start, end = (look, 0, ALL) if isinstance(look, int) else look
        seen = known.get(ino)
        if seen is None:
            seen = known[ino] = []
        elif seen[-1] is WHOLE:
            continue
        node = nodes.get(ino)
        if node.__class__ is not File:
            del known[ino]
            continue
        assert isinstance(node, File)
        size = node.size
        span = SIZE if start < 0 else WHOLE if end == ALL else Span(start // SECTOR, -(-end // SECTOR))
        if seen and is_known(span, seen, size):
            continue
        if start == 0 and end >= size and found and found[-1] == (ino, SIZE):
            found.pop()  # who asks how much there is and takes all of it needs one answer, not two
            if end <= size + 1:
                span = WHOLE
        found.append((ino, span))
        seen.append(span)
    return found


def is_known(span: Span, seen: Iterable[Span], size: int) -> bool:
    """Whether who has seen these spans of a file of `size` bytes can answer for this one."""
    for one in seen:
        if one.first < 0:
            if span.first < 0 or span.first * SECTOR >= size:
                return True
        elif span.first < 0:
            if one.last * SECTOR > size:
                return True
        elif one.first <= span.first and (span.last <= one.last or one.last * SECTOR > size):
            return True
    return False


def answer(file: File, span: Span) -> int:
    """What a look at this span of `file` is told, as a key; that of the file where it is told all."""
    if span.first < 0:
        return file.size
    if span.first == 0 and file.size <= span.last * SECTOR:
        return file.key
    end = min(file.size, span.last * SECTOR)
    key = size_key(end)
    for sector in range(span.first, -(-end // SECTOR)):
        key ^= sector_key(sector, file.read(sector * SECTOR, min(SECTOR, end - sector * SECTOR)))
    return key
