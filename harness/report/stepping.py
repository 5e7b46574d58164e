"""A played case as moments that can be walked to and fro: before each item, what is in the page cache and what is not
on the disk for certain.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.disk import DiskImage, File, Folder, SymbolicLink
from harness.explore.inode_names import names_of
from harness.repro import Replay
from harness.trace import Item, Mark, Source, describe

AROUND = 6
"""Items shown before the one that is about to happen."""


class Stretch(NamedTuple):
    """Items that follow each other without a death between them, and what the disk held before the first."""

    title: str
    base: DiskImage
    items: Sequence[Item]
    sources: Sequence[Source | None]
    times: Sequence[float]
    found: DiskImage | None


class Moment(NamedTuple):
    """Before item `position` of a stretch; where `position` is its end, the death that ended it."""

    stretch: Stretch
    position: int


class Walk:
    """All moments of a case, in order; `at` counts them from 0."""

    def __init__(self, replay: Replay) -> None:
        self.moments = [
            Moment(stretch, position) for stretch in _stretches(replay) for position in range(len(stretch.items) + 1)
        ]
        self.at = 0

    def go(self, to: int) -> None:
        """To moment `to`, or the nearest there is."""
        self.at = max(0, min(to, len(self.moments) - 1))

    @property
    def moment(self) -> Moment:
        return self.moments[self.at]

    @property
    def first_death(self) -> int:
        """The moment of the first death; the end where nobody died."""
        deaths = (n for n, one in enumerate(self.moments) if one.position == len(one.stretch.items))
        return next(deaths, len(self.moments) - 1)


def _stretches(replay: Replay) -> Iterator[Stretch]:
    played = replay.played
    for number, segment in enumerate(played.segments, 1):
        trace = segment.trace
        yield Stretch(f"history, part {number}", segment.base, trace.items, trace.sources, trace.times, segment.found)
    deaths = replay.file.case.deaths
    for number, life in enumerate(played.lives):
        end = deaths[number].position if number < len(deaths) else life.end
        title = "recorded run" if number == 0 else "recovery"
        found = played.disks[number] if number < len(played.disks) else None
        yield Stretch(title, life.base, life.items[:end], life.sources[:end], life.times[:end], found)


def show_moment(console: Console, walk: Walk) -> None:
    """The last items, the one that comes next, and the tree as the page cache has it (or as the death left it)."""
    stretch, position = walk.moment
    head = f"moment {walk.at} of {len(walk.moments) - 1} · {stretch.title} · before item {position}"
    console.print(Text(head, style="bold"))
    image = stretch.base
    for item in stretch.items[:position]:
        image = image.apply(item)
    rows = Table(box=None, pad_edge=False, show_header=False)
    for n in range(max(0, position - AROUND), min(position + 1, len(stretch.items))):
        style = "bold yellow" if n == position else ""
        rows.add_row(
            Text("→" if n == position else " "), Text(f"{n}", style=style), Text(_words(stretch, n), style=style)
        )
    console.print(rows)
    died = position == len(stretch.items) and stretch.found is not None
    if died and stretch.found is not None:
        console.print(Text("the machine dies here, and this is found:", style="bold red"))
        image = stretch.found
    for path, _, node in image.walk():
        if not isinstance(node, Folder):
            console.print(Text(f"  {path}  {_content(node)}"), soft_wrap=True)


def _words(stretch: Stretch, position: int) -> str:
    item = stretch.items[position]
    if isinstance(item, Mark):
        return describe(item)
    source = stretch.sources[position]
    words = describe(item, names_of(stretch.base, stretch.items[:position]))
    return f"{words}  [{source}]" if source is not None else words


def _content(node: File | SymbolicLink) -> str:
    if isinstance(node, SymbolicLink):
        return f"-> {node.target}"
    return f"{node.size} bytes  …{node.data[-48:]!r}" if node.size > 48 else f"{node.size} bytes  {node.data!r}"
