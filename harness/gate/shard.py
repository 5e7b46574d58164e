"""One part of a run that is split over machines which know nothing of each other.

Chunks are numbered as the run lists them, the same on every machine, and dealt like cards: shard I of N takes each
number that leaves I - 1 when divided by N. Neighbours (parts of one workload) go to different shards, so that they end
together.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

_FORM: Final = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})")

CardT = TypeVar("CardT")


class Shard(msgspec.Struct, frozen=True):
    """`index` counts from 1 to `of`."""

    index: int
    of: int

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    def dealt(self, cards: Sequence[CardT], first: int = 0) -> list[CardT]:
        """Those among `cards`, numbered from `first` on, that are this shard's."""
        return [card for number, card in enumerate(cards, first) if number % self.of == self.index - 1]


def shard_of(text: str) -> Shard:
    """Read "2/4". Raises ValueError for anything else."""
    form = _FORM.fullmatch(text)
    if form is None or int(form[1]) > int(form[2]):
        raise ValueError(f"{text!r} is no shard: give I/N with I from 1 to N, as 2/4")
    return Shard(int(form[1]), int(form[2]))
