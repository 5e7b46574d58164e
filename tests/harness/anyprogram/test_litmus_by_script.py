"""The litmus table (durability.md, section 6) as recorded traces, judged by a shell script that knows only files."""

from pathlib import Path
from typing import Final

import pytest

from harness.anyprogram.checker import checker
from harness.anyprogram.crash import crash
from harness.anyprogram.recorded_run import RecordedRun, run_of
from harness.anyprogram.sweep import Request
from harness.disk import DiskImage, File, Folder
from harness.durability.litmus import Program as Litmus
from harness.durability.litmus_programs import TABLE
from harness.gate.outcome import Outcome
from harness.trace import Create, Item, Mark, Mkdir, Program, Trace, Write

COLUMNS: Final = ("process", "strict", "ext4", "ext4-documented", "xfs", "btrfs")

SCRIPT: Final = r"""#!/bin/sh
# records FILE...: the numbers of the whole 300-byte records at the start of each
records() {
  for file; do
    [ -f "$file" ] || continue
    { tr '\0' '.' < "$file"; echo; } | awk '{
      for (at = 1; length($0) >= at + 299; at += 300) {
        number = substr($0, at, 3); rest = substr($0, at, 300)
        if (number !~ /^[0-9][0-9][0-9]$/) break
        gsub(number, "", rest); if (rest != "") break
        print number + 0
      }
    }'
  done
}
# value FILE LENGTH: the number of which the file is made, or nothing
value() {
  { tr '\0' '.' < "$1"; echo; } | awk -v want="$2" '{
    number = substr($0, 1, 4); rest = $0
    if (length($0) == want && number ~ /^[0-9]+$/) { gsub(number, "", rest); if (rest == "") print number + 0 }
  }'
}
have() {
  while read -r number; do
    case " $1 " in *" $number "*) ;; *) echo "record $number is lost"; exit 1 ;; esac
  done
}
cd data
case $1 in
  logs) have "$(records log.1 log | tr '\n' ' ')" ;;
  snapshot)
    whole=$(records snapshot | tr '\n' ' ')
    [ "$whole" = "0 1 2 3 4 5 " ] || whole=
    have "$whole $(records log | tr '\n' ' ')" ;;
  newest)
    told=0; while read -r number; do told=$number; done
    found=$(value state 2000); [ -n "$found" ] || { echo "no whole state"; exit 1; }
    [ "$found" -ge "$told" ] || { echo "state $found after $told was told"; exit 1; } ;;
  absent) [ ! -e state ] || [ "$(value state 2000)" = 1 ] || { echo "half a state"; exit 1; } ;;
  order) [ -z "$(records b)" ] || [ -n "$(records a)" ] || { echo "b without a"; exit 1; } ;;
  whole) [ -n "$(value state 600)" ] || { echo "half a state"; exit 1; } ;;
esac
"""

QUESTION: Final = (
    "logs",
    "logs",
    "logs",
    *("newest",) * 4,
    "absent",
    "order",
    "whole",
    "logs",
    "logs",
    *("snapshot",) * 3,
)
"""What the script is asked about each row of the table."""


def recorded(litmus: Litmus) -> RecordedRun:
    trace = Trace(_making(litmus.base), Program(("litmus",)))
    for item in litmus.items:
        trace.record(Mark("printed", item.event) if isinstance(item, Mark) else item, None, 0.0)
    return run_of(litmus.name, trace)


def _making(image: DiskImage) -> list[Item]:
    items: list[Item] = []
    inodes = {path: ino for path, ino, _ in image.walk()}
    for path, ino, node in image.walk():
        if path == "/":
            continue
        folder, _, name = path.rpartition("/")
        if isinstance(node, Folder):
            items.append(Mkdir(ino, inodes[folder or "/"], name))
        elif isinstance(node, File):
            items.append(Create(ino, inodes[folder or "/"], name))
            items += [Write(ino, 0, node.data)] if node.size else []
    return items


def judged(folder: Path, row: int, column: str) -> Outcome:
    script = folder / "litmus.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    request = Request(profiles=(column,), jobs=2, first=TABLE[row].violated >= {column})
    return crash(recorded(TABLE[row]), checker(f"{script} {QUESTION[row]}", time_limit_s=30), request).report.outcome


@pytest.mark.slow
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", range(len(TABLE)), ids=[litmus.name for litmus in TABLE])
def test_every_cell_of_the_table(tmp_path: Path, row: int, column: str) -> None:
    assert judged(tmp_path, row, column) == _expected(row, column)


@pytest.mark.parametrize(
    ("row", "column"),
    [(0, "ext4"), (13, "btrfs"), (2, "xfs"), (4, "xfs"), (8, "btrfs"), (9, "process"), (10, "ext4")],
)
def test_some_cells_of_the_table(tmp_path: Path, row: int, column: str) -> None:
    assert judged(tmp_path, row, column) == _expected(row, column)


def _expected(row: int, column: str) -> Outcome:
    return Outcome.VIOLATION if column in TABLE[row].violated else Outcome.HELD
