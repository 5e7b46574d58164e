"""One hunt, with everything that must hold for any catch."""

import functools
import re
from collections.abc import Callable
from typing import Final

import pytest

from harness.explore.life import session
from harness.explore.play import Played, play
from harness.gate.hunt import Caught, hunt
from harness.scenario import SeededBug
from harness.subjects import find_one
from scenarios.voice_call.bugs import all_bugs

STEPS_MOST: Final = 6
PROFILES: Final = ("process", "strict")
OWN_MISTAKE: Final = re.compile(
    r"\b(AttributeError|NameError|UnboundLocalError|TypeError|ImportError|RecursionError)\b"
)

Catch = Callable[..., Caught]


def bug(bug_id: str) -> SeededBug:
    return next(bug for bug in all_bugs() if bug.id == bug_id)


@pytest.fixture
def catch() -> Catch:
    return caught_for_good


@functools.cache
def caught_for_good(bug_id: str, seed: int = 0) -> Caught:
    """Hunt a bug: caught by its verdict, in the workload it names first, in a short case that plays again."""
    seeded = bug(bug_id)
    reference = f"voice_call/{bug_id}"
    caught = hunt(reference, seed, PROFILES)
    assert caught.error == ""
    assert (caught.caught, caught.verdict) == (True, seeded.expected), caught.findings
    assert caught.finding is not None
    assert caught.finding.workload in seeded.workloads, "the workloads that show it come first"
    assert caught.repro_steps <= STEPS_MOST
    case = caught.finding.case
    with session():
        played = play(find_one(reference), case)
    assert played.shows(case)
    assert played.trace_digest == case.trace_digest
    assert [note for note in notes(played) if OWN_MISTAKE.search(note)] == [], "a bug is not noticed by an accident"
    assert OWN_MISTAKE.search(caught.finding.summary) is None
    return caught


def notes(played: Played) -> list[str]:
    """What the manager told its log in all its lives."""
    return [text for life in (*played.lives, *played.recovery) for _, text in life.notes]
