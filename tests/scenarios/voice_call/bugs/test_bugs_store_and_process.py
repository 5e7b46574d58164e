"""Each seeded bug of the log and of the process is caught by its verdict, and plays again."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from scenarios.voice_call.bugs import all_bugs

OURS: Final = [bug.id for bug in all_bugs() if bug.group in ("store", "process")]


@pytest.mark.parametrize("bug_id", OURS)
def test_a_bug_is_caught_by_its_verdict_and_its_case_plays_again(bug_id: str, catch: Callable[..., Any]) -> None:
    catch(bug_id)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("bug_id", OURS)
def test_a_bug_is_caught_whatever_the_seed(bug_id: str, seed: int, catch: Callable[..., Any]) -> None:
    catch(bug_id, seed)


def test_the_entry_that_was_never_synced_is_named(catch: Callable[..., Any]) -> None:
    finding = catch("parent-dir-not-synced").finding
    assert finding.operation.startswith("the entry ")
    assert "strict" in finding.profiles and "process" not in finding.profiles


def test_a_power_cut_is_what_shows_a_missing_sync(catch: Callable[..., Any]) -> None:
    finding = catch("no-sync-before-ack").finding
    assert "bytes of the write to /data/calls/calls.jsonl" in finding.operation
    assert "process" not in finding.profiles
