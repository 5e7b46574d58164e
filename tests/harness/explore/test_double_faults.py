"""Two things that go wrong: a second call fails after the first, or a call fails while the subject comes back."""

import os
import sys
from pathlib import Path

import pytest

from harness import crash_test
from harness.explore.judging import by_phase
from harness.explore.life import session
from harness.explore.recording import record
from harness.explore.second_faults import SecondFaultSweep, first_faults, second_faults
from harness.gate.gate import Gate
from harness.gate.options import Options
from harness.gate.outcome import Outcome
from harness.report.json_report import document
from harness.report.repro_files import save_one
from harness.repro import load, replay

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
import double_fault_queue as wrong
import queue_client as queue


def gate(scenario, profile="process", **options):
    made = scenario()
    made.reference = f"{scenario.__module__}:{scenario.__name__}"
    report = Gate([made], Options(profiles=(profile,), jobs=1, examples=0, **options), local=True).run()
    assert not report.results[0].errors, report.results[0].errors
    return report


@pytest.mark.parametrize("scenario", [wrong.TwoInARow, wrong.ForgetsInRecovery])
def test_no_single_fault_shows_what_needs_two(scenario):
    assert gate(scenario).outcome is Outcome.HELD


@pytest.mark.parametrize("profile", ["process", "strict"])
def test_a_second_fault_shows_it_and_replays(profile, tmp_path):
    found = gate(wrong.TwoInARow, profile, double_faults=True).results[0].total.findings
    lost = [one for one in found if one.verdict == "lost"]
    assert lost and all(len(one.case.plan.faults) == 2 for one in lost)
    result = replay(load(Path(save_one(lost[0], tmp_path))), wrong.TwoInARow())
    assert result.violated and result.matches and not result.warnings


@pytest.mark.parametrize("profile", ["process", "strict"])
def test_a_fault_during_recovery_shows_it_and_replays(profile, tmp_path):
    found = gate(wrong.ForgetsInRecovery, profile, double_faults=True).results[0].total.findings
    lost = [one for one in found if one.verdict == "lost"]
    assert lost and all(one.case.recovery_plan is not None for one in lost)
    assert all("during the recovery" in one.fault for one in lost)
    result = replay(load(Path(save_one(lost[0], tmp_path))), wrong.ForgetsInRecovery())
    assert result.violated and result.matches and not result.warnings


def test_a_recovery_that_hangs_on_a_fault_is_told_and_replays(tmp_path):
    found = gate(wrong.InsistsInRecovery, double_faults=True, stop_at="hung").results[0].total.findings
    (hung,) = [one for one in found if one.verdict == "hung"]
    assert hung.case.recovery_plan is not None and len(hung.case.deaths) == 1
    result = replay(load(Path(save_one(hung, tmp_path))), wrong.InsistsInRecovery())
    assert result.violated and result.matches and not result.warnings


@pytest.mark.parametrize("profile", ["process", "strict", "ext4"])
def test_a_correct_client_holds_under_double_faults_and_all_are_counted(profile):
    report = gate(queue.Queue, profile, double_faults=True)
    assert report.outcome is Outcome.HELD, report.results[0].total.findings
    (told,) = document(report, "0", {})["scenarios"]
    for kind in ("pairs", "in_recovery"):
        counts = told["double_faults"][kind]
        assert 0 < counts["told"] <= counts["fired"] <= counts["planned"] <= counts["possible"]


def test_without_the_option_nothing_is_doubled():
    (told,) = document(gate(queue.Queue), "0", {})["scenarios"]
    assert {count for counts in told["double_faults"].values() for count in counts.values()} == {0}


def test_pairs_beyond_the_bound_are_a_sample_of_the_seed():
    scenario = wrong.TwoInARow()
    contract = by_phase(scenario.contract())
    with session():
        clean = record(scenario, "steps", 0, log_calls=True)
        firsts = first_faults(clean)
        tallies = [SecondFaultSweep(clean, ["process"], contract, most=len(firsts)).run(firsts) for _ in range(2)]
        faulty = record(scenario, "steps", 0, plan=firsts[0].plan, log_calls=True)
        pairs = second_faults(firsts[0], faulty)
    (one, other) = [(tally.double_possible, tally.double_planned, tally.double_fired) for tally in tallies]
    assert one == other
    assert 0 < one[1] <= len(firsts) < one[0]
    assert all(pair.plan.faults[0] == firsts[0].plan.faults[0] for pair in pairs)


def test_a_crash_test_asks_for_double_faults():
    def workload(mark):
        with open("/data/a", "w") as file:
            file.write("safe")
            file.flush()
            os.fsync(file.fileno())
        folder = os.open("/data", os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        mark("safe")

    def recovered(marks):
        try:
            with open("/data/a") as file:
                found = file.read()
        except FileNotFoundError:
            found = ""
        except OSError:
            os.truncate("/data/a", 0)
            return
        assert not marks or found == "safe"

    crash_test(workload, recovered)
    with pytest.raises(AssertionError, match="check-failed"):
        crash_test(workload, recovered, faults="double")
