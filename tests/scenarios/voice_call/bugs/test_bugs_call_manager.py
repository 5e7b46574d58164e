"""Each seeded bug of the call manager and of its webhook is caught by the verdict it names, and plays again."""

from typing import Final

import pytest

from harness.explore.life import session
from harness.explore.play import play
from harness.gate.hunt import hunt
from harness.scenario import SeededBug
from harness.subjects import find_one
from scenarios.voice_call.bugs import all_bugs

CALL_MANAGER: Final = (
    "fire-and-forget-persist",
    "error-swallowed-then-200",
    "unordered-appends-resurrect",
    "phantom-slot-after-failed-first-write",
    "dial-accepted-id-not-durable",
    "ambiguous-dial-marked-failed",
    "terminal-dedupe-keys-not-reloaded",
    "late-callback-births-ghost-call",
    "dedupe-claimed-before-apply",
    "early-event-before-registration",
    "duplicate-answered-rearms",
    "duration-timer-not-rearmed",
    "restored-deadline-wrong",
    "timer-single-shot-after-failed-hangup",
    "notify-hangup-delay-lost",
    "inflight-turn-lost",
    "stale-restored-calls-wedge",
    "unconnected-call-unendable",
    "restore-skips-without-terminating",
    "greeting-marker-order",
    "greeting-double-trigger",
    "mutation-after-persist",
    "terminal-record-rewritten",
    "reaper-misfires",
    "reject-hangup-latched-or-forgotten",
    "stale-turn-transcript",
    "two-record-inbound-create",
    "capacity-check-then-act",
    "read-model-missing-or-stale",
    "event-id-collision",
)
WEBHOOK: Final = (
    "nack-not-redelivered",
    "random-event-id-defeats-dedupe",
    "content-key-false-duplicate",
    "dedupe-memory-lost-or-expired",
    "batch-partial-failure",
    "routing-and-gate-leniency",
    "listen-before-restore",
)
STEPS_MOST: Final = 6


def bug(bug_id: str) -> SeededBug:
    return next(bug for bug in all_bugs() if bug.id == bug_id)


@pytest.mark.parametrize("bug_id", [*CALL_MANAGER, *WEBHOOK])
def test_a_bug_is_caught_by_its_verdict_and_its_case_plays_again(bug_id: str) -> None:
    reference = f"voice_call/{bug_id}"
    caught = hunt(reference, 0, ("process", "strict"))
    assert caught.error == ""
    assert (caught.caught, caught.verdict) == (True, bug(bug_id).expected), caught.findings
    assert caught.finding is not None
    assert caught.finding.workload == bug(bug_id).workloads[0], "the workload that shows it best comes first"
    assert caught.repro_steps <= STEPS_MOST
    case = caught.finding.case
    with session():
        played = play(find_one(reference), case)
    assert played.shows(case)
    assert played.trace_digest == case.trace_digest


@pytest.mark.parametrize(("group", "ids"), [("call-manager", CALL_MANAGER), ("webhook", WEBHOOK)])
def test_a_bug_is_listed_in_its_group_with_its_source_and_trigger(group: str, ids: tuple[str, ...]) -> None:
    for bug_id in ids:
        seeded = bug(bug_id)
        assert seeded.group == group
        assert seeded.source and seeded.trigger
