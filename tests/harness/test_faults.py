import errno

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.faults import (
    ERRNOS_BY_KIND,
    Fault,
    FaultPlan,
    Fired,
    Injector,
    Outcome,
    plans,
    sweep_plans,
)


def outcomes(fault: Fault, calls: list[tuple[str, str | None, int]]) -> list[Outcome | None]:
    injector = Injector(FaultPlan((fault,)))
    return [injector.decide(kind, path, size, number) for number, (kind, path, size) in enumerate(calls, 1)]


def hits(fault: Fault, calls: list[tuple[str, str | None, int]]) -> list[int]:
    return [number for number, outcome in enumerate(outcomes(fault, calls), 1) if outcome is not None]


WRITES: list[tuple[str, str | None, int]] = [("write", "/data/a", 10)] * 6


def test_the_nth_matching_call_fails_once() -> None:
    calls: list[tuple[str, str | None, int]] = [
        ("open", "/data/calls.jsonl", 0),
        ("write", "/data/calls.jsonl", 9),
        ("write", "/data/other", 9),
        ("write", "/data/calls.jsonl", 9),
        ("write", "/data/calls.jsonl", 9),
    ]
    fault = Fault(("write",), "/data/*.jsonl", occurrence=2, errno="ENOSPC")
    assert outcomes(fault, calls) == [None, None, None, Outcome(errno.ENOSPC), None]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(("write",), errno="EIO"), [1]),
        (Fault(("write",), occurrence=None, errno="EIO"), [1]),
        (Fault(("write",), occurrence=3, lasts=2, errno="EIO"), [3, 4]),
        (Fault(("write",), occurrence=4, lasts=None, errno="EIO"), [4, 5, 6]),
        (Fault(("write",), call=5, errno="EIO"), [5]),
        (Fault(("write",), call=3, lasts=None, errno="EIO"), [3, 4, 5, 6]),
        (Fault(("write",), call=2, occurrence=2, errno="EIO"), [3]),
        (Fault((), call=2, errno="EIO"), [2]),
        (Fault(("read",), errno="EIO"), []),
        (Fault(("write",), "/data/b", errno="EIO"), []),
        (Fault(("write",), "/DATA/a", errno="EIO"), []),
    ],
)
def test_where_a_fault_begins_and_how_long_it_lasts(fault: Fault, expected: list[int]) -> None:
    assert hits(fault, WRITES) == expected


def test_a_call_without_a_path_matches_no_glob_but_the_widest() -> None:
    assert hits(Fault(("sync",), errno="EIO"), [("sync", None, 0)]) == [1]
    assert hits(Fault(("sync",), "/*", errno="EIO"), [("sync", None, 0)]) == []


def test_a_short_write_succeeds_with_a_prefix_each_time() -> None:
    assert outcomes(Fault(("write",), keep=4, lasts=None), WRITES[:2]) == [Outcome(None, 4)] * 2


def test_a_cut_write_lands_its_prefix_and_later_ones_land_nothing() -> None:
    fault = Fault(("write",), keep=4, errno="ENOSPC", lasts=None)
    assert outcomes(fault, WRITES[:3]) == [Outcome(errno.ENOSPC, 4), Outcome(errno.ENOSPC), Outcome(errno.ENOSPC)]


def test_a_write_that_fits_into_what_is_kept_is_not_cut() -> None:
    calls: list[tuple[str, str | None, int]] = [("write", "/a", 4), ("write", "/a", 3), ("write", "/a", 5)]
    assert hits(Fault(("write",), keep=4), calls) == [3]
    assert hits(Fault(("write",), keep=4, lasts=None), [*calls, ("write", "/a", 4), ("write", "/a", 6)]) == [3, 5]


def test_the_first_fault_of_a_plan_wins_and_the_others_keep_counting() -> None:
    plan = FaultPlan((Fault(("write",), occurrence=2, errno="EIO"), Fault((), occurrence=3, errno="EDQUOT")))
    injector = Injector(plan)
    found = [injector.decide("write", "/a", 1, number) for number in range(1, 5)]
    assert found == [None, Outcome(errno.EIO), Outcome(errno.EDQUOT), None]
    assert injector.fired == [Fired(2, "write", "/a", "EIO", 0), Fired(3, "write", "/a", "EDQUOT", 1)]


def test_latency_passes_on_the_given_clock() -> None:
    slept: list[float] = []
    injector = Injector(FaultPlan((Fault(("fsync",), delay=1.5),)), sleep=slept.append)
    outcome = injector.decide("fsync", "/a", 0, 1)
    assert outcome == Outcome(delay=1.5)
    injector.sleep(outcome.delay)
    assert slept == [1.5]
    with pytest.raises(ValueError, match="no clock"):
        Injector(FaultPlan()).sleep(1)


def test_a_lying_sync_says_so() -> None:
    assert outcomes(Fault(("fsync",), lying=True), [("fsync", "/a", 0)]) == [Outcome(lying=True)]


