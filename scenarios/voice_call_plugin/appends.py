"""Appends: what the plugin asked of its log, with the lines of its source, held against what the trace says was written.

A recorded operation names its process and its place ("3rd write to calls.jsonl"), not a line of TypeScript. The driver
notes each append as it is asked for, with the stack of that moment and a digest of the text; a write of the trace with the
same digest is that append. An append that was asked for before a line was told, and whose write is not in the trace before
the death, is one that the plugin acknowledged without having it.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.trace import Item, Write


class Append(msgspec.Struct, frozen=True):
    """`told`: lines told before it was asked for. `at`: lines of the plugin's source, innermost first."""

    told: int
    at: tuple[str, ...]
    sha256: str


def read_appends(file: Path) -> tuple[Append, ...]:
    """In the order in which they were asked for."""
    return tuple(msgspec.json.decode(line, type=Append) for line in file.read_bytes().splitlines())


def _written(items: Sequence[Item]) -> list[str]:
    return [hashlib.sha256(item.data).hexdigest() for item in items if isinstance(item, Write)]


def acknowledged_unwritten(appends: Sequence[Append], items: Sequence[Item], told: int) -> tuple[Append, ...]:
    """Those asked for before the `told`-th line was told that are not among the writes of `items`, the trace up to a death."""
    left = _written(items)
    missing = []
    for append in appends:
        if append.told >= told:
            break
        if append.sha256 in left:
            left.remove(append.sha256)
        else:
            missing.append(append)
    return tuple(missing)


def overtaken(appends: Sequence[Append], items: Sequence[Item]) -> tuple[Append, ...]:
    """Those whose write came after the write of one that was asked for later."""
    place = {digest: number for number, digest in enumerate(_written(items))}
    places = [place.get(append.sha256, len(place)) for append in appends]
    return tuple(one for number, one in enumerate(appends) if any(later < places[number] for later in places[number:]))


def source_lines(appends: Sequence[Append]) -> str:
    """`manager/store.ts:10, from manager/events.ts:228 and manager/outbound.ts:164`: where they were asked for."""
    by_line: dict[str, list[str]] = {}
    for append in appends:
        innermost, *callers = append.at or ("an unknown line",)
        by_line.setdefault(innermost, []).extend(callers[:1])
    return "; ".join(
        f"{line}, from {' and '.join(dict.fromkeys(callers))}" if callers else line for line, callers in by_line.items()
    )
