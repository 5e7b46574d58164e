"""Each seeded bug of the log and of the process is caught by the verdict it names, and plays again."""

from typing import Final

import pytest

from harness.explore.life import session
from harness.explore.play import play
from harness.gate.hunt import hunt
from harness.scenario import SeededBug
from harness.subjects import find_one
from scenarios.voice_call.bugs import all_bugs

STORE: Final = {
    "torn-tail-swallows-next": "torn-tail-swallow",
    "short-write-leaves-live-tail": "acked-not-durable",
    "torn-utf8-poisons-load": "unavailable",
    "nul-filled-tail": "torn-tail-swallow",
    "unicode-separator-splits-record": "lost",
    "no-sync-before-ack": "acked-not-durable",
    "parent-dir-not-synced": "acked-not-durable",
    "error-after-data-landed": "double-applied",
    "failed-record-flushed-later": "double-applied",
    "compaction-crash-window": "double-applied",
    "load-error-becomes-empty": "lost",
    "strict-schema-drops-records": "lost",
    "unlocked-multi-writer": "lost",
    "chunked-or-pruned-store-order": "lost",
}
PROCESS: Final = {
    "stale-generation-writer": "acked-not-durable",
    "leaked-or-double-listener": "unavailable",
    "shutdown-without-drain": "lost",
    "background-error-kills-or-vanishes": "timer-extended",
    "clock-and-delay-arithmetic": "timer-lost",
    "crash-loop-redial": "side-effect-repeated",
}
SEEDS: Final = {"pre-18852": "acked-not-durable", "pr-18852": "torn-tail-swallow"}
STEPS_MOST: Final = 6
PROFILES: Final = ("process", "strict")


def bug(bug_id: str) -> SeededBug:
    return next(bug for bug in all_bugs() if bug.id == bug_id)


@pytest.mark.parametrize(("bug_id", "verdict"), [*STORE.items(), *PROCESS.items(), *SEEDS.items()])
def test_a_bug_is_caught_by_its_verdict_and_its_case_plays_again(bug_id: str, verdict: str) -> None:
    reference = f"voice_call/{bug_id}"
    caught = hunt(reference, 0, PROFILES)
    assert caught.error == ""
    assert (caught.caught, caught.expected, caught.verdict) == (True, verdict, verdict), caught.findings
    assert caught.finding is not None
    assert caught.repro_steps <= STEPS_MOST
    case = caught.finding.case
    with session():
        played = play(find_one(reference), case)
    assert played.shows(case)
    assert played.trace_digest == case.trace_digest


def test_what_the_proposed_fix_leaves_shows_as_findings_of_their_own() -> None:
    caught = hunt("voice_call/pr-18852", 0, PROFILES)
    shown = {line.partition(":")[0]: line for line in caught.findings}
    assert set(shown) == {
        "short-write-leaves-live-tail",
        "torn-tail-swallows-next",
        "terminal-dedupe-keys-not-reloaded",
        "parent-dir-not-synced",
    }
    assert not [line for line in caught.findings if "NOT SHOWN" in line]
    assert "although an injected error kept it off the disk" in shown["short-write-leaves-live-tail"]
    assert "acknowledged after one crash and is gone after the next" in shown["torn-tail-swallows-next"]
    assert "is found 2 times" in shown["terminal-dedupe-keys-not-reloaded"]
    assert "acknowledged before the death and is not there after it" in shown["parent-dir-not-synced"]


def test_the_entry_that_was_never_synced_is_named() -> None:
    finding = hunt("voice_call/parent-dir-not-synced", 0, PROFILES).finding
    assert finding is not None
    assert finding.operation.startswith("the entry ")
    assert "strict" in finding.profiles and "process" not in finding.profiles


def test_a_power_cut_is_what_shows_a_missing_sync() -> None:
    finding = hunt("voice_call/no-sync-before-ack", 0, PROFILES).finding
    assert finding is not None
    assert "bytes of the write to /data/calls/calls.jsonl" in finding.operation
    assert "process" not in finding.profiles


@pytest.mark.parametrize(("group", "ids"), [("store", STORE), ("process", PROCESS), ("call-manager", SEEDS)])
def test_a_bug_is_listed_in_its_group_with_its_source_and_trigger(group: str, ids: dict[str, str]) -> None:
    for bug_id in ids:
        seeded = bug(bug_id)
        assert seeded.group == group
        assert seeded.source and seeded.trigger