def test_lifted_faults_are_over_but_remembered() -> None:
    injector = Injector(FaultPlan((Fault(("write",), lasts=None, errno="EIO"),), budget=0))
    assert injector.decide("write", "/a", 1, 1) is not None
    injector.lift()
    assert injector.decide("write", "/a", 1, 2) is None
    assert len(injector.fired) == 1
    assert injector.room is None


# --- the byte budget --------------------------------------------------------------------------------------------------


def test_a_full_disk_takes_what_fits_and_then_nothing() -> None:
    injector = Injector(FaultPlan(budget=25))
    found = [injector.decide("write", "/a", 10, number) for number in range(1, 5)]
    assert found == [None, None, Outcome(errno.ENOSPC, 5), Outcome(errno.ENOSPC, 0)]
    assert injector.decide("fsync", "/a", 0, 5) is None
    assert injector.fired[0] == Fired(3, "write", "/a", "ENOSPC", -1)


def test_freed_bytes_can_be_used_again() -> None:
    injector = Injector(FaultPlan(budget=10))
    injector.decide("write", "/a", 10, 1)
    injector.freed(4)
    assert injector.room == 4
    assert injector.decide("write", "/a", 4, 2) is None
    assert injector.decide("write", "/a", 1, 3) == Outcome(errno.ENOSPC, 0)


def test_a_failed_or_short_write_takes_only_what_landed() -> None:
    plan = FaultPlan((Fault(("write",), errno="EIO"), Fault(("write",), occurrence=2, keep=3)), budget=10)
    injector = Injector(plan)
    assert injector.decide("write", "/a", 8, 1) == Outcome(errno.EIO)
    assert injector.room == 10
    assert injector.decide("write", "/a", 8, 2) == Outcome(None, 3)
    assert injector.room == 7


@given(budget=st.integers(0, 60), steps=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20)), max_size=20))
def test_no_more_lands_than_there_is_room(budget: int, steps: list[tuple[int, int]]) -> None:
    injector = Injector(FaultPlan(budget=budget))
    held = 0
    for number, (size, freed) in enumerate(steps, 1):
        outcome = injector.decide("write", "/a", size, number)
        held += size if outcome is None else outcome.allowed or 0
        assert held <= budget
        freed = min(freed, held)
        injector.freed(freed)
        held -= freed
        assert injector.room == budget - held


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("kinds", {"kinds": ("wirte",), "errno": "EIO"}),
        ("path", {"path": "", "errno": "EIO"}),
        ("occurrence", {"occurrence": 0, "errno": "EIO"}),
        ("call", {"call": 0, "errno": "EIO"}),
        ("errno", {"errno": "ENOPE"}),
        ("errno", {"errno": "errorcode"}),
        ("lasts", {"lasts": 0, "errno": "EIO"}),
        ("delay", {"delay": -1.0}),
        ("delay", {"delay": float("nan")}),
        ("keep", {"keep": 3}),
        ("keep", {"kinds": ("write",), "keep": 0}),
        ("keep", {"kinds": ("write",), "keep": -1, "errno": "EIO"}),
        ("lying", {"kinds": ("write",), "lying": True}),
        ("lying", {"kinds": ("fsync",), "lying": True, "errno": "EIO"}),
        ("cache", {"kinds": ("write",), "errno": "EIO", "cache": "revert"}),
        ("cache", {"kinds": ("fsync",), "lying": True, "cache": "revert"}),
        ("cache", {"kinds": ("fsync",), "errno": "EIO", "cache": "write-through"}),
        ("forgets", {"kinds": ("rename",), "errno": "EIO", "forgets": "at once"}),
        ("forgets", {"kinds": ("fsync",), "errno": "EIO", "cache": "stay-dirty", "forgets": "at once"}),
        ("does nothing", {}),
    ],
)
def test_a_bad_value_names_its_field(field: str, values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=field):
        msgspec.convert(values, Fault)
    with pytest.raises(ValueError, match=field):
        Fault(**values)  # type: ignore[arg-type]  # bad on purpose


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="budget: -1"):
        FaultPlan(budget=-1)


@given(plans())
def test_a_plan_survives_json(plan: FaultPlan) -> None:
    assert msgspec.json.decode(msgspec.json.encode(plan), type=FaultPlan) == plan


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        (FaultPlan(), "no fault"),
        (
            FaultPlan((Fault(("write",), "/data/*.jsonl", 3, errno="ENOSPC"),)),
            "ENOSPC on the 3rd write to /data/*.jsonl, once",
        ),
        (
            FaultPlan((Fault(("write", "fsync"), call=17, errno="EIO", lasts=None),)),
            "EIO on call 17 (write/fsync), for good",
        ),
        (FaultPlan((Fault(("write",), keep=1, lasts=2),)), "short write of 1 byte on the 1st write, 2 times"),
        (FaultPlan((Fault(("write",), keep=60, errno="EIO"),)), "EIO after 60 bytes on the 1st write, once"),
        (FaultPlan((Fault(delay=2.0, occurrence=12),)), "a delay of 2 s on the 12th call, once"),
        (FaultPlan((Fault(errno="EIO", call=3, occurrence=2),)), "EIO on the 2nd call from call 3 on, once"),
        (FaultPlan((Fault(("fsync",), lying=True),)), "a lie on the 1st fsync, once"),
        (
            FaultPlan((Fault(("fsync",), errno="EIO", cache="late-report", forgets="at once"),)),
            "EIO on the 1st fsync, once, told at the next sync only, then the page cache forgets",
        ),
        (FaultPlan(budget=4096), "the disk is full after 4,096 bytes"),
    ],
)
def test_a_plan_reads_as_one_line(plan: FaultPlan, line: str) -> None:
    assert plan.describe() == line


