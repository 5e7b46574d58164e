"""The errno sweep and failed syncs: one run for each policy of the profiles, eviction only where somebody looks."""

import os
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from harness.callables import CallableScenario
from harness.explore.fault_sweep import FaultSweep, PlannedFault, planned
from harness.explore.judging import by_phase
from harness.explore.life import session
from harness.explore.play import play
from harness.explore.recording import Recording, record
from harness.explore.rewritten import rewrites_dropped_sector
from harness.explore.tally import Tally
from harness.faults import Fault, FaultPlan
from harness.trace import Evict, FailedSync, Fsync, Item, SyncAll, Write

LOG = "/data/log"


def append(data: bytes, *, retry: bool) -> None:
    fd = os.open(LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        os.write(fd, data)
        try:
            os.fsync(fd)
        except OSError:
            if not retry:
                raise
            os.fsync(fd)
    finally:
        os.close(fd)


def retrying(mark: Any) -> None:
    append(b"one\n", retry=True)
    mark("one")


def giving_up(mark: Any) -> None:
    append(b"one\n", retry=False)
    mark("one")


def reading_back(mark: Any) -> None:
    append(b"one\n", retry=True)
    with open(LOG, "rb") as file:
        if b"one\n" in file.read():
            mark("one")


def whole(marks: list[Any]) -> None:
    found = b""
    if os.path.exists(LOG):
        with open(LOG, "rb") as file:
            found = file.read()
    assert all(mark.encode() in found for mark in marks), found


def swept(workload: Any, profiles: Sequence[str], fault: Fault) -> tuple[Tally, Recording]:
    scenario = CallableScenario(workload, whole, name="retries", profiles=profiles)
    with session():
        clean = record(scenario, "workload", 0, log_calls=True)
        (call,) = (call.number for call in clean.calls if call.kind == fault.kinds[0])
        plan = FaultPlan((msgspec.structs.replace(fault, call=call),))
        return FaultSweep(clean, profiles, by_phase(scenario.contract())).run([PlannedFault(call, plan)]), clean


SYNC_FAILS = Fault(("fsync",), errno="EIO")


def test_the_default_profiles_share_one_policy_and_one_run() -> None:
    tally, _ = swept(giving_up, ("process", "strict", "ext4", "xfs"), SYNC_FAILS)
    assert (tally.faults_planned, tally.faults_fired, tally.faults_told) == (1, 1, 1)


def test_each_policy_is_a_run_of_its_own() -> None:
    tally, _ = swept(giving_up, ("strict", "ext4", "ext4-journal", "btrfs", "freebsd-ufs"), SYNC_FAILS)
    assert tally.faults_planned == 4
    # where the error comes at the next sync only, one sync cannot know
    assert {(one.case.profile, one.fault) for one in tally.findings} == {
        ("ext4-journal", "EIO on call 3 (fsync), once, told at the next sync only")
    }
    assert not tally.notes


def test_a_fault_that_fails_no_sync_is_run_once_for_all_profiles() -> None:
    tally, _ = swept(giving_up, ("strict", "ext4-journal", "btrfs"), Fault(("write",), errno="EIO"))
    assert tally.faults_planned == 1


def test_a_lasting_fault_after_which_no_sync_comes_is_run_once_for_all_profiles() -> None:
    tally, _ = swept(giving_up, ("strict", "btrfs"), Fault(("write", "fsync"), errno="EIO", lasts=None))
    assert tally.faults_planned == 1


@pytest.mark.parametrize("name", ["strict", "ext4", "ext4-documented", "xfs", "ext4-journal", "btrfs"])
def test_a_retry_that_returns_0_is_told_where_it_wrote_nothing(name: str) -> None:
    tally, _ = swept(retrying, (name,), SYNC_FAILS)
    assert tally.findings
    assert {one.operation.partition(",")[0] for one in tally.findings} <= {
        "4 of 4 bytes of the write to /data/log",
        "the entry log in /data",
    }


def test_a_retry_that_really_retries_is_none() -> None:
    tally, _ = swept(retrying, ("freebsd-ufs",), SYNC_FAILS)
    assert not [one for one in tally.findings if "write" in one.operation]


def test_a_case_keeps_its_policy_and_shows_again() -> None:
    tally, clean = swept(retrying, ("btrfs",), SYNC_FAILS)
    case = tally.findings[0].case
    assert case.plan is not None
    assert [fault.cache for fault in case.plan.faults] == ["revert"]
    with session():
        assert play(clean.scenario, case).shows(case)


# -- eviction --------------------------------------------------------------------------------------------------------


def test_a_cache_forgets_only_where_somebody_looks() -> None:
    blind, _ = swept(retrying, ("strict",), SYNC_FAILS)
    looking, _ = swept(reading_back, ("strict",), SYNC_FAILS)
    assert (blind.faults_planned, looking.faults_planned) == (1, 2)


def test_a_cache_forgets_after_one_errno_only() -> None:
    tally, _ = swept(reading_back, ("strict",), Fault(("fsync",), errno="ENOSPC"))
    assert tally.faults_planned == 1


def test_pages_that_stay_dirty_are_not_forgotten() -> None:
    tally, _ = swept(reading_back, ("freebsd-ufs",), SYNC_FAILS)
    assert tally.faults_planned == 1


def test_the_living_subject_sees_the_old_block() -> None:
    scenario = CallableScenario(reading_back, whole, name="looks", profiles=("strict",))
    plan = FaultPlan((msgspec.structs.replace(SYNC_FAILS, forgets="at once"),))
    with session():
        seen, unseen = (record(scenario, "workload", 0, plan=one) for one in (FaultPlan((SYNC_FAILS,)), plan))
    assert [item.event for item in seen.trace.marks()] == ["one"]
    assert not unseen.trace.marks()
    assert Evict(3, ((0, bytes(4)),)) in unseen.items


DROPPED: list[Item] = [Write(3, 0, b"a" * 100), FailedSync(3, 5)]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], False),
        ([Write(3, 100, b"b")], True),
        ([Write(3, 512, b"b" * 512)], False),
        ([Write(4, 100, b"b")], False),
        ([Write(3, 0, b"b" * 512)], False),
    ],
)
def test_a_write_looks_at_the_sector_that_it_changes_in_part(items: list[Item], expected: bool) -> None:
    assert rewrites_dropped_sector([*DROPPED, *items]) is expected


@pytest.mark.parametrize("sync", [Fsync(3), SyncAll()])
def test_what_was_synced_before_is_not_dropped(sync: Item) -> None:
    assert not rewrites_dropped_sector([DROPPED[0], sync, DROPPED[1], Write(3, 100, b"b")])


def test_the_default_plans_know_no_policy() -> None:
    _, clean = swept(giving_up, ("strict",), SYNC_FAILS)
    assert {fault.cache for one in planned(clean) for fault in one.plan.faults} == {"drop-clean"}
