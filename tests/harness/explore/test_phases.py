"""What the explorer asks of a full Scenario with a world: each phase, deaths during recovery, two deaths in a row."""

import contextlib
import sys
from pathlib import Path

import pytest

from harness.gate.gate import Gate
from harness.gate.options import Options
from harness.gate.outcome import Outcome
from harness.report.repro_files import save_one
from harness.repro import load, replay

sys.path.insert(0, str(Path(__file__).parents[1]))
import queue_client as queue


def gate(scenario, profile="strict", **options):
    made = scenario()
    made.reference = f"queue_client:{scenario.__name__}"
    given = {"faults": False, "examples": 0, **options}
    report = Gate([made], Options(profiles=(profile,), jobs=1, **given), local=True).run()
    assert not report.results[0].errors, report.results[0].errors
    return report


def findings(scenario, profile="strict", **options):
    return gate(scenario, profile, **options).results[0].total.findings


@pytest.mark.parametrize(
    "scenario, profile",
    [
        *(
            (scenario, profile)
            for scenario in (queue.Queue, queue.AsyncQueue)
            for profile in ("process", "strict", "ext4")
        ),
        (queue.Probed, "strict"),  # a kill tears no append of a few bytes
    ],
)
def test_a_correct_client_holds(scenario, profile):
    report = gate(scenario, profile)
    assert report.outcome is Outcome.HELD, report.results[0]
    assert report.results[0].total.recovery_checked > 0
    assert all(tally.exhaustive for tally in report.results[0].workloads.values())


def test_a_correct_client_holds_when_calls_fail_and_in_random_histories():
    report = gate(queue.Queue, faults=True, examples=20)
    total = report.results[0].total
    assert report.outcome is Outcome.HELD, total.findings
    assert 0 < total.faults_told <= total.faults_fired <= total.faults_planned
    assert total.examples >= 20 and total.steps > 20


def test_a_lost_acknowledged_job_shows_right_after_the_restart():
    (first, *_) = findings(queue.Unsyncing)
    assert (first.verdict, first.phase) == ("lost", "restarted")
    assert first.source.startswith("queue_client.py:")
    assert "process" not in first.profiles


def test_what_only_redelivery_breaks_shows_after_settling():
    found = findings(queue.TornKeeping)
    assert ("lost", "again") in {(one.verdict, one.phase) for one in found} or "settled" in {one.phase for one in found}


def test_a_doubled_job_shows_in_a_run_without_any_death():
    (first, *_) = findings(queue.Doubled, "process")
    assert (first.verdict, first.phase, first.case.deaths) == ("double-applied", "clean", ())


def test_a_recovery_that_changes_its_mind_is_not_idempotent():
    assert "not-idempotent" in {one.verdict for one in findings(queue.Drifting, "process")}


def test_a_recovery_that_breaks_only_when_it_is_killed_itself_is_found_by_two_deaths():
    found = findings(queue.FragileRecovery, "process")
    lost = [one for one in found if one.verdict == "lost"]
    assert lost and all(len(one.case.deaths) == 2 for one in lost)


def test_what_a_killed_process_left_unsynced_is_lost_by_the_power_cut_that_follows():
    found = findings(queue.KillThenPower, "process")
    assert [one.verdict for one in found] == ["lost"]
    (first, second) = found[0].case.deaths
    assert (first.state.profile, second.state.profile) == ("process", "strict")


@pytest.mark.parametrize("scenario", [queue.FragileRecovery, queue.KillThenPower, queue.Drifting, queue.Unsyncing])
def test_every_finding_replays_from_its_file(scenario, tmp_path):
    made = scenario()
    made.reference = f"queue_client:{scenario.__name__}"
    for finding in findings(scenario, "process" if scenario is not queue.Unsyncing else "strict"):
        result = replay(load(Path(save_one(finding, tmp_path))), made)
        assert result.violated and result.matches and not result.warnings


def test_a_probe_that_is_never_hit_leaves_the_run_inconclusive():
    report = gate(queue.NeverHit)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.results[0].missed == ["a moon of cheese"]
    assert report.results[0].reasons == ["probe never hit: a moon of cheese"]


def test_a_bound_is_said():
    report = gate(queue.Unsyncing, bound=3)
    assert not report.results[0].workloads["steps"].exhaustive


def test_a_swallowed_refusal_under_a_fault_is_found():
    class Swallowing(queue.Client):
        def take(self, job):
            with contextlib.suppress(OSError):
                super().take(job)

    class Scenario(queue.Queue):
        client = Swallowing

    found = findings(Scenario, "process", faults=True)
    assert "lost" in {one.verdict for one in found}
    assert all(one.fault for one in found)


def test_a_judge_that_raises_is_an_error_that_names_it():
    class Broken(queue.Queue):
        def contract(self):
            raise KeyError("no such promise")

    made = Broken()
    made.reference = "x"
    report = Gate([made], Options(profiles=("process",), jobs=1), local=True).run()
    assert report.outcome is Outcome.ERROR
    assert "KeyError" in report.results[0].errors[0] and "test_phases.py:" in report.results[0].errors[0]