def test_a_plan_of_old_leaves_what_every_plan_left() -> None:
    old = b'{"faults":[{"kinds":["fsync"],"errno":"EIO"}]}'
    plan = msgspec.json.decode(old, type=FaultPlan)
    assert (plan.faults[0].cache, plan.faults[0].forgets) == ("drop-clean", "never")
    assert msgspec.json.encode(FaultPlan((Fault(("fsync",), errno="EIO"),))) == old


def test_a_policy_is_for_faults_that_make_syncs_fail() -> None:
    sync, close, write = (Fault((kind,), errno="EIO") for kind in ("fsync", "close", "write"))
    spread = Fault(("write", "fdatasync"), errno="EIO")
    plan = FaultPlan((sync, close, write, spread), budget=10).leaving("revert")
    assert [fault.cache for fault in plan.faults] == ["revert", "revert", "drop-clean", "revert"]
    assert plan.budget == 10
    assert [fault.forgets for fault in FaultPlan((sync, write)).forgetting().faults] == ["at once", "never"]
    assert [FaultPlan((fault,)).fails_syncs for fault in (sync, close, write, spread)] == [True, True, False, True]


def test_every_hit_of_a_lasting_fault_leaves_the_same() -> None:
    fault = Fault(("fsync",), errno="EIO", lasts=None, cache="revert")
    found = outcomes(fault, [("fsync", "/data/a", 0)] * 3)
    assert [outcome.cache for outcome in found if outcome is not None] == ["revert"] * 3


# --- the sweep --------------------------------------------------------------------------------------------------------


def test_each_errno_of_a_kind_is_swept_once_and_for_good() -> None:
    for kind, names in ERRNOS_BY_KIND.items():
        faults = [plan.faults[0] for plan in sweep_plans(kind, 7, 0)]
        assert {(fault.errno, fault.lasts) for fault in faults} == {
            (name, lasts) for name in names for lasts in (1, None)
        }
        assert all(fault.call == 7 and kind in fault.kinds for fault in faults)


def test_a_swept_write_is_cut_short_at_its_edges_and_its_middle() -> None:
    cut = [plan.faults[0] for plan in sweep_plans("write", 7, 100) if plan.faults[0].keep is not None]
    assert {(fault.keep, fault.errno, fault.lasts) for fault in cut} == {
        (keep, name, lasts) for keep in (1, 50, 99) for name, lasts in ((None, 1), ("ENOSPC", 1), ("ENOSPC", None))
    }
    assert {plan.faults[0].keep for plan in sweep_plans("write", 7, 2)} == {None, 1}
    assert {plan.faults[0].keep for plan in sweep_plans("write", 7, 1)} == {None}


@given(kind=st.sampled_from(sorted(ERRNOS_BY_KIND)), call=st.integers(1, 40), size=st.integers(0, 200))
def test_a_swept_fault_hits_exactly_the_call_it_was_made_for(kind: str, call: int, size: int) -> None:
    for plan in sweep_plans(kind, call, size):
        injector = Injector(plan)
        for number in range(1, call):
            assert injector.decide(kind, "/data/a", size, number) is None
        assert injector.decide(kind, "/data/a", size, call) is not None
        again = injector.decide(kind, "/data/a", size, call + 1)
        assert (again is None) == (plan.faults[0].lasts == 1)


def test_an_unknown_kind_cannot_be_swept() -> None:
    with pytest.raises(ValueError, match="'mmap'"):
        sweep_plans("mmap", 1, 0)


@given(plan=plans(), kinds=st.lists(st.sampled_from(sorted(ERRNOS_BY_KIND)), max_size=40))
def test_injection_is_deterministic_and_each_outcome_is_on_record(plan: FaultPlan, kinds: list[str]) -> None:
    def run() -> tuple[list[Outcome | None], list[Fired]]:
        injector = Injector(plan)
        found = [injector.decide(kind, "/data/a", 50, number) for number, kind in enumerate(kinds, 1)]
        return found, injector.fired

    found, fired = run()
    assert run() == (found, fired)
    assert {one.call for one in fired} == {number for number, outcome in enumerate(found, 1) if outcome is not None}
