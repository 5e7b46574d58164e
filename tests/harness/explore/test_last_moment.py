"""At the very end of a run the restarted subject is held against what the living one showed last."""

import os
from typing import ClassVar

from harness.explore.crash_sweep import CrashSweep
from harness.explore.judging import by_phase
from harness.explore.life import session
from harness.explore.recording import record
from harness.scenario import Case, Guarantee, Phase, Run, Scenario, World
from harness.verdict.vocabulary import Violation, violation

LOG = "/data/log"


class Counter:
    """Counts in memory, and writes something else."""

    def __init__(self) -> None:
        self.fd = os.open(LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.shown = os.read(self.fd, 100)

    def add(self, shown: bytes, written: bytes) -> None:
        self.shown += shown
        os.write(self.fd, written)
        os.fsync(self.fd)


def differs(case: Case[World, bytes]) -> list[Violation]:
    if case.previous is None or case.previous == case.observed:
        return []
    return [violation("diverged", f"{case.previous!r} was shown, now {case.observed!r}")]


class _LastOperationIsASync(Scenario[World, Counter, bytes]):
    """No mark follows the last sync: the disk of the end was there before, what was shown was not."""

    name: ClassVar[str] = "last-operation-is-a-sync"

    def world(self, run: Run, workload: str) -> World:
        return World()

    def boot(self, run: Run, world: World) -> Counter:
        return Counter()

    def steps(self, run: Run, world: World, subject: Counter, workload: str) -> None:
        run.mark("attempted", "one")
        subject.add(b"1", b"2")

    def observe(self, run: Run, world: World, subject: Counter) -> bytes:
        return subject.shown

    def contract(self) -> tuple[Guarantee, ...]:
        return (Guarantee("same", "What was shown is there.", differs, frozenset({Phase.RESTARTED})),)


def test_the_last_observation_is_compared_although_its_disk_was_met_before() -> None:
    scenario = _LastOperationIsASync()
    with session():
        recording = record(scenario, "steps", 0)
        sweep = CrashSweep(recording, "process", by_phase(scenario.contract()))
        tally = sweep.run(range(recording.began, recording.end + 1))
    assert [(found.verdict, found.kill_point) for found in tally.findings] == [("diverged", recording.end)]
