"""The quick form of the gate: it finds, it stops where it is told to, and it never says that something held."""

import sys
from pathlib import Path

import pytest

from harness.callables import CallableScenario
from harness.gate.gate import Gate
from harness.gate.options import ANY_VERDICT, Options, ends
from harness.gate.outcome import Outcome
from harness.gate.sample import RECOVERY_STRIDE, sample, spread
from harness.scenario import Action

sys.path.insert(0, str(Path(__file__).parents[1]))
from job_logs import JobLog, NamelessLog, UnsyncedLog

PATH = "/data/jobs.jsonl"


def scenario_of(log):
    def workload(mark):
        jobs = log(PATH)
        for number in range(6):
            jobs.append(number)
            mark(number)

    def recovered(marks):
        assert set(marks) <= set(log(PATH))

    return CallableScenario(workload, recovered, name="jobs", profiles=("process", "strict"))


def quick(log, **options):
    return Gate([scenario_of(log)], Options(jobs=1, quick=True, **options), local=True).run()


def test_a_quick_run_that_finds_nothing_is_inconclusive_and_bounded():
    report = quick(JobLog)
    assert report.outcome == Outcome.INCONCLUSIVE and report.exit_code == 3
    assert all("sample" in " ".join(result.reasons) for result in report.results)
    assert not any(tally.exhaustive for result in report.results for tally in result.workloads.values())


@pytest.mark.parametrize("log", [UnsyncedLog, NamelessLog])
def test_a_quick_run_finds_what_every_power_cut_shows(log):
    report = quick(log)
    assert report.outcome == Outcome.VIOLATION
    assert {finding.verdict for result in report.results for finding in result.total.findings} == {"check-failed"}


def test_the_first_violation_ends_the_run():
    whole = quick(UnsyncedLog)
    first = quick(UnsyncedLog, stop_at=ANY_VERDICT)
    assert first.outcome == Outcome.VIOLATION
    checked = [sum(result.total.checked for result in report.results) for report in (whole, first)]
    assert checked[1] < checked[0]
    assert sum(finding.count for result in first.results for finding in result.total.findings) == 1


def test_the_first_violation_ends_the_whole_gate_as_well():
    report = Gate([scenario_of(UnsyncedLog)], Options(jobs=1, stop_at=ANY_VERDICT), local=True).run()
    assert report.outcome == Outcome.VIOLATION
    assert sum(finding.count for result in report.results for finding in result.total.findings) == 1


def test_the_sample_is_the_same_each_time():
    one, two = quick(JobLog), quick(JobLog)
    counted = [
        [(r.total.checked, r.total.recovery_checked, r.total.faults_fired) for r in report.results]
        for report in (one, two)
    ]
    assert counted[0] == counted[1]
    assert all(checked for checked, _, _ in counted[0])


def test_cheap_pieces_come_first():
    class Busy(CallableScenario):
        def actions(self):
            return (Action("nothing", lambda run, world, subject: None),)

    made = Busy(lambda mark: None, lambda marks: None, name="busy", profiles=("strict",))
    kinds = [(task.kind, task.recovery) for task in sample(made, made.workloads(), Options())]
    assert kinds[0] == ("crash", False) and kinds[-1] == ("crash", True)
    assert [kind for kind, _ in kinds].index("faults") < [kind for kind, _ in kinds].index("histories")


def test_a_name_has_its_place_whatever_the_process():
    assert [spread(name, RECOVERY_STRIDE) for name in ("inbound", "notify", "busy")] == [9, 8, 2]


@pytest.mark.parametrize(
    "stop_at, verdicts, over",
    [
        (None, ["lost"], False),
        ("lost", [], False),
        ("lost", ["hung"], False),
        ("lost", ["hung", "lost"], True),
        (ANY_VERDICT, [], False),
        (ANY_VERDICT, ["hung"], True),
    ],
)
def test_a_run_is_over_when_what_it_stops_at_is_found(stop_at, verdicts, over):
    assert ends(stop_at, verdicts) == over
