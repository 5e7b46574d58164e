"""How a sweep is dealt: every kill-point once, even pieces, the dearest begun first."""

import msgspec
import pytest

from harness.callables import CallableScenario
from harness.explore.crash_sweep import CrashSweep
from harness.explore.judging import by_phase
from harness.explore.life import session
from harness.explore.recording import record
from harness.explore.tally import Tally
from harness.gate import executors
from harness.gate.executors import LocalWorkers
from harness.gate.task import Task


def appender(records):
    def workload(mark):
        with open("/data/log", "ab", buffering=0) as log:
            for number in range(records):
                log.write(b"%d\n" % number)
                mark(number)

    return CallableScenario(workload, lambda marks: None, name="log", profiles=("strict",))


@pytest.mark.parametrize("most", [1, 2, 5, 8, 100])
def test_chunks_hold_every_kill_point_once_and_are_even(most):
    with session():
        recording = record(appender(23), "workload", 0)
    sweep = CrashSweep(recording, "strict", by_phase(recording.scenario.contract()))
    chunks = sweep.chunks(most)
    assert [position for chunk in chunks for position in chunk] == list(range(recording.began, recording.end + 1))
    assert len(chunks) <= most
    # a mark ends what is judged together: 24 such stretches, of one kill-point at the end and two elsewhere
    assert max(map(len, chunks)) - min(map(len, chunks)) <= 4


class FakeWorker:
    """Does each task at once, in this process."""

    def __init__(self, begun):
        self.begun = begun
        self.task = None
        self.under_way = None
        self.connection = self

    def give(self, task):
        self.task = task
        self.begun.append(task.part)

    def answer(self):
        self.task = None
        return Tally()

    def kill(self):
        pass


@pytest.mark.parametrize(("stop_at", "order"), [(None, [3, 2, 1, 0]), ("lost", [0, 1, 2, 3])])
def test_late_chunks_are_begun_first_unless_the_first_finding_ends_the_run(monkeypatch, stop_at, order):
    begun = []
    monkeypatch.setattr(executors, "Worker", lambda: FakeWorker(begun))
    monkeypatch.setattr(executors.multiprocessing.connection, "wait", lambda busy, tick: busy)
    first = Task("crash", "log", "workload", "strict", 0, parts=4, stop_at=stop_at)
    tasks = [msgspec.structs.replace(first, part=part) for part in range(4)]
    done = list(LocalWorkers(1).each(tasks, lambda: False, lambda _: None))
    assert begun == order
    assert {task.part for task, _ in done} == {0, 1, 2, 3}
