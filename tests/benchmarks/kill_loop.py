"""Distinct states a second: the sweep of a JSON-lines writer, against a loop that kills the same writer for real.

The loop spawns the writer as a process on tmpfs, kills it with SIGKILL after a random part of the time it needs, and
checks the log in this process (a checker of its own would cost a second spawn). Each turn counts as a state, also where
it shows a disk that was seen before: that favours the loop. Our side counts distinct states, recording included, on
one worker; entering the session, once a process, is not counted.
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
from effort import Effort
from interleaved import ratio
from swept_log import plain_log, recorded, sweep

from harness.clock import machine_seconds
from harness.explore.life import session

_WRITER: Final = str(Path(__file__).with_name("json_lines.py"))


class KillLoop:
    """The loop, in a folder of its own; `full_s`: how long the writer takes when nobody kills it."""

    def __init__(self, root: str, records: int) -> None:
        self._root = root
        self._records = records
        self._chance = random.Random(0)
        began = machine_seconds()
        self._spawn().communicate()
        self._full_s = machine_seconds() - began

    def _spawn(self) -> subprocess.Popen[bytes]:
        log = f"{self._root}/log.jsonl"
        if os.path.exists(log):
            os.unlink(log)
        return subprocess.Popen([sys.executable, _WRITER, log, str(self._records)], stdout=subprocess.PIPE)

    def states_per_s(self, kills: int) -> float:
        """Turns of the loop in a second."""
        began = machine_seconds()
        for _ in range(kills):
            writer = self._spawn()
            try:
                said, _ = writer.communicate(timeout=self._chance.uniform(0, self._full_s))
            except subprocess.TimeoutExpired:
                writer.kill()
                said, _ = writer.communicate()
            acknowledged = {int(line) for line in said.split(b"\n")[:-1]}
            assert json_lines.recover(f"{self._root}/log.jsonl").issuperset(acknowledged)
        return kills / (machine_seconds() - began)


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
        return ratio(lambda: swept_states_per_s(effort.records), lambda: loop.states_per_s(effort.kills), effort.rounds)
    finally:
        shutil.rmtree(root)
