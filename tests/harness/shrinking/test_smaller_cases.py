"""Cases that were made larger than they need be, shrunk: each dimension, the same verdict, and what is told of it."""

import json
import sys
from pathlib import Path

import msgspec
import pytest

from harness.durability.legality import walk_to
from harness.durability.profiles import profile
from harness.durability.state import CrashState
from harness.explore.life import session
from harness.explore.play import play
from harness.explore.recording import record
from harness.explore.saved_case import Death, SavedCase, Step
from harness.faults import Fault, FaultPlan
from harness.repro import ReproError, ReproFile, replay, save
from harness.shrinking.saved_case import shrink, size_of
from harness.subjects import find_one

sys.path.insert(0, str(Path(__file__).parents[1]))
import queue_client as queue
import subject_files
from command_line import asked, written


def made(scenario):
    one = scenario()
    one.reference = f"queue_client:{scenario.__name__}"
    return one


def shown(scenario, **parts):
    """A file with a case of these parts; its verdict is the first that it shows."""
    case = SavedCase(scenario.reference, scenario.workloads()[0], 0, "strict", "", "", "", "", **parts)
    with session():
        told = play(scenario, case).violations[0]
    violation = told.violation
    case = msgspec.structs.replace(
        case, verdict=violation.verdict, guarantee=violation.guarantee, summary=violation.summary, phase=told.phase
    )
    return ReproFile("crash-harness repro", 1, case)


def all_lost(scenario):
    """The death at the very end that loses all that it can."""
    with session():
        run = record(scenario, scenario.workloads()[0], 0)
    disk = walk_to(run.base, run.items, run.end, profile("strict")).disk
    missing = tuple(unit.id for bit, unit in disk.units.items() if bit & disk.pending)
    return Death(run.end, CrashState("strict", run.end, missing))


def test_less_is_missing_earlier():
    scenario = made(queue.Unsyncing)
    file = shown(scenario, deaths=(all_lost(scenario),))
    result = shrink(file, scenario)
    before, after = size_of(file.case), size_of(result.file.case)
    assert (after.missing, before.missing > 3) == (1, True)
    assert after.position < before.position // 2, "right after the first acknowledgement"
    assert result.file.source and "strict" in result.file.profiles and not result.cut_short
    again = replay(result.file, scenario)
    assert again.violated and again.matches


def test_a_death_that_was_not_needed_goes():
    scenario = made(queue.Unsyncing)
    lost = all_lost(scenario)
    with session():
        first = Death(lost.position, lost.state)
        second_life = play(scenario, shown_case(scenario, (first,))).recovery[0]
        end = len(second_life.kernel.trace)
    file = shown(scenario, deaths=(first, Death(end, CrashState("strict", end))))
    assert size_of(shrink(file, scenario).file.case).deaths == 1


def shown_case(scenario, deaths):
    return SavedCase(scenario.reference, "steps", 0, "strict", "lost", "", "", "", deaths=deaths)


def test_a_fault_that_was_not_needed_goes_and_one_that_lasts_hits_once():
    scenario = made(queue.Unsyncing)
    slow = FaultPlan((Fault(("write",), delay=1.0, lasts=None),))
    file = shown(scenario, deaths=(all_lost(scenario),), plan=slow)
    assert shrink(file, scenario).file.case.plan is None


def test_histories_lose_steps_faults_and_large_numbers():
    scenario = made(queue.Unsyncing)
    deliver = [Step("act", {"action": "deliver", "job": job}) for job in (3, 2, 3)]
    plan = msgspec.json.encode(FaultPlan((Fault(("rename",), errno="EIO"),))).decode()
    steps = (
        Step("wait", {"seconds": 4_000.0}),
        Step("fault", {"plan": plan}),
        *deliver,
        Step("settle"),
        Step("die", {"how": "strict", "after": 0, "state": 481}),
        Step("lift"),
    )
    file = shown(scenario, steps=steps)
    case = shrink(file, scenario).file.case
    assert [step.do for step in case.steps] == ["act", "die"]
    assert case.steps[1].arguments["state"] < 10
    assert size_of(case).faults == 0
    result = replay(ReproFile("crash-harness repro", 1, case), scenario)
    assert result.violated and result.matches


def test_a_case_that_does_not_show_is_told_so():
    scenario = made(queue.Unsyncing)
    file = shown(scenario, deaths=(all_lost(scenario),))
    other = msgspec.structs.replace(file, case=msgspec.structs.replace(file.case, verdict="double-applied"))
    assert shrink(other, scenario).file is None
    with pytest.raises(ReproError, match="cannot be played"):
        shrink(file, made(queue.Queue))  # nothing is missing there


def test_the_smallest_case_stays_as_it_is():
    scenario = made(queue.Unsyncing)
    once = shrink(shown(scenario, deaths=(all_lost(scenario),)), scenario).file
    assert shrink(once, scenario).file is once


def test_a_budget_that_is_over_keeps_what_was_found_and_says_so():
    scenario = made(queue.Unsyncing)
    file = shown(scenario, deaths=(all_lost(scenario),))
    result = shrink(file, scenario, budget_s=1e-9)
    assert result.file is file and result.cut_short and result.tries == 0


@pytest.fixture
def inflated(here):
    """The saved case of a file that loses something, with a death long after that, which loses much else."""
    name = written(here, subject_files.LONG.replace("range(60)", "range(8)"))
    scenario = find_one(f"{name}::test_long")
    return save(shown(scenario, deaths=(all_lost(scenario),)), Path("large"))


def test_the_command_writes_the_smaller_case_next_to_the_old_one(inflated):
    result = asked("shrink", inflated, "--json", "told.json")
    assert result.exit_code == 1, result.output
    told = json.loads(Path("told.json").read_text())
    assert told["smaller"] and told["finished"] and told["verdict"] == "check-failed"
    assert Path(told["repro"]).parent == inflated.parent and inflated.exists()
    assert told["before"] in result.stdout and told["after"] in result.stdout
    assert "1 piece missing" in told["after"]
    assert asked("replay", told["repro"], "-q").exit_code == 1
    again = asked("shrink", told["repro"])
    assert again.exit_code == 1 and "stays as it is" in again.stdout


def test_the_command_says_that_a_fixed_subject_has_nothing_to_shrink(saved):
    written(Path.cwd(), subject_files.LOSES.replace("sync=False", "sync=True"))
    result = asked("shrink", saved)
    assert result.exit_code == 0 and "does not show any more" in result.stdout


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda text: text.replace('"position": ', '"position": 99'), "cannot be played"),
        (
            lambda text: text.replace('"steps": []', '"steps": [{"do": "fault", "arguments": {"plan": 3}}]'),
            "does not fit",
        ),
        (lambda text: text.replace("test_bad", "test_gone"), "test_gone"),
    ],
)
def test_the_command_refuses_a_case_that_cannot_be_played(saved, change, says):
    path = Path(saved)
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before
    result = asked("shrink", saved)
    assert result.exit_code == 2 and says in result.stderr, result.output


def test_a_violation_that_has_moved_is_looked_for_and_shrunk(saved):
    moved = subject_files.LOSES.replace("def bad(mark):\n", "def bad(mark):\n    save('0')\n")
    written(Path.cwd(), moved)
    result = asked("shrink", saved)
    assert result.exit_code == 1 and "looked for it anew" in result.stderr, result.output
    assert asked("replay", result.stdout.split()[-1], "-q").exit_code == 1


def test_the_command_refuses_what_is_no_case(here):
    (here / "x.json").write_text("[]")
    assert asked("shrink", "x.json").exit_code == 2
    assert asked("shrink", "gone.json").exit_code == 2
