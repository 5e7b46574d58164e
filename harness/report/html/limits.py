"""How much of a case a page shows. A page that comes out too large is made again with the next smaller limits."""

from typing import Final

import msgspec

LARGEST_PAGE: Final = 3_000_000
"""Bytes of a whole page; the last of the limits is taken even where it is larger."""


class Limits(msgspec.Struct, frozen=True):
    """`items`: of a chapter; `payload`: bytes of one write; `rows`: of 16 differing bytes of a file; the rest by name."""

    items: int
    payload: int
    rows: int
    units: int
    files: int
    chapters: int
    text: int


LADDER: Final = (
    Limits(items=400, payload=4_096, rows=128, units=64, files=64, chapters=24, text=2_000),
    Limits(items=120, payload=512, rows=24, units=32, files=24, chapters=8, text=600),
    Limits(items=60, payload=192, rows=12, units=16, files=12, chapters=4, text=300),
    Limits(items=24, payload=96, rows=6, units=8, files=6, chapters=3, text=200),
    Limits(items=12, payload=48, rows=3, units=4, files=4, chapters=1, text=160),
    Limits(items=0, payload=0, rows=0, units=0, files=0, chapters=0, text=120),
)
