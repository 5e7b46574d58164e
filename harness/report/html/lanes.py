"""The lanes of a chapter as geometry: time goes down, and from left to right who did it, the page cache, the disk.

Every event is a row. A change of the disk opens a bar in the page cache; the sync that makes it durable closes it and
puts it onto the disk. The death is a line across all lanes; what was found after it stands below. Lengths are in the
user units of the SVG, one of which is a CSS pixel.
"""

from typing import Final

import msgspec

from harness.report.html.limits import Limits
from harness.report.selection import Gap, selected
from harness.report.story import FATES, Chapter, Event, Fate, UnitFate
from harness.report.visible_text import on_one_line, shortened

ROW: Final = 22
TOP: Final = 30
CHARACTER: Final = 6.7
"""Width of a character of the drawing's font: 11 px monospace."""

LANES: Final = (
    ("time", "item, time", 0, 96),
    ("world", "outside world", 96, 244),
    ("subject", "subject", 340, 150),
    ("operation", "operations", 490, 424),
    ("cache", "page cache", 914, 130),
    ("disk", "disk", 1044, 134),
)
"""(name, heading, left edge, width)."""

WIDTH: Final = 1178
SLOT: Final = 15
SLOTS: Final = 8
"""Bars side by side in the page cache; what is pending beyond them shares the last place."""

_LEFT: Final = {name: left for name, _, left, _ in LANES}
_CHARACTERS: Final = {name: int((width - 26) / CHARACTER) for name, _, _, width in LANES}

GLYPHS: Final = {
    "attempted": "→",
    "acknowledged": "✓",
    "refused": "✕",
    "told": "!",
    "effect": "◆",
    "world": "○",
    "observed": "◉",
    "printed": "▸",
    "died": "†",
    "stopping": "■",
    "restarted": "▶",
    "note": "·",
    "fsync": "⤓",
    "fdatasync": "⤓",
    "syncall": "⤓",
    "failedsync": "✕",
}


class Shown(msgspec.Struct, frozen=True):
    """One event in its row. `label` may be `cut` to its lane; `words` is whole (up to the limit of the page)."""

    number: int
    y: int
    x: int
    lane: str
    kind: str
    glyph: str
    label: str
    cut: bool
    words: str
    position: int
    time: str
    source: str
    fate: Fate
    became: str
    data: bytes
    offset: int
    size: int


class Bar(msgspec.Struct, frozen=True):
    """What an operation was in the page cache: from its row to that of its sync, the death, or the end."""

    position: int
    x: int
    y: int
    height: int
    fate: Fate
    cut_off: bool


class Arrival(msgspec.Struct, frozen=True):
    """A sync that put operations onto the disk: where their bars end, and how many they were."""

    y: int
    from_x: int
    x: int
    words: str
    positions: str


class LeftOut(msgspec.Struct, frozen=True):
    y: int
    words: str


class UnitRow(msgspec.Struct, frozen=True):
    """A part of an operation below the death: found on the disk, or not."""

    y: int
    position: int
    survived: bool
    label: str
    words: str


class Drawing(msgspec.Struct, frozen=True):
    """A chapter, ready to be written as SVG. `death_y`: None where nobody died."""

    height: int
    events: tuple[Shown, ...]
    gaps: tuple[LeftOut, ...]
    bars: tuple[Bar, ...]
    arrivals: tuple[Arrival, ...]
    units: tuple[UnitRow, ...]
    units_left_out: int
    death_y: int | None
    first: int
    """The number of the event that the keyboard meets first: the earliest that is not on the disk, or the last one."""


def draw(chapter: Chapter, limits: Limits) -> Drawing:
    """The chapter within these limits."""
    events: list[Shown] = []
    gaps: list[LeftOut] = []
    row_of: dict[int, int] = {}
    y = TOP
    for one in selected(chapter, limits.items):
        if isinstance(one, Gap):
            gaps.append(LeftOut(y, f"… {one.count:,} {'item' if one.count == 1 else 'items'} not shown …"))
        else:
            events.append(_shown(one, len(events), y, limits))
            if one.lane == "operation":
                row_of[one.position] = y
        y += ROW
    died = chapter.crash is not None
    death_y = y + 6 if died else None
    end_y = death_y if death_y is not None else y
    bars = _bars(chapter, row_of, end_y)
    arrivals = _arrivals(chapter, row_of, bars)
    y = end_y + 16
    units: list[UnitRow] = []
    pending = chapter.crash.units if chapter.crash is not None else ()
    for unit in sorted(pending, key=lambda unit: unit.survived)[: limits.units]:
        y += ROW - 4
        units.append(_unit(unit, y))
    left_out = len(pending) - len(units)
    lacking = next((one.number for one in events if one.fate in ("missing", "partly", "given-up")), None)
    return Drawing(
        height=y + 14 + (ROW if left_out else 0),
        events=tuple(events),
        gaps=tuple(gaps),
        bars=tuple(bars),
        arrivals=tuple(arrivals),
        units=tuple(units),
        units_left_out=left_out,
        death_y=death_y,
        first=lacking if lacking is not None else len(events) - 1,
    )


