"""Sights: the versions of one file that fit what was seen of it, and how they differ in what is looked at next.

A file is decided bit by bit: by its size, by some of its sectors, by all of it. A `Sight` keeps, for each number of sizes
that may have survived, the choices that were seen already; everything else of the file is open. Looking at a span splits
it by the answers, the most complete first. The sights share no version, and together they have all of them.
"""

import itertools
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from harness.durability.contents import Choice
from harness.durability.looks import SIZE, Span
from harness.durability.rows import Version
from harness.durability.versions import FileVersions, ends_and_between

_LOOKED_AT: Final = 1_000_000
"""Rows times sectors up to which a span is looked at in every row: half a mebibyte of unsynced data in one go."""

_Layers = tuple[tuple[tuple[int, ...], tuple[Choice, ...]], ...]
"""(sectors, what they hold) look by look: short, where there are many sights of one file."""


class _Seen(NamedTuple):
    """Rows (by the number of sizes that survived) that hold the same choices in the sectors that were seen."""

    counts: Sequence[int]
    layers: _Layers

    def choices(self) -> dict[int, Choice]:
        return {sector: choice for sectors, held in self.layers for sector, choice in zip(sectors, held, strict=True)}


class _Group(NamedTuple):
    """Rows that answer alike, each choice of the `sides` giving one answer; `key`: what they all have in it."""

    key: int
    sectors: tuple[int, ...]
    sides: list[Sequence[Choice]]
    counts: list[int]
    layers: _Layers

    def size(self) -> int:
        total = 1
        for side in self.sides:
            total *= len(side)
        return total

    def told(self, choices: tuple[Choice, ...]) -> tuple[int, _Seen]:
        """(answer, what is seen then)"""
        key = self.key
        for choice in choices:
            key ^= choice.key
        layers = (*self.layers, (self.sectors, choices)) if self.sectors else self.layers
        return key, _Seen(self.counts, layers)


class Sight:
    """What is still open about a file. `split` asks for more of it."""

    __slots__ = ("_seen", "_versions")

    def __init__(self, versions: FileVersions, seen: Sequence[_Seen]) -> None:
        self._versions = versions
        self._seen = seen

    @classmethod
    def of(cls, versions: FileVersions) -> "Sight":
        """Nothing was seen yet."""
        return cls(versions, (_Seen(versions.counts, ()),))

    def version(self) -> Version:
        """The one in which everything that may have survived did."""
        first = self._seen[0]
        return self._versions.row(first.counts[0]).whole_with(first.choices())

    def ways(self) -> int:
        """How many sets of the file's units fit what was seen."""
        total = 0
        for seen in self._seen:
            choices = seen.choices()
            total += sum(self._versions.row(count).ways(choices) for count in seen.counts)
        return total

    def split(self, span: Span, limit: int, chance: Random) -> tuple[bool, Iterator[tuple[int, "Sight"]]]:
        """(whether these are all, answers with what each leaves open); of more than `limit` a sample.

        An answer comes again where rows that differ in what else they leave open give it; no version is in two sights.
        """
        if span == SIZE:
            return True, self._by_size()
        rows = sum(len(seen.counts) for seen in self._seen)
        if rows * self._versions.sectors_in(span) > _LOOKED_AT:
            some = [_Seen(ends_and_between(seen.counts), seen.layers) for seen in self._seen]
            return False, self._drawn(self._groups(some, span), limit, chance)
        groups = self._groups(self._seen, span)
        if sum(group.size() for group in groups) > limit:
            return False, self._drawn(groups, limit, chance)
        return True, self._all(groups)

    def _by_size(self) -> Iterator[tuple[int, "Sight"]]:
        found: dict[int, list[_Seen]] = {}
        for seen in self._seen:
            by_size: dict[int, list[int]] = {}
            for count in seen.counts:
                by_size.setdefault(self._versions.size_of(count), []).append(count)
            for size, counts in by_size.items():
                found.setdefault(size, []).append(_Seen(counts, seen.layers))
        for size, alike in found.items():
            yield size, Sight(self._versions, alike)

    def _groups(self, parts: Sequence[_Seen], span: Span) -> list[_Group]:
        groups: list[_Group] = []
        for seen in parts:
            known = seen.choices()
            alike: dict[tuple[int, ...], _Group] = {}
            for count in seen.counts:
                strip = self._versions.strip(count, span)
                sides: list[Sequence[Choice]] = [
                    (known[sector],) if sector in known else side
                    for sector, side in zip(strip.sectors, strip.sides, strict=True)
                ]
                # Most rows share the lists of their choices: equal lists are the same list. Others only cost time.
                name = (
                    strip.key,
                    *(
                        known[at].key if at in known else id(side)
                        for at, side in zip(strip.sectors, sides, strict=True)
                    ),
                )
                group = alike.get(name)
                if group is None:
                    group = alike[name] = _Group(strip.key, strip.sectors, sides, [], seen.layers)
                    groups.append(group)
                group.counts.append(count)
        return groups

    def _all(self, groups: Sequence[_Group]) -> Iterator[tuple[int, "Sight"]]:
        """One by one: many looks of a run are open at a time, and none must hold all that may come."""
        for group in groups:
            for choices in itertools.product(*group.sides):
                answer, seen = group.told(choices)
                yield answer, Sight(self._versions, (seen,))

    def _drawn(self, groups: Sequence[_Group], limit: int, chance: Random) -> Iterator[tuple[int, "Sight"]]:
        """Each answer once: everything there, as little as may be, all but one sector, one only, then random ones."""
        told: set[int] = set()
        for group, choices in itertools.islice(_representatives(groups, chance, told), limit):
            answer, seen = group.told(choices)
            told.add(answer)
            yield answer, Sight(self._versions, (seen,))


def _representatives(
    groups: Sequence[_Group], chance: Random, told: set[int]
) -> Iterator[tuple[_Group, tuple[Choice, ...]]]:
    """Without those whose answer is in `told`, which the reader keeps."""
    for group, choices in _plain(groups):
        if group.told(choices)[0] not in told:
            yield group, choices
    repeats = 0
    while repeats < 100:
        group = chance.choice(groups)
        share = chance.random()
        choices = tuple([side[0] if chance.random() < share else chance.choice(side) for side in group.sides])
        if group.told(choices)[0] in told:
            repeats += 1
        else:
            repeats = 0
            yield group, choices


def _plain(groups: Sequence[_Group]) -> Iterator[tuple[_Group, tuple[Choice, ...]]]:
    for whole in (True, False):
        for group in groups:
            yield group, _extreme(group, whole)
    first = groups[0]
    for index in ends_and_between(range(len(first.sides))):
        for whole in (True, False):
            choices = list(_extreme(first, whole))
            choices[index] = first.sides[index][-1 if whole else 0]
            yield first, tuple(choices)


def _extreme(group: _Group, whole: bool) -> tuple[Choice, ...]:
    """Each sector with most of its units, or each with fewest."""
    return tuple([side[0] if whole else side[-1] for side in group.sides])
