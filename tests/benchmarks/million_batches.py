"""The subject of `million.py`: batches of JSON lines, each written in one go to a file of its own, synced, then told.

A batch is 15 sectors long, so that a power cut before its sync leaves 65,535 different files. The recovery reads the batch
that was under way and keeps its whole lines, and asks the size of the one before.
"""

import json
import os
from collections.abc import Callable

from harness import crash_test

BATCHES = 16
LINES = 96
LINE_SIZE = 80
"""Bytes: 96 lines are 15 sectors."""


def line(batch: int, number: int) -> str:
    text = json.dumps({"batch": batch, "number": number, "filled": ""}, separators=(",", ":"))
    return text[:-2] + "x" * (LINE_SIZE - 1 - len(text)) + text[-2:] + "\n"


def write_batches(mark: Callable[[int], None]) -> None:
    folder = os.open("/data", os.O_RDONLY)
    for batch in range(BATCHES):
        with open(f"/data/batch-{batch:02}", "wb", buffering=0) as file:
            file.write("".join(line(batch, number) for number in range(LINES)).encode())
            os.fsync(file.fileno())
        os.fsync(folder)
        mark(batch)


def batches_are_whole(marks: list[int]) -> None:
    done = len(marks)
    if done:
        assert os.path.getsize(f"/data/batch-{done - 1:02}") == LINES * LINE_SIZE
    try:
        with open(f"/data/batch-{done:02}", "rb", buffering=0) as file:
            content = file.readall()
    except FileNotFoundError:
        return
    whole = [one for one in content.split(b"\n")[:-1] if len(one) == LINE_SIZE - 1 and one.startswith(b'{"batch":')]
    if whole:
        assert json.loads(whole[-1])["batch"] == done


def test_batches() -> None:
    crash_test(write_batches, batches_are_whole, profile="ext4", faults=False)
