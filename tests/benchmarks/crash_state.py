"""One crash state of a 20-line log: built, recovered and judged by the real sweep, against the same images on tmpfs.

Our side is everything between two states of `CrashSweep`: enumeration, the disk, the restart, the judge. The other
side does the least that a harness on a real folder must: make the folder and its files, recover, compare, remove.
"""

import os
import shutil
import tempfile
from typing import Final

import json_lines
from append_cycle import memory_folder
from effort import Effort
from interleaved import processor_seconds, ratio
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


def vs_tmpfs(effort: Effort) -> float:
    """`state_vs_tmpfs`: our seconds a distinct state / those on tmpfs. Less is better."""
    with session():
        recording = recorded(_log_around(effort.records))
        # the last MORE records are 3 items each: write, fsync, mark
        positions = range(max(0, recording.end - 3 * MORE), recording.end + 1)
        keeper = ImageSweep(recording)
        keeper.run(positions)
        contents = [_files(image) for image in keeper.images]
        marked = max(0, effort.records - MORE // 2)
        root = tempfile.gettempdir()
        with Redirection.shared().paused():
            root = tempfile.mkdtemp(dir=memory_folder())

        def ours() -> float:
            began = processor_seconds()
            tally = sweep(recording, positions)
            return (processor_seconds() - began) / tally.checked

        def on_tmpfs() -> float:
            with Redirection.shared().paused():
                return _materialised(f"{root}/disk", contents, marked)

        try:
            return ratio(ours, on_tmpfs, effort.rounds)
        finally:
            with Redirection.shared().paused():
                shutil.rmtree(root)


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
