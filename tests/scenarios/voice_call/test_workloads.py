"""Each workload on a simulated disk: it ends as told, and a kill anywhere breaks no promise."""

import pytest

from harness.explore.crash_sweep import CrashSweep
from harness.explore.judging import by_phase, judge_clean
from harness.explore.life import session
from harness.explore.recording import record
from scenarios.voice_call.scenario import VoiceCall
from scenarios.voice_call.workloads import WORKLOADS, plan_for, workload

SCENARIO = VoiceCall()
CONTRACT = by_phase(SCENARIO.contract())


LOGLESS = {
    "unusable-logs",
    "first-line-lost",
    "only-newer",
    "known-by-name",
    "answer-lost",
    "renamed-while-dialling",  # who dies while it dials hears of the new name only
    "moved-log",
    "replaced-under-a-bad-disk",
    "original-in-the-way",
}
"""Stories in which for a while nobody can know the calls: whoever starts just then, after a death, cannot either."""

KILLS = 10
"""So many kill-points of a story that the gate only rehearses; all of them with the slow tests."""


def kill_points(recording, name):
    every = range(recording.began, recording.end + 1)
    return every if workload(name).swept else every[:: 1 + len(every) // KILLS]


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in LOGLESS])
def test_a_workload_keeps_every_promise_without_a_death_and_after_a_kill_at_each_point(name):
    with session():
        recording = record(SCENARIO, name, 0)
        assert recording.failure is None
        assert recording.settled_failure is None
        assert judge_clean(CONTRACT, recording) == []
        tally = CrashSweep(recording, "process", CONTRACT, recovery=False).run(kill_points(recording, name))
    assert [finding.summary for finding in tally.findings] == []
    assert tally.checked > 5


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in LOGLESS and not workload(name).touches_log])
def test_a_kill_anywhere_in_a_story_breaks_no_promise(name):
    with session():
        recording = record(SCENARIO, name, 0)
        tally = CrashSweep(recording, "process", CONTRACT, recovery=False).run(
            range(recording.began, recording.end + 1)
        )
    assert [finding.summary for finding in tally.findings] == []


@pytest.mark.parametrize("name", sorted(LOGLESS))
def test_a_story_of_a_lost_log_keeps_every_promise_without_a_death(name):
    with session():
        recording = record(SCENARIO, name, 0)
    assert recording.failure is None
    assert recording.settled_failure is None
    assert judge_clean(CONTRACT, recording) == []


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_leaves_few_records_and_the_same_trace_every_time(name):
    with session():
        first, second = (record(SCENARIO, name, 7, settling=False) for _ in range(2))
    assert first.trace.digest() == second.trace.digest()
    assert first.operations() < (80 if workload(name).swept else 120) or workload(name).touches_log


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("inbound", {"in-1": "hangup-user"}),
        ("notify", {"out-1": "hangup-bot"}),
        ("conversation", {"out-1": "hangup-bot"}),
        ("two-calls", {"in-1": "hangup-user", "out-1": "hangup-bot"}),
        ("at-once", {"out-1": "timeout"}),
        ("long-call", {"in-1": "timeout"}),
        ("busy", {"out-1": "busy", "in-1": "no-answer"}),
        ("lost-end", {"in-1": "hangup-user"}),
        ("nobody-answers", {"in-1": "timeout", "out-1": "no-answer"}),
        ("stream", {"in-1": "hangup-bot"}),
        ("stream-reconnect", {"in-1": "hangup-user"}),
        ("stream-silent", {"in-1": "hangup-bot"}),
        ("stream-stranger", {"in-1": "hangup-user", "in-2": "hangup-user"}),
        ("renamed", {"in-1": "hangup-user"}),
        ("sessions", {"in-1": "hangup-user"}),
        ("stranger", {}),
    ],
)
def test_a_story_ends_the_way_it_is_told(name, outcomes):
    with session():
        recording = record(SCENARIO, name, 0)
    assert {call.remote_id: call.outcome for call in recording.settled.calls} == outcomes
    assert not any(call.live for call in recording.settled.calls)
    assert recording.settled.armed == ()


@pytest.mark.parametrize(
    ("name", "probe"),
    [
        ("conversation", "turn-timed-out"),
        ("conversation", "stale-turn-recorded"),
        ("two-calls", "capacity-refused"),
        ("compaction", "compaction-done"),
        ("stranger", "rejected-by-policy"),
        ("long-call", "deadline-expired"),
        ("lost-dial", "dial-unknown"),
        ("lost-dial", "dial-reconciled"),
        ("lost-end", "ended-at-provider"),
        ("full-disk", "append-cut-back"),
        ("across-restart", "stopped"),
        ("restart-on-a-bad-disk", "duplicate-absorbed"),
        ("refused-and-there", "writer-reopened"),
        ("batches", "late-event-absorbed"),
        ("stream", "stream-ended"),
        ("stream", "stream-grace-over"),
        ("stream-reconnect", "stream-superseded"),
        ("stream-reconnect", "stream-regained"),
        ("stream-reconnect", "reply-interrupted"),
        ("stream-reconnect", "reply-failed"),
        ("stream-reconnect", "reply-timed-out"),
        ("stream-silent", "stream-silent"),
        ("stream-stranger", "stream-refused"),
        ("sessions", "session-reset"),
    ],
)
def test_a_story_reaches_the_rare_thing_it_is_about(name, probe):
    with session():
        recording = record(SCENARIO, name, 0)
    assert recording.probes.get(probe, 0) > 0


def test_the_full_disk_refuses_events_and_the_redelivery_brings_them():
    assert plan_for("full-disk") is not None
    assert plan_for("inbound") is None
    with session():
        recording = record(SCENARIO, "full-disk", 0)
    assert any(recording.ledgers[-1].refused)
    assert set(recording.ledgers[-1].refused) <= set(recording.settled_ledger.acknowledged)


def test_an_unknown_workload_is_named():
    with pytest.raises(ValueError, match="workload='nope' is not known"):
        workload("nope")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in LOGLESS])
def test_a_workload_keeps_every_promise_after_a_power_cut_anywhere(name):
    with session():
        recording = record(SCENARIO, name, 0)
        tally = CrashSweep(recording, "strict", CONTRACT, recovery=False).run(kill_points(recording, name))
    assert [finding.summary for finding in tally.findings] == []
