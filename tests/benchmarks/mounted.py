"""What recording costs a writer that syncs every record: on the mounted folder, on tmpfs, and on tmpfs under strace.

The writer measures itself, each turn in all three places, so that a busy machine slows all of them; printed is the median
of the medians. A record is one write and one fsync: two operations; a cycle opens and closes the file around them.

    python tests/benchmarks/mounted.py [--records N] [--turns N]
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness.frontends.mounted.keeper import Keeper
from harness.frontends.mounted.recording import Run, record

GOAL_US: Final = 100.0
"""Microseconds per operation, at the median."""

WRITER: Final = """
import os, sys, time
folder, count = sys.argv[1], int(sys.argv[2])
line = b"x" * 299 + b"\\n"
def median(samples):
    return sorted(samples)[len(samples) // 2] * 1e6
def records():
    log = os.open(folder + "/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for n in range(count):
        began = time.perf_counter()
        os.write(log, line)
        os.fsync(log)
        yield time.perf_counter() - began
def cycles():
    for n in range(count):
        began = time.perf_counter()
        with open(folder + "/cycles", "ab") as log:
            log.write(line)
            log.flush()
            os.fsync(log.fileno())
        yield time.perf_counter() - began
print(median(list(records())), median(list(cycles())))
"""

Measured = tuple[float, float]
"""Median microseconds of (a record, a cycle)."""


def read(text: str) -> Measured:
    one, other = text.split()
    return float(one), float(other)


def on_the_mount(folder: Path, words: list[str]) -> Measured:
    with Keeper() as keeper:
        recorded = record(Run(folder / "mount", (*words[:-2], "{root}", words[-1])), keeper=keeper)
    operations = recorded.trace.operation_count
    assert operations == 4 * int(words[-1]) + 2, operations
    return read(recorded.trace.marks()[0].event)


def on_tmpfs(folder: Path, words: list[str]) -> Measured:
    return read(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def under_strace(folder: Path, words: list[str]) -> Measured:
    traced = ["strace", "-f", "-e", "trace=file,desc", "-o", str(folder / "strace"), *words]
    return read(subprocess.run(traced, capture_output=True, text=True, check=True).stdout)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--records", type=int, default=2000)
    options.add_argument("--turns", type=int, default=5)
    given = options.parse_args()
    places: dict[str, Callable[[Path, list[str]], Measured]] = {"mounted": on_the_mount, "tmpfs": on_tmpfs}
    if shutil.which("strace"):
        places["strace -f"] = under_strace
    else:
        print("strace is missing (package strace): measured without it")
    measured: dict[str, list[Measured]] = {name: [] for name in places}
    for _ in range(given.turns):
        for name, measure in places.items():
            with tempfile.TemporaryDirectory(dir="/dev/shm") as text:
                folder = Path(text)
                words = [sys.executable, "-S", "-c", WRITER, str(folder), str(given.records)]
                measured[name].append(measure(folder, words))
    print(f"{'':<10} {'record':>10} {'per operation':>14} {'cycle':>10}   (microseconds, medians)")
    per_operation: dict[str, float] = {}
    for name, turns in measured.items():
        one, cycle = (statistics.median(turn[which] for turn in turns) for which in (0, 1))
        per_operation[name] = one / 2
        print(f"{name:<10} {one:>10.1f} {one / 2:>14.1f} {cycle:>10.1f}")
    held = per_operation["mounted"] <= GOAL_US
    print(f"goal: at most {GOAL_US:g} microseconds per operation on the mount: {'held' if held else 'NOT held'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
