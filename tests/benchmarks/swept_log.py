"""A JSON-lines log as `crash_test` would sweep it: recorded once, all its crash states under `strict` judged."""

from collections.abc import Callable, Iterable
from typing import Any

import json_lines

from harness.callables import CallableScenario
from harness.disk import DiskImage
from harness.durability.state import CrashState
from harness.explore.crash_sweep import CrashSweep
from harness.explore.judging import Judged, by_phase
from harness.explore.recording import Recording, record
from harness.explore.tally import Tally

PATH = "/data/log.jsonl"
PROFILE = "strict"


def scenario_of(workload: Callable[[Any], None], recovered: Callable[[list[Any]], None]) -> CallableScenario:
    return CallableScenario(workload, recovered, name="log", profiles=(PROFILE,), faults=False)


def plain_log(records: int) -> CallableScenario:
    """The writer of `json_lines`; the recovered log must hold all that was acknowledged."""

    def recovered(marks: list[int]) -> None:
        assert json_lines.recover(PATH).issuperset(marks)

    return scenario_of(lambda mark: json_lines.write(PATH, records, mark), recovered)


def recorded(scenario: CallableScenario) -> Recording:
    """One clean run, inside a session. RuntimeError where it does not run clean: nothing was measured."""
    recording = record(scenario, "workload", 0)
    if recording.failure is not None:
        raise RuntimeError(f"the benchmark's own workload fails: {recording.failure}")
    return recording


def sweep(recording: Recording, positions: Iterable[int]) -> Tally:
    """Judge the states of these kill-points. RuntimeError where one does not hold."""
    swept = CrashSweep(recording, PROFILE, by_phase(recording.scenario.contract()))
    tally = swept.run(positions)
    if tally.findings or not tally.exhaustive:
        raise RuntimeError(f"the benchmark's own log does not hold: {tally.findings[:1]}, {tally.exhaustive=}")
    return tally


class ImageSweep(CrashSweep):
    """A sweep that keeps the images it judges."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording, PROFILE, by_phase(recording.scenario.contract()))
        self.images: list[DiskImage] = []

    def _restart(self, position: int, state: CrashState, image: DiskImage) -> Judged:
        self.images.append(image)
        return super()._restart(position, state, image)
