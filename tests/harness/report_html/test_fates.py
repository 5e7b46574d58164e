"""What is said of each operation is what the durability model says of it."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.disk import DiskImage, File
from harness.durability.legality import walk_to
from harness.durability.profiles import profile
from harness.durability.state import CrashState
from harness.durability.units import UnitId
from harness.explore.inode_names import names_of
from harness.report.fates import MOST_ITEMS, fates_of
from harness.trace import (
    ROOT,
    Create,
    FailedSync,
    Fdatasync,
    Fsync,
    Mark,
    Rename,
    SyncAll,
    Truncate,
    Unlink,
    Write,
)

sys.path.insert(0, str(Path(__file__).parent.parent / "durability"))
from drawn_traces import base_image, traces

LOG, OTHER = 2, 3
LOGGED = (Create(LOG, ROOT, "log"), Write(LOG, 0, b"one"))


def told(items, state=None, base=None):
    base = base if base is not None else DiskImage()
    return fates_of(base, items, state, names_of(base, items))


def test_a_write_is_on_the_disk_since_its_sync():
    found = told([*LOGGED, Mark("acknowledged"), Fsync(LOG), Fsync(ROOT)])
    assert found.fates == {0: "durable", 1: "durable"} and found.durable_at == {0: 4, 1: 3}
    assert told([*LOGGED, SyncAll()]).durable_at == {0: 2, 1: 2}


def test_what_no_sync_covers_waits_in_the_page_cache():
    found = told([*LOGGED, Fsync(LOG), Write(LOG, 3, b"two")])
    assert found.fates == {0: "waiting", 1: "durable", 3: "waiting"}


def test_at_a_power_cut_what_waited_survived_or_is_missing():
    items = [*LOGGED, Fsync(LOG), Write(LOG, 3, b"two"), Truncate(LOG, 4)]
    lost = tuple(
        unit.id
        for unit in walk_to(DiskImage(), items, 5, profile("strict")).disk.units.values()
        if unit.id.operation == 4
    )
    found = told(items, CrashState("strict", 5, lost))
    assert found.fates == {0: "survived", 1: "durable", 3: "survived", 4: "missing"}
    assert {(unit.position, unit.survived) for unit in found.units} == {(0, True), (3, True), (4, False)}


def test_a_write_of_which_a_part_survived_is_told_apart():
    items = [*LOGGED, Fsync(ROOT)]
    found = told(items, CrashState("strict", 3, (UnitId(1, 0),)))
    assert found.fates == {0: "durable", 1: "partly"}
    assert [unit.words for unit in found.units] == ["bytes 0 to 2 of /log", "size of /log: 0 to 3 bytes"]


def test_a_write_that_stopped_inside_tells_how_far_it_came():
    items = [*LOGGED, Fsync(LOG), Fsync(ROOT), Write(LOG, 3, b"two")]
    missing = (UnitId(4, 0), UnitId(4, 1))
    found = told(items, CrashState("strict", 5, missing, cut=(4, 1)))
    assert found.fates[4] == "partly"
    assert [(unit.words, unit.survived) for unit in found.units] == [
        ("the first 1 bytes of the write", True),
        ("the bytes of the write behind the first 1", False),
    ]


def test_what_a_failed_sync_dropped_is_not_called_durable():
    items = [*LOGGED, FailedSync(LOG, 5, "drop-clean"), Fdatasync(LOG)]
    assert told(items).fates[1] != "durable"


def test_a_write_to_a_file_that_is_durably_gone_is_not_called_durable():
    items = [*LOGGED, Unlink(LOG, ROOT, "log"), Fsync(ROOT)]
    found = told(items)
    assert found.fates[1] == "removed" and found.fates[0] == found.fates[2] == "durable"


def test_where_the_model_has_no_answer_nothing_is_told():
    items = [*LOGGED, FailedSync(LOG, 5, "revert")]
    assert told(items).fates == {}
    assert told([*LOGGED, *[Mark("printed")] * MOST_ITEMS]).fates == {}
    assert told([Write(99, 0, b"of another trace")]).fates == {}


def test_names_are_told_in_words():
    base = DiskImage({**DiskImage().nodes, LOG: File(b"x")})
    items = [Create(OTHER, ROOT, "new"), Rename(OTHER, ROOT, "new", ROOT, "log")]
    found = told(items, CrashState("strict", 2, (UnitId(1, 0),)), base)
    assert [unit.words for unit in found.units] == [
        "the name new in /",
        "no name new in /; the name log in /",
    ]


@pytest.mark.parametrize("name", ["strict", "ext4", "paranoid"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_operation_gets_the_fate_that_its_parts_have(name, data):
    base, items = base_image(), data.draw(traces(profile(name), 12))
    units = sorted(walk_to(base, items, len(items), profile(name)).disk.units.values(), key=lambda unit: unit.id)
    missing = data.draw(st.sets(st.sampled_from(units).map(lambda unit: unit.id))) if units else set()
    found = fates_of(base, items, CrashState(name, len(items), tuple(missing)), names_of(base, items))
    assert found.profile == name
    assert [(unit.position, unit.survived) for unit in found.units] == [
        (unit.id.operation, unit.id not in missing) for unit in units
    ]
    for at in {unit.id.operation for unit in units}:
        survived = {unit.id not in missing for unit in units if unit.id.operation == at}
        if len(survived) == 2:
            assert found.fates[at] == "partly"
        else:
            assert found.fates[at] in ("partly", "survived" if True in survived else "missing")
        assert at not in found.durable_at
    for at, sync in found.durable_at.items():
        assert sync > at and isinstance(items[sync], Fsync | Fdatasync | SyncAll)
