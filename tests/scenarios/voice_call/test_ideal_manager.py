"""A second, differently built manager under the same contract: what it does not keep, it or the contract has wrong."""

import pytest

from harness.explore.crash_sweep import CrashSweep
from harness.explore.history import History
from harness.explore.judging import by_phase, judge_clean
from harness.explore.life import session
from harness.explore.recording import record
from harness.explore.saved_case import Step
from harness.statemachine import run_histories
from scenarios.voice_call.ideal.disk import IdealDisk, IdealProvider
from scenarios.voice_call.ideal.scenario import IdealVoiceCall, suits
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.policy import POLICIES
from scenarios.voice_call.scenario import VoiceCall
from scenarios.voice_call.stage import Workload
from scenarios.voice_call.stories import bad_disks, calls
from scenarios.voice_call.workloads import WORKLOADS, plan_for

SCENARIO = IdealVoiceCall()
SCENARIO.reference = "scenarios.voice_call.ideal.scenario:IdealVoiceCall"
CONTRACT = by_phase(SCENARIO.contract())
STORIES = (*SCENARIO.workloads(), *SCENARIO.rehearsals())
PROFILES = ("process", "strict")


def swept(name, profile):
    recording = record(SCENARIO, name, 0)
    assert recording.failure is None
    return CrashSweep(recording, profile, CONTRACT).run(range(recording.began, recording.end + 1))


def found(tally):
    return [(finding.verdict, finding.summary) for finding in tally.findings]


@pytest.mark.parametrize("name", STORIES)
def test_another_manager_keeps_every_promise_in_every_story_that_suits_it(name):
    with session():
        recording = record(SCENARIO, name, 0)
    assert recording.failure is None
    assert recording.settled_failure is None
    assert judge_clean(CONTRACT, recording) == []


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("notify", {"out-1": "hangup-bot"}),
        ("conversation", {"out-1": "hangup-bot"}),
        ("two-calls", {"in-1": "hangup-user", "out-1": "hangup-bot"}),
        ("long-call", {"in-1": "timeout"}),
        ("lost-end", {"in-1": "hangup-user"}),
        ("nobody-answers", {"in-1": "timeout", "out-1": "no-answer"}),
        ("stranger", {}),
    ],
)
def test_a_story_ends_as_it_does_for_the_other_manager(name, outcomes):
    with session():
        recording = record(SCENARIO, name, 0)
    assert {call.remote_id: call.outcome for call in recording.settled.calls} == outcomes


@pytest.mark.parametrize("name", ["inbound", "conversation", "long-call"])
def test_another_manager_may_be_killed_anywhere(name):
    with session():
        tally = swept(name, "process")
    assert found(tally) == []
    assert tally.checked > 10
    assert tally.recovery_checked > 10
    assert tally.exhaustive


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", STORIES)
def test_another_manager_may_die_anywhere_in_every_story(name, profile):
    with session():
        assert found(swept(name, profile)) == []


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", SCENARIO.history_workloads())
def test_another_manager_keeps_every_promise_in_random_histories(name, profile):
    with session():
        for seed in range(3):
            tally = run_histories(SCENARIO, name, profile, seed, 200)
            assert found(tally) == []
            assert tally.examples >= 200


def test_its_histories_happen_under_every_delivery_policy():
    assert {WORKLOADS[name].policy for name in SCENARIO.history_workloads()} == set(POLICIES.values())


def test_stories_about_a_bad_disk_or_parts_it_lacks_are_left_out():
    assert suits(Workload(calls.inbound))
    assert not suits(Workload(bad_disks.full_disk, plan=plan_for("full-disk")))
    assert not suits(Workload(calls.inbound, settings={"streaming": True}))
    assert {"inbound", "overlap", "stop-in-flight", "overtaken"} <= set(STORIES)


# -- what the contract once asked of every manager, and only one of them did --------------------------------------


def violations_of(*steps, scenario=SCENARIO):
    with session():
        history = History(scenario, "inbound", 0)
        for step in steps:
            history.do(step)
        history.finish()
    return [(told.violation.verdict, told.violation.summary) for told in history.violations]


def act(action, **drawn):
    return Step("act", {"action": action, **drawn})


def test_a_call_may_be_held_without_a_deadline_while_its_hang_up_is_tried_again():
    steps = act("ring", caller=0, stays=False), act("deliver"), act("fail_command", command="hang_up", mode="refused",
        times=1), act("end", number=0)  # fmt: skip
    assert violations_of(*steps) == []


def test_a_cap_may_count_from_a_word_that_comes_before_the_answer():
    talk = act("ask", number=0, answered=True), act("ask", number=0, answered=False)
    assert violations_of(act("initiate", mode="conversation"), *talk) == []


def test_a_call_that_is_first_heard_of_after_its_cap_need_not_be_greeted():
    steps = act("ring", caller=0, stays=False), act("pick_up", number=0), Step("wait", {"seconds": 120.0})
    assert violations_of(*steps) == []


def test_an_answer_that_reaches_a_call_that_is_over_may_be_absorbed():
    faults = (
        act("fail_command", command="dial", mode="unanswered", times=1),
        act("fail_command", command="find_by_key", mode="unavailable", times=3),
    )
    steps = act("initiate", mode="conversation"), act("end", number=0), Step("wait", {"seconds": 0.5}), act("deliver")
    assert violations_of(*faults, *steps) == []


def test_what_we_say_to_a_telephone_that_rings_is_no_answer_to_either_manager():
    """The other one took its own speaking for a conversation: words did not start the cap, nor did the ringing end."""
    spoken = act("initiate", mode="conversation"), act("speak", number=0)
    for scenario in (VoiceCall(), SCENARIO):
        assert violations_of(*spoken, Step("wait", {"seconds": 31.0}), scenario=scenario) == []
        words = act("say", number=0), act("deliver")
        assert violations_of(*spoken, *words, Step("wait", {"seconds": 31.0}), *words, scenario=scenario) == []


# -- the ideal disk -----------------------------------------------------------------------------------------------


def test_the_ideal_disk_has_one_writer_at_a_time():
    disk = IdealDisk()
    pen = disk.open()
    with pytest.raises(StoreUnavailable, match="has a writer already"):
        disk.open()
    pen.commit(b"one")
    pen.close()
    with pytest.raises(StoreUnavailable, match="its successor writes now"):
        pen.commit(b"two")
    assert disk.open().read() == (b"one",)


def test_a_world_that_is_restored_has_the_commits_of_that_moment_and_no_writer():
    world = IdealProvider()
    pen = world.disk.open()
    pen.commit(b"kept")
    snapshot = world.snapshot()
    pen.commit(b"after the death")
    world.restore(snapshot)
    assert world.disk.open().read() == (b"kept",)


def test_an_answer_that_is_reported_after_the_ring_time_changes_no_reason():
    dial = act("initiate", mode="notify")
    assert violations_of(dial, Step("wait", {"seconds": 31.0})) == []


RENAMED_AT_ONCE = (
    act("ring", caller=0, stays=False),
    act("delay", seconds=5),
    act("rename", number=0),
    act("deliver"),
)


@pytest.mark.parametrize("later", [(), (Step("wait", {"seconds": 10.0}),)])
@pytest.mark.parametrize("scenario", [SCENARIO, VoiceCall()])
def test_a_call_is_known_by_both_names_of_the_report_that_began_it(scenario, later):
    scenario.reference = scenario.reference or "voice_call"
    assert violations_of(*RENAMED_AT_ONCE, *later, scenario=scenario) == []
