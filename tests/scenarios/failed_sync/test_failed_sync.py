"""The journal holds on every disk, and each classic mistake is caught by its own verdict, at the right line."""

import functools

import pytest

from harness.explore.fault_sweep import FaultSweep, planned
from harness.explore.judging import by_phase
from harness.explore.life import session
from harness.explore.recording import record
from harness.explore.tally import Finding
from harness.gate.gate import Gate
from harness.gate.hunt import hunt
from harness.gate.options import Options
from harness.gate.outcome import Outcome, Report
from harness.scenario import SeededBug
from harness.subjects import find_one
from scenarios.failed_sync.bugs import BUGS
from scenarios.failed_sync.scenario import FailedSync

REFERENCE = "scenarios.failed_sync:FailedSync"


@functools.cache
def gate() -> Report:
    return Gate([find_one(REFERENCE)], Options(profiles=FailedSync.profiles, jobs=1, examples=0), local=True).run()


def test_the_journal_holds_on_all_file_systems() -> None:
    assert gate().outcome is Outcome.HELD


@pytest.mark.parametrize("name", FailedSync.profiles)
def test_the_journal_holds(name: str) -> None:
    (result,) = [one for one in gate().results if one.profile == name]
    assert not result.total.findings
    assert not result.reasons
    assert not result.errors
    assert all(tally.exhaustive for tally in result.workloads.values())
    assert result.total.faults_told > 100
    assert not result.total.notes


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_a_classic_mistake_is_caught_by_its_verdict(bug: SeededBug) -> None:
    caught = hunt(f"{REFERENCE}/{bug.id}", 0, ("process", "strict"))
    assert (caught.caught, caught.error) == (True, "")
    assert caught.finding is not None
    assert "sync" in caught.finding.fault or "close" in caught.finding.fault


@functools.cache
def swept(bug: str, name: str) -> tuple[Finding, ...]:
    """What failing calls alone find of a bug, under one profile."""
    scenario = find_one(f"{REFERENCE}/{bug}")
    with session():
        clean = record(scenario, "appends", 0, log_calls=True)
        return tuple(FaultSweep(clean, (name,), by_phase(scenario.contract())).run(planned(clean)).findings)


@pytest.mark.parametrize("bug", ["sync-retried-until-0", "sync-through-another-descriptor", "close-error-ignored"])
@pytest.mark.parametrize("name", ["strict", "ext4", "xfs", "ext4-journal", "btrfs"])
def test_a_sync_that_wrote_nothing_is_told_at_the_line_of_the_write(bug: str, name: str) -> None:
    finding = next(found for found in swept(bug, name) if found.verdict == "swallowed-error")
    assert finding.operation.startswith("205 of 205 bytes of the write to /data/000001.jsonl")
    assert finding.source.startswith("journal.py:")
    assert name in finding.profiles


@pytest.mark.parametrize(
    "bug",
    [
        "sync-retried-until-0",
        "sync-through-another-descriptor",
        "close-error-ignored",
        "segment-kept-after-failed-sync",
    ],
)
def test_where_pages_stay_dirty_the_mistake_is_none(bug: str) -> None:
    """FreeBSD: a retry really retries."""
    assert not swept(bug, "freebsd-ufs")


def test_an_append_behind_a_hole_needs_a_cache_that_forgets() -> None:
    """Two records of one sector: as long as the page is in the cache, the second sync writes both."""
    found = [one for one in swept("segment-kept-after-failed-sync", "strict") if "call 8 " in one.fault]
    assert found
    assert all("the page cache forgets" in one.fault for one in found)
    assert not swept("segment-kept-after-failed-sync", "btrfs")


@pytest.mark.parametrize("name", ["strict", "ext4", "xfs", "btrfs", "freebsd-ufs"])
def test_a_late_report_comes_on_its_own_file_system_only(name: str) -> None:
    assert not swept("late-report-ignored", name)
    assert swept("late-report-ignored", "ext4-journal")
