"""The writer that both sides of a comparison run: one JSON record a line, fsync, and then it counts as acknowledged.

As a program it prints numbers, each on a line of its own: `python json_lines.py PATH RECORDS` those that it writes, as
they are acknowledged, `python json_lines.py PATH` those on record.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Final

PAD: Final = "x" * 98
"""Makes a record about 120 bytes long."""


def write(path: str, records: int, acknowledge: Callable[[int], object], pad: str = PAD) -> None:
    """Append records 0, 1, 2 … to a new log at `path`; each is durable, and so is its name, when it is acknowledged."""
    with open(path, "ab") as log:
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        for number in range(records):
            log.write(json.dumps({"n": number, "pad": pad}).encode() + b"\n")
            log.flush()
            os.fsync(log.fileno())
            acknowledge(number)


def recover(path: str) -> set[int]:
    """The numbers on record."""
    try:
        with open(path, "rb") as log:
            return parsed(log.read())
    except FileNotFoundError:
        return set()


def parsed(log: bytes) -> set[int]:
    """The numbers in a log. A line that is no record is passed over: power cuts leave torn ones, and zeros in them."""
    lines = log.decode("utf-8", "replace").split("\n")
    return {number for line in lines if (number := _number(line)) is not None}


def _number(line: str) -> int | None:
    try:
        number: int = json.loads(line)["n"]
    except ValueError:
        return None
    return number


def main() -> int:
    path, *records = sys.argv[1:]
    if records:
        write(path, int(records[0]), lambda number: print(number, flush=True))
    else:
        print(*sorted(recover(path)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
