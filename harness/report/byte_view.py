"""Two versions of a file side by side, sixteen bytes a row: where they differ, and a little around it."""

from collections.abc import Iterator, Sequence
from typing import Final

from harness.report.story import DiffRow, FileChange
from harness.report.visible_text import as_text, on_one_line

WIDTH: Final = 16
"""Bytes a row."""


def first_difference(before: bytes, after: bytes) -> int | None:
    """The first byte that differs; where one is a prefix of the other, the length of the shorter; None for equals."""
    if before == after:
        return None
    low, high = 0, min(len(before), len(after))
    if before[:high] == after[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if before[low:middle] == after[low:middle]:
            low = middle
        else:
            high = middle
    return low


def differing_rows(before: bytes, after: bytes, most: int) -> tuple[tuple[DiffRow, ...], int]:
    """The first `most` rows with a difference in them, and how many more there are."""
    found: list[DiffRow] = []
    left_out = 0
    for offset in _differing(before, after):
        if len(found) < most:
            found.append(DiffRow(offset, before[offset : offset + WIDTH], after[offset : offset + WIDTH]))
        else:
            left_out += 1
    return tuple(found), left_out


def _differing(before: bytes, after: bytes) -> Iterator[int]:
    start = first_difference(before, after)
    if start is None:
        return
    block = 256 * WIDTH
    length = max(len(before), len(after))
    for large in range(start - start % WIDTH, length, block):
        if before[large : large + block] != after[large : large + block]:
            for offset in range(large, min(large + block, length), WIDTH):
                if before[offset : offset + WIDTH] != after[offset : offset + WIDTH]:
                    yield offset


def hex_of(data: bytes) -> str:
    """ "7b 22 73 65", without the gap in the middle."""
    return data.hex(" ")


def diff_lines(files: Sequence[FileChange]) -> Iterator[str]:
    """The differing files in lines for a text file or a terminal: `-` the page cache, `+` what was found."""
    for file in files:
        if not file.changed:
            continue
        yield f"{on_one_line(file.path)}: {on_one_line(file.before)} -> {on_one_line(file.after)}"
        if file.first is not None:
            yield f"  differs from byte {file.first}"
        for row in file.rows:
            for sign, data in (("-", row.before), ("+", row.after)):
                if data:
                    yield f"  {sign} {row.offset:08x}  {hex_of(data):<{3 * WIDTH - 1}}  |{as_text(data)}|"
        if file.rows_left_out:
            yield f"  … and {file.rows_left_out:,} more rows of {WIDTH} bytes that differ"
