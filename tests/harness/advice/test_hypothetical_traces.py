"""A hypothetical trace has the crash states of a program that really has (or has not) the sync."""

import pytest

from harness.advice.examination import variant_of
from harness.advice.placement import Line, Placement, Sync, placements, syncs
from harness.advice.survey import in_words, survey
from harness.advice.variant import AS_RECORDED, Story, Variant, durable_from, instants, is_alive
from harness.durability.crash_states import CrashStates
from harness.durability.litmus_programs import DATA, TABLE, base_with, record
from harness.durability.profiles import PROFILES, profile
from harness.trace import Create, FailedSync, Fsync, Item, Mark, Mkdir, Rename, Source, Write

DISKS = [name for name, rules in PROFILES.items() if rules.medium == "disk" and rules.sync_persists]

REPLACE: tuple[Item, ...] = (
    Create(4, DATA, "tmp"),
    Write(4, 0, record(1)),
    Rename(4, DATA, "tmp", DATA, "state", 3),
    Mark("acknowledged", "1"),
)


def replacing(items: tuple[Item, ...] = REPLACE) -> Story:
    sources = [Source("swap.py", line) for line in range(10, 10 + len(items))]
    return Story(base_with(state=record(0)), items, sources)


def keys_at_the_end(story: Story, name: str, variant: Variant) -> set[tuple[int, ...]]:
    last: set[tuple[int, ...]] = set()
    for instant in instants(story, profile(name), variant, 65_536):
        last = {image.state_key for _, image in instant.point.states()}
    return last


def really(story: Story, name: str, items: list[Item]) -> set[tuple[int, ...]]:
    walk = CrashStates(story.base, profile(name))
    for position, item in enumerate(items):
        walk.feed(position, item)
    return {image.state_key for _, image in walk.at().states()}


@pytest.mark.parametrize("name", DISKS)
def test_an_added_sync_leaves_the_states_of_a_trace_that_has_it(name: str) -> None:
    story = replacing()
    for place, occurrences in placements(story.items, story.sources).items():
        items = list(story.items)
        for one in reversed(occurrences):
            items.insert(one.position, Fsync(one.ino))
        assert keys_at_the_end(story, name, variant_of(story, (place,))) == really(story, name, items), place


@pytest.mark.parametrize("name", DISKS)
def test_a_sync_taken_away_leaves_the_states_of_a_trace_without_it(name: str) -> None:
    program = next(one for one in TABLE if one.name == "replace: write, fsync, rename, sync directory")
    sources = [Source("swap.py", line) for line in range(len(program.items))]
    story = Story(program.base, program.items, sources)
    for sync, positions in syncs(story.base, story.items, sources).items():
        items = [item for position, item in enumerate(story.items) if position not in positions]
        found = keys_at_the_end(story, name, variant_of(story, (), (sync,)))
        assert found == really(story, name, items), sync


@pytest.mark.parametrize("name", DISKS)
def test_a_state_is_alive_exactly_as_long_as_it_is_legal(name: str) -> None:
    program = next(one for one in TABLE if one.name == "snapshot, rename, directory sync, truncate the log")
    story = Story(program.base, program.items, [None] * len(program.items))
    durable = durable_from(story, profile(name), AS_RECORDED)
    born: dict[tuple[object, ...], int] = {}
    for instant in instants(story, profile(name), AS_RECORDED, 65_536):
        here = {state.missing for state, _ in instant.point.states() if state.cut is None}
        for missing in here:
            born.setdefault(missing, instant.moment)
            assert is_alive(durable, instant.moment, missing)
        pending = {unit for missing in here for unit in missing}
        for missing in born:
            if not set(missing) <= pending:
                assert not is_alive(durable, instant.moment, missing)


def test_a_rename_can_be_preceded_by_a_sync_of_its_file_and_followed_by_one_of_each_folder() -> None:
    items: tuple[Item, ...] = (Mkdir(4, DATA, "new"), Rename(3, DATA, "state", 4, "state"))
    story = replacing(items)
    moved = Line("swap.py", 11)
    found = placements(story.items, story.sources)
    assert [place for place in found if place.line == moved] == [
        Placement(moved, "before", "file"),
        Placement(moved, "after", "directory"),
        Placement(moved, "after", "old directory"),
    ]
    known = survey(story).placements
    assert [in_words(place, known[place]) for place in found if place.line == moved] == [
        "fsync state before the rename at swap.py:11",
        "fsync the directory of state (/data/new) after swap.py:11",
        "fsync the old directory of state (/data) after swap.py:11",
    ]


def test_no_sync_is_imagined_where_the_next_one_failed() -> None:
    story = replacing((Write(3, 0, record(1)), FailedSync(3, 5), Write(3, 0, record(2))))
    (place,) = placements(story.items, story.sources)
    assert place.line == Line("swap.py", 12)


def test_a_line_that_syncs_several_folders_is_told_apart_by_folder() -> None:
    line = Source("store.py", 7)
    items = (Mkdir(4, DATA, "calls"), Fsync(DATA), Fsync(4), Fsync(3))
    found = syncs(base_with(state=b""), items, [Source("store.py", 6), line, line, line])
    here = Line("store.py", 7)
    assert found == {Sync(here, "/data"): [1], Sync(here, "/data/calls"): [2], Sync(here): [3]}
    assert [str(one) for one in found] == ["store.py:7 for /data", "store.py:7 for /data/calls", "store.py:7"]
