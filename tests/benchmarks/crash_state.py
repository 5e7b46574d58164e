"""One crash state of a log: built, recovered and judged by the real sweep, against what it costs without a harness.

Our side is everything between two states of `CrashSweep`: enumeration, the disk, the restart, the judge. The other
side gets the very same images. On tmpfs it does the least that a harness on a real folder must: make the folder and its
files, recover, compare, remove. In memory it only parses the bytes: what the checker itself costs, the limit.
"""

import os
import shutil
import tempfile
from typing import Final

import json_lines
from append_cycle import memory_folder
from effort import Effort
from interleaved import cost_ratio, processor_seconds
from swept_log import PATH, ImageSweep, recorded, scenario_of, sweep

from harness.callables import CallableScenario
from harness.disk import DiskImage, File
from harness.explore.life import session
from harness.frontends.simulated import Redirection

MORE: Final = 4
"""Records appended one by one, half before and half after the log has its nominal length."""


def _log_around(records: int) -> CallableScenario:
    """A log that stands at `records` - 2 lines, durable, and grows to `records` + 2."""

    def workload(mark: object) -> None:
        json_lines.write(PATH, records + MORE // 2, mark)  # type: ignore[arg-type]  # crash_test's mark

    def recovered(marks: list[int]) -> None:
        assert json_lines.recover(PATH).issuperset(marks)

    return scenario_of(workload, recovered)


class LastStates:
    """The states of the last MORE records of a log of about `records`, and the files in each. Inside a session."""

    def __init__(self, records: int) -> None:
        self._recording = recorded(_log_around(records))
        # a record is 3 items: write, fsync, mark
        self._positions = range(max(0, self._recording.end - 3 * MORE), self._recording.end + 1)
        keeper = ImageSweep(self._recording)
        keeper.run(self._positions)
        self.contents = [_files(image) for image in keeper.images]

    def swept(self) -> float:
        """Seconds that the sweep takes for a state."""
        began = processor_seconds()
        tally = sweep(self._recording, self._positions)
        return (processor_seconds() - began) / tally.checked


def vs_tmpfs(effort: Effort) -> float:
    """`state_vs_tmpfs`: our seconds a distinct state of a 20-line log / those on tmpfs. Less is better."""
    with session():
        states = LastStates(effort.records)
        marked = max(0, effort.records - MORE // 2)
        with Redirection.shared().paused():
            root = tempfile.mkdtemp(dir=memory_folder())

        def on_tmpfs() -> float:
            with Redirection.shared().paused():
                return _materialised(f"{root}/disk", states.contents, marked)

        try:
            return cost_ratio(states.swept, on_tmpfs, 4 * effort.rounds)
        finally:
            with Redirection.shared().paused():
                shutil.rmtree(root)


def vs_limit(effort: Effort) -> float:
    """`state_vs_limit`: our seconds a distinct state of a 100-line log / the checker's own parse. Less is better, 1 is the
    limit."""
    with session():
        states = LastStates(effort.long)
        return cost_ratio(states.swept, lambda: _parsed(states.contents), 3 * effort.rounds)


def _files(image: DiskImage) -> list[tuple[str, bytes]]:
    """The regular files below /data."""
    return [(path[len("/data") :], node.data) for path, _, node in image.walk() if isinstance(node, File)]


def _materialised(folder: str, contents: list[list[tuple[str, bytes]]], marked: int) -> float:
    """Seconds to make, recover and remove one image."""
    name = PATH[len("/data") :]
    marks = list(range(marked))
    began = processor_seconds()
    for files in contents:
        os.mkdir(folder)
        for path, data in files:
            with open(folder + path, "wb", buffering=0) as file:
                file.write(data)
        assert json_lines.recover(folder + name).issuperset(marks)
        for path, _ in files:
            os.unlink(folder + path)
        os.rmdir(folder)
    return (processor_seconds() - began) / len(contents)


def _parsed(contents: list[list[tuple[str, bytes]]]) -> float:
    """Seconds to parse the files of one image."""
    began = processor_seconds()
    for files in contents:
        for _, data in files:
            json_lines.parsed(data)
    return (processor_seconds() - began) / len(contents)
