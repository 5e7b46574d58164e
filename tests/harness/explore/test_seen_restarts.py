"""A restart is spared where it has been seen, and only there."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from harness.callables import CallableScenario
from harness.disk import DiskImage, File, Folder
from harness.explore.crash_sweep import CrashSweep
from harness.explore.fault_sweep import FaultSweep, planned
from harness.explore.judging import by_phase
from harness.explore.life import session
from harness.explore.recording import record
from harness.explore.seen_restarts import KEPT_MOST, SeenRestarts, key_of
from harness.explore.tally import Tally
from harness.ledger import Ledger
from harness.trace import ROOT, Mark

LOG = "/data/log"


def image_of(data: bytes, ino: int = 7) -> DiskImage:
    return DiskImage({ROOT: Folder({"log": ino}), ino: File(data)})


def key(**changed: Any) -> object:
    known: dict[str, Any] = {
        "disk": image_of(b"one"),
        "outside": b"world",
        "at": 1.0,
        "now": Ledger(),
        "at_death": Ledger(),
        "fault_fired": False,
        "previous": ("state",),
    }
    return key_of(**{**known, **changed})


def test_equal_cases_have_one_key() -> None:
    assert key() == key(disk=image_of(b"one"), previous=("state",))


def test_each_thing_a_restart_depends_on_makes_another_key() -> None:
    marked = Ledger().then(Mark("acknowledged", "a"))
    others = [
        key(disk=image_of(b"two")),
        key(disk=image_of(b"one", ino=8)),
        key(outside=b"other world"),
        key(at=2.0),
        key(now=marked),
        key(at_death=marked),
        key(fault_fired=True),
        key(previous=("other",)),
    ]
    assert key() not in others
    assert len(set(others)) == len(others)


def test_what_nobody_can_compare_has_no_key_and_is_never_kept() -> None:
    assert key(previous=lambda: None) is None
    seen: SeenRestarts[str] = SeenRestarts()
    seen.keep(None, "something")
    assert seen.get(None) is None


def test_memory_is_bounded() -> None:
    seen: SeenRestarts[int] = SeenRestarts()
    for number in range(KEPT_MOST + 1):
        seen.keep((number,), number)
    assert seen.get((0,)) is None
    assert seen.get((KEPT_MOST,)) == KEPT_MOST


def swept(recovered: Callable[[list[Any]], None]) -> tuple[Tally, int]:
    def workload(mark: Callable[[Any], None]) -> None:
        with open(LOG, "ab") as log:
            folder = os.open("/data", os.O_RDONLY)
            os.fsync(folder)
            for number in range(3):
                log.write(b"%d" % number * 20 + b"\n")
                log.flush()
                os.fsync(log.fileno())
                mark(number)

    scenario = CallableScenario(workload, recovered, name="log", profiles=("strict",))
    with session():
        recording = record(scenario, "workload", 0)
        sweep = CrashSweep(recording, "strict", by_phase(scenario.contract()))
        return sweep.run(range(recording.end + 1)), sweep._known.spared


def cut_tail() -> list[bytes]:
    """The whole lines; what follows them is cut off."""
    if not os.path.exists(LOG):
        return []
    with open(LOG, "r+b") as log:
        lines = log.read().split(b"\n")
        log.truncate(sum(len(line) + 1 for line in lines[:-1]))
        os.fsync(log.fileno())
    return lines[:-1]


def test_torn_tails_of_all_lengths_share_their_second_restart() -> None:
    def recovered(marks: list[int]) -> None:
        assert len(cut_tail()) >= len(marks)

    tally, spared = swept(recovered)
    assert tally.findings == []
    assert spared > tally.checked // 2


def test_a_second_restart_that_fails_is_told_as_often_as_without_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def recovered(marks: list[int]) -> None:
        cut = os.path.exists("/data/cut")
        before = os.path.getsize(LOG) if os.path.exists(LOG) else 0
        cut_tail()
        if os.path.exists(LOG) and os.path.getsize(LOG) != before:
            os.close(os.open("/data/cut", os.O_WRONLY | os.O_CREAT))
        assert not cut, "cut before"

    remembering, spared = swept(recovered)
    monkeypatch.setattr(SeenRestarts, "get", lambda self, key: None)
    forgetful, _ = swept(recovered)
    assert spared > 0
    assert "not-idempotent" in {finding.verdict for finding in remembering.findings}
    assert remembering.findings == forgetful.findings
    assert remembering.checked == forgetful.checked


def test_one_call_that_fails_in_many_ways_is_restarted_once_for_what_it_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def workload(mark: Callable[[Any], None]) -> None:
        with open(LOG, "ab") as log:
            for number in range(2):
                log.write(b"%d\n" % number)
                log.flush()
                os.fsync(log.fileno())
                mark(number)

    def recovered(marks: list[int]) -> None:
        assert len(cut_tail()) >= len(marks)

    def sweep() -> tuple[Tally, int]:
        scenario = CallableScenario(workload, recovered, name="log", profiles=("strict",))
        with session():
            clean = record(scenario, "workload", 0, log_calls=True)
            faults = FaultSweep(clean, ("strict", "process"), by_phase(scenario.contract()))
            return faults.run(planned(clean)), faults._restarts.spared

    remembering, spared = sweep()
    monkeypatch.setattr(SeenRestarts, "get", lambda self, key: None)
    forgetful, _ = sweep()
    assert spared > 0
    assert remembering.findings == forgetful.findings
    assert remembering.faults_told == forgetful.faults_told