def _shown(event: Event, number: int, y: int, limits: Limits) -> Shown:
    words = shortened(on_one_line(event.words), limits.text)
    label = words if not event.source else f"{words} [{event.source}]"
    most = _CHARACTERS[event.lane]
    payload = event.payload
    return Shown(
        number=number,
        y=y,
        x=_LEFT[event.lane],
        lane=event.lane,
        kind=event.kind,
        glyph=GLYPHS.get(event.kind, "●"),
        cut=len(label) > most,
        label=_cut_to_lane(words, event.source, most) if event.lane == "operation" else _cut(label, most),
        words=words,
        position=event.position,
        time=f"+{event.at_s:.3f} s",
        source=event.source,
        fate=event.fate,
        became=_became(event),
        data=payload.data[: limits.payload] if payload is not None else b"",
        offset=payload.offset if payload is not None else 0,
        size=len(payload.data) if payload is not None else 0,
    )


def _became(event: Event) -> str:
    if event.fate == "durable" and event.durable_at is not None:
        return f"on the disk since item {event.durable_at}"
    return FATES[event.fate]


def _cut_to_lane(words: str, source: str, most: int) -> str:
    """The source line is what a reader looks for: folders and units of length give way to it."""
    tail = f" [{source}]" if source else ""
    if len(words) + len(tail) > most:
        words = " ".join([_last_name(word) for word in words.replace(" bytes", " B").split(" ")])
    return _cut(words, max(12, most - len(tail))) + _cut(tail, most)


def _last_name(word: str) -> str:
    return word.rpartition("/")[2] if word.startswith("/") and len(word) > 1 else word


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _bars(chapter: Chapter, row_of: dict[int, int], end_y: int) -> list[Bar]:
    free_at = [0] * SLOTS
    bars: list[Bar] = []
    for event in chapter.events:
        if event.fate == "none" or event.position not in row_of:
            continue
        y = row_of[event.position]
        until = row_of.get(event.durable_at) if event.durable_at is not None else None
        bottom = (until + ROW // 2) if until is not None else end_y if event.durable_at is None else y + ROW - 4
        slot = next((one for one in range(SLOTS) if free_at[one] <= y), SLOTS - 1)
        free_at[slot] = bottom + 2
        x = _LEFT["cache"] + 6 + slot * SLOT
        bars.append(
            Bar(event.position, x, y + 4, max(8, bottom - y - 4), event.fate, until is None and bottom != end_y)
        )
    return bars


def _arrivals(chapter: Chapter, row_of: dict[int, int], bars: list[Bar]) -> list[Arrival]:
    left_edge = {bar.position: bar.x for bar in bars}
    by_sync: dict[int, list[int]] = {}
    for event in chapter.events:
        if event.fate == "durable" and event.durable_at is not None and event.durable_at in row_of:
            by_sync.setdefault(event.durable_at, []).append(event.position)
    arrivals: list[Arrival] = []
    for sync, positions in sorted(by_sync.items()):
        drawn = [left_edge[position] for position in positions if position in left_edge]
        numbers = ", ".join(str(position) for position in positions[:3]) + (", …" if len(positions) > 3 else "")
        words = f"{'item' if len(positions) == 1 else 'items'} {numbers}"
        from_x = min(drawn, default=_LEFT["disk"] - 10)
        arrivals.append(
            Arrival(row_of[sync] + ROW // 2, from_x, _LEFT["disk"] + 8, words, " ".join(map(str, positions)))
        )
    return arrivals


def _unit(unit: UnitFate, y: int) -> UnitRow:
    words = f"item {unit.position}: {on_one_line(unit.words)}"
    return UnitRow(y, unit.position, unit.survived, _cut(words, 84), words)
