"""Distinct states a second: the sweep of a JSON-lines writer, against a loop that kills the same writer for real.

The loop spawns the writer as a process on tmpfs, waits for a random one of its acknowledgements and a random moment
more, kills it with SIGKILL, and checks the log in this process. A kill before the writer has begun would be cheaper,
and no state of the writer's. Each turn counts as a state, also where it shows a disk that was seen before: that favours
the loop. Our side counts distinct states, recording included, on one worker; entering the session, once a process, is
not counted.

What our side does and this loop does not: start the program again, in a process of its own, on what the dead one left.
`python tests/benchmarks/kill_loop.py` prints states a second of both sides, and of the loop with that second process.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import json_lines
from append_cycle import memory_folder
from effort import FULL, Effort
from interleaved import rate_ratio
from swept_log import plain_log, recorded, sweep

from harness.clock import machine_seconds
from harness.explore.life import session

_WRITER: Final = str(Path(__file__).with_name("json_lines.py"))


WRITE_S: Final = 20e-6
"""About what the writer takes for a record: the kill comes up to this long after an acknowledgement."""


class KillLoop:
    """The loop, in a folder of its own."""

    def __init__(self, root: str, records: int) -> None:
        self._log = f"{root}/log.jsonl"
        self._records = records
        self._chance = random.Random(0)

    def states_per_s(self, kills: int) -> float:
        """Turns of the loop in a second."""
        began = machine_seconds()
        for _ in range(kills):
            acknowledged = self._turn(self._chance.randrange(self._records), self._chance.uniform(0, WRITE_S))
            assert json_lines.recover(self._log).issuperset(acknowledged)
            os.unlink(self._log)
        return kills / (machine_seconds() - began)

    def restarts_per_s(self, kills: int) -> float:
        """The same where each log is read by a process of its own, as a restarted writer would."""
        began = machine_seconds()
        for _ in range(kills):
            acknowledged = self._turn(self._chance.randrange(self._records), self._chance.uniform(0, WRITE_S))
            command = [sys.executable, _WRITER, self._log]
            read = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            assert {int(line) for line in read.splitlines()}.issuperset(acknowledged)
            os.unlink(self._log)
        return kills / (machine_seconds() - began)

    def _turn(self, last: int, pause_s: float) -> set[int]:
        """What the writer had acknowledged when it was killed, `pause_s` after the acknowledgement of `last`."""
        command = [sys.executable, _WRITER, self._log, str(self._records)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            said = [writer.stdout.readline() for _ in range(last + 1)]
            until = machine_seconds() + pause_s
            while machine_seconds() < until:
                pass  # shorter than the machine can sleep
            writer.kill()
            said += writer.stdout.readlines()
        return {int(line) for line in said if line.endswith(b"\n")}


def swept_states_per_s(records: int) -> float:
    """Distinct states of the writer that the sweep judges in a second."""
    with session():
        began = machine_seconds()
        recording = recorded(plain_log(records))
        tally = sweep(recording, range(recording.end + 1))
        return tally.distinct / (machine_seconds() - began)


def vs_kill_loop(effort: Effort) -> float:
    """`states_per_s_vs_kill_loop`: ours / the loop's. More is better."""
    root = tempfile.mkdtemp(dir=memory_folder())
    try:
        loop = KillLoop(root, effort.records)
        return rate_ratio(
            lambda: swept_states_per_s(effort.records), lambda: loop.states_per_s(effort.kills), effort.rounds
        )
    finally:
        shutil.rmtree(root)


def main() -> int:
    root = tempfile.mkdtemp(dir=memory_folder())
    try:
        loop = KillLoop(root, FULL.records)
        sides = {
            "sweep": [swept_states_per_s(FULL.records) for _ in range(FULL.rounds)],
            "loop, checked here": [loop.states_per_s(FULL.kills) for _ in range(FULL.rounds)],
            "loop, restarted": [loop.restarts_per_s(FULL.kills) for _ in range(FULL.rounds)],
        }
        for name, rates in sides.items():
            print(f"{name:20}{max(rates):10.1f} states a second")
    finally:
        shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
