"""Deaths during recoveries of recoveries: as deep as asked for, counted by depth, replayed from a file."""

import os
import sys
from pathlib import Path

import pytest

from harness import crash_test
from harness.gate.gate import Gate
from harness.gate.options import Options
from harness.gate.outcome import Outcome
from harness.report.json_report import document
from harness.report.repro_files import save_one
from harness.repro import load, replay

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
import queue_client as queue
from impatient_queue import DeepByItself, Impatient


def gate(scenario, profile, **options):
    made = scenario()
    made.reference = f"test_recovery_depth:{scenario.__name__}"
    options = Options(profiles=(profile,), jobs=1, faults=False, examples=0, **options)
    report = Gate([made], options, local=True).run()
    assert not report.results[0].errors, report.results[0].errors
    return report


def test_one_death_in_recovery_does_not_show_what_needs_two():
    report = gate(Impatient, "process")
    assert report.outcome is Outcome.HELD
    assert list(report.results[0].total.recovery_depths) == ["1"]


def test_two_deaths_in_recoveries_show_it_and_replay(tmp_path):
    report = gate(Impatient, "process", recovery_depth=2)
    lost = [one for one in report.results[0].total.findings if one.verdict == "lost"]
    assert lost and all(len(one.case.deaths) == 3 for one in lost)
    result = replay(load(Path(save_one(lost[0], tmp_path))), Impatient())
    assert result.violated and result.matches and not result.warnings


def test_a_scenario_may_ask_for_depth_by_itself():
    assert "lost" in {one.verdict for one in gate(DeepByItself, "process").results[0].total.findings}
    assert gate(DeepByItself, "process", recovery_depth=1).outcome is Outcome.HELD


@pytest.mark.parametrize("profile", ["process", "strict", "ext4"])
def test_a_correct_client_holds_at_depth_three_and_every_depth_is_counted(profile):
    report = gate(queue.Queue, profile, recovery_depth=3)
    assert report.outcome is Outcome.HELD, report.results[0].total.findings
    total = report.results[0].total
    assert list(total.recovery_depths) == ["1", "2", "3"]
    assert sum(total.recovery_depths.values()) == total.recovery_checked
    assert total.recovery_depths["2"] > 0
    (told,) = document(report, "0", {})["scenarios"]
    assert told["recovery_deaths"]["by_depth"] == total.recovery_depths


def test_depth_one_does_what_it_did_before_there_was_more():
    shallow, deep = (gate(queue.Queue, "strict", recovery_depth=depth).results[0].total for depth in (1, 2))
    assert shallow.recovery_depths["1"] == deep.recovery_depths["1"] == shallow.recovery_checked


def test_a_crash_test_asks_for_depth():
    def workload(mark):
        with open("/data/a", "wb") as file:
            file.write(b"safe")
            os.fsync(file.fileno())
        folder = os.open("/data", os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        mark("safe")

    def recovered(marks):
        tries = len(os.listdir("/data")) - os.path.exists("/data/a")
        if tries >= 2 and os.path.exists("/data/a"):
            os.truncate("/data/a", 0)
        with open(f"/data/try{tries}", "wb") as file:
            file.write(b"x")
        if marks:
            with open("/data/a", "rb") as file:
                assert file.read() == b"safe"
        os.remove(f"/data/try{tries}")

    crash_test(workload, recovered, profile="process", faults=False)
    with pytest.raises(AssertionError, match="check-failed"):
        crash_test(workload, recovered, profile="process", faults=False, recovery_depth=2)
