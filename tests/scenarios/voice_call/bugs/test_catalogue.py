"""The bugs against the catalogue: every number from 1 to 65 is there, in its group, and every extra.

The numbers are those of the bug catalogue; a number with two ids has two faces that one manager cannot show at once.
"""

from itertools import pairwise
from typing import Final

import pytest

from harness.gate.hunt import Caught
from harness.report.bug_table import in_catalogue_order
from scenarios.voice_call.bugs import all_bugs

CATALOGUE: Final[dict[int, tuple[str, ...]]] = {
    1: ("fire-and-forget-persist",),
    2: ("error-swallowed-then-200",),
    3: ("unordered-appends-resurrect",),
    4: ("phantom-slot-after-failed-first-write",),
    5: ("dial-accepted-id-not-durable",),
    6: ("ambiguous-dial-marked-failed",),
    7: ("terminal-dedupe-keys-not-reloaded",),
    8: ("late-callback-births-ghost-call",),
    9: ("dedupe-claimed-before-apply",),
    10: ("early-event-before-registration",),
    11: ("duplicate-answered-rearms",),
    12: ("duration-timer-not-rearmed",),
    13: ("restored-deadline-wrong",),
    14: ("timer-single-shot-after-failed-hangup",),
    15: ("notify-hangup-delay-lost",),
    16: ("inflight-turn-lost",),
    17: ("stale-restored-calls-wedge",),
    18: ("unconnected-call-unendable",),
    19: ("restore-skips-without-terminating",),
    20: ("volatile-provider-state-lost",),
    21: ("greeting-marker-order",),
    22: ("greeting-double-trigger",),
    23: ("mutation-after-persist",),
    24: ("hangup-done-terminal-write-failed",),
    25: ("terminal-record-rewritten",),
    26: (
        "stream-liveness-mistakes",
        "stream-end-ignored",
    ),
    27: ("reaper-misfires",),
    28: ("reject-hangup-latched-or-forgotten",),
    29: ("stale-turn-transcript",),
    30: ("two-record-inbound-create",),
    31: ("capacity-check-then-act",),
    32: ("read-model-missing-or-stale",),
    33: ("whole-store-lost-update",),
    34: ("event-id-collision",),
    35: ("torn-tail-swallows-next",),
    36: ("short-write-leaves-live-tail",),
    37: ("torn-utf8-poisons-load",),
    38: ("nul-filled-tail",),
    39: ("skipped-bad-line-resurrects",),
    40: ("unicode-separator-splits-record",),
    41: ("no-sync-before-ack",),
    42: ("parent-dir-not-synced",),
    43: ("error-after-data-landed",),
    44: ("failed-record-flushed-later",),
    45: ("compaction-crash-window",),
    46: ("load-error-becomes-empty",),
    47: ("strict-schema-drops-records",),
    48: ("quadratic-snapshot-log",),
    49: ("unlocked-multi-writer",),
    50: ("chunked-or-pruned-store-order",),
    51: ("nack-not-redelivered",),
    52: ("random-event-id-defeats-dedupe",),
    53: ("content-key-false-duplicate",),
    54: ("dedupe-memory-lost-or-expired",),
    55: ("replay-answers-differently",),
    56: ("batch-partial-failure",),
    57: ("slow-handler-manufactures-duplicates",),
    58: ("routing-and-gate-leniency",),
    59: ("listen-before-restore",),
    60: ("stale-generation-writer",),
    61: ("leaked-or-double-listener",),
    62: ("shutdown-without-drain",),
    63: ("background-error-kills-or-vanishes",),
    64: (
        "clock-and-delay-arithmetic",
        "clock-step-moves-deadlines",
        "huge-delay-fires-at-once",
    ),
    65: ("crash-loop-redial",),
}
EXTRAS: Final = (
    "restored-against-wrong-provider",
    "timeout-reason-clobbered",
    "failed-prompt-still-listens",
    "speaking-stuck-after-failed-tts",
    "unknown-status-treated-terminal",
    "direction-field-stripped",
    "migration-partial-import",
    "stale-lock-pid-reuse",
    "rotated-under-open-handle",
    "db-locked-swallowed",
    "close-time-index",
    "ack-order-of-two-writes",
    "dequeue-marks-others-done",
    "loaded-state-not-resaved",
    "participant-row-closed-by-sibling",
    "duplicate-claim-answers-200-while-first-in-flight",
)
"""Those of section 5: each of its sixteen can be had in a call manager."""

BEGINNINGS: Final = ("pre-18852", "pr-18852")
"""The program before and after the fix that began it all: several numbers at once."""

GROUPS: Final = {
    "call-manager": range(1, 35),
    "store": range(35, 51),
    "webhook": range(51, 60),
    "process": range(60, 66),
}


@pytest.mark.parametrize("number", range(1, 66))
def test_a_number_of_the_catalogue_has_its_bugs(number: int) -> None:
    assert {bug.id for bug in all_bugs() if bug.number == number} == set(CATALOGUE[number])


def test_the_extras_are_all_there_and_nothing_else_is_without_a_number() -> None:
    assert {bug.id for bug in all_bugs() if not bug.number} == {*EXTRAS, *BEGINNINGS}
    assert {bug.id for bug in all_bugs() if bug.group == "extras"} == set(EXTRAS)


@pytest.mark.parametrize("bug", all_bugs(), ids=lambda bug: bug.id)
def test_a_bug_stands_in_its_group_and_tells_its_source_and_trigger(bug) -> None:
    assert bug.source and bug.trigger and bug.workloads
    if bug.number:
        assert bug.number in GROUPS[bug.group]
    else:
        assert bug.group in ("extras", "call-manager")


def test_the_table_lists_the_groups_and_numbers_as_the_catalogue_does() -> None:
    results = [
        Caught(bug.id, bug.group, bug.source, bug.expected, True, bug.expected, (), None, 0.0, number=bug.number)
        for bug in sorted(all_bugs(), key=lambda bug: bug.id)
    ]
    listed = in_catalogue_order(results)
    assert list(dict.fromkeys(one.group for one in listed)) == [*GROUPS, "extras"]
    numbers = [one.number for one in listed if one.number]
    assert all(earlier <= later for earlier, later in pairwise(numbers))
    assert [one.id for one in listed if not one.number] == [*sorted(BEGINNINGS), *sorted(EXTRAS)]
