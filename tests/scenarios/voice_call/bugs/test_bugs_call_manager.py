"""Each seeded bug of the call manager, of its webhook and beside them is caught by its verdict, and plays again."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from scenarios.voice_call.bugs import all_bugs

OURS: Final = [bug.id for bug in all_bugs() if bug.group in ("call-manager", "webhook", "extras")]


@pytest.mark.parametrize("bug_id", OURS)
def test_a_bug_is_caught_by_its_verdict_and_its_case_plays_again(bug_id: str, catch: Callable[..., Any]) -> None:
    catch(bug_id)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("bug_id", OURS)
def test_a_bug_is_caught_whatever_the_seed(bug_id: str, seed: int, catch: Callable[..., Any]) -> None:
    catch(bug_id, seed)


def test_what_the_proposed_fix_leaves_shows_as_findings_of_their_own(catch: Callable[..., Any]) -> None:
    caught = catch("pr-18852")
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


def test_a_lost_question_is_stuck_and_its_answer_is_gone(catch: Callable[..., Any]) -> None:
    shown = {line.partition(":")[0]: line for line in catch("inflight-turn-lost").findings}
    assert "waits for an answer that nobody awaits" in shown["open-for-ever"]
    assert "answers a question that call" in shown["lost-result"]


def test_a_moved_stream_and_a_silent_one_are_two_mistakes(catch: Callable[..., Any]) -> None:
    shown = {line.partition(":")[0]: line for line in catch("stream-liveness-mistakes").findings}
    assert "was hung up while its stream" in shown["superseded-end"]
    assert "could not be heard any more" in shown["silent-line"]
