"""Random histories: a planted bug is found, shrunk to a short history, and replays from its file."""

import sys
from pathlib import Path

import pytest

from harness.explore.life import session
from harness.explore.saved_case import SavedCase, Step
from harness.gate.task import Task, Workshop
from harness.report.repro_files import save_one
from harness.repro import ReproError, ReproFile, load, replay
from harness.statemachine import run_histories

sys.path.insert(0, str(Path(__file__).parent))
import queue_client as queue


def made(scenario):
    one = scenario()
    one.reference = f"queue_client:{scenario.__name__}"
    return one


def histories(scenario, profile="strict", seed=0):
    one = made(scenario)
    task = Task("histories", one.reference, "steps", profile, seed, examples=150)
    with session():
        return Workshop({one.reference: one}).perform(task)


def test_a_correct_client_survives_them():
    tally = histories(queue.Queue)
    assert not tally.findings and tally.examples >= 150 and tally.steps > tally.examples


@pytest.mark.parametrize(
    "scenario, verdict, most, seed",
    [
        (queue.Unsyncing, "lost", 3, 1),
        pytest.param(queue.Unsyncing, "lost", 3, 0, marks=pytest.mark.slow),  # shrinks five times as long as others
        (queue.Doubled, "double-applied", 3, 0),
    ],
)
def test_a_planted_bug_is_found_shrunk_and_replayed(scenario, verdict, most, seed, tmp_path):
    (finding,) = histories(scenario, seed=seed).findings
    assert finding.verdict == verdict
    assert len(finding.case.steps) <= most, finding.operation
    result = replay(load(Path(save_one(finding, tmp_path))), made(scenario))
    assert result.violated and result.matches


def test_the_same_seed_finds_the_same_history():
    assert histories(queue.Unsyncing, seed=5).findings == histories(queue.Unsyncing, seed=5).findings


def test_being_stopped_ends_them_without_a_finding():
    with session():
        tally = run_histories(made(queue.Queue), "steps", "strict", 0, 1000, lambda tally: True)
    assert tally.examples == 0 and not tally.findings


@pytest.mark.parametrize(
    "step",
    [
        Step("act", {"action": "no such action"}),
        Step("act"),
        Step("fault", {"plan": "not json"}),
        Step("die", {"how": "zfs", "after": 0, "state": 0}),
        Step("wait", {"seconds": "long"}),
        Step("dance"),
    ],
    ids=lambda step: step.do,
)
def test_a_saved_step_that_does_not_fit_is_a_sentence(step):
    case = SavedCase("queue", "steps", 0, "strict", "lost", "", "", "restarted", steps=(step,))
    with pytest.raises(ReproError, match=f"step '{step.do}' of the saved history does not fit"):
        replay(ReproFile("crash-harness repro", 1, case), made(queue.Queue))
