"""Writes of many sectors: counted exactly, sampled when there are too many states, and never listed first."""

import itertools

import pytest

from harness.disk import DiskImage, File
from harness.durability.counting import DownSets, count_down_sets
from harness.durability.crash_states import CrashStates, KillPoint
from harness.durability.profiles import profile
from harness.trace import Create, Fsync, Write

BASE = DiskImage.with_folders("/data")
DATA, FILE = BASE.next_ino - 1, BASE.next_ino


def unsynced(size: int, name: str = "strict", bound: int = 65_536) -> KillPoint:
    """A death after one write of `size` bytes to a new file whose name is durable."""
    walk = CrashStates(BASE, profile(name), bound=bound)
    items = (Create(ino=FILE, parent=DATA, name="x"), Fsync(ino=DATA), Write(ino=FILE, offset=0, data=b"x" * size))
    for position, item in enumerate(items):
        walk.feed(position, item)
    return walk.at()


@pytest.mark.parametrize("sectors", [1, 2, 5, 64, 2048])
def test_the_states_of_a_large_write_are_counted_exactly(sectors: int) -> None:
    # Each sector is there or not, each prefix of the sizes, and each byte between two sectors is a cut on two bases
    # (or on one: "everything earlier" is "only what had to" for a first write).
    size = sectors * 512
    assert unsynced(size).legal == 2**sectors * (sectors + 1) + size - sectors


def test_a_mebibyte_is_sampled_within_the_bound() -> None:
    point = unsynced(1 << 20, bound=500)
    states = point.observable()
    seen = set()
    for _, image in states:
        states.read([FILE])
        seen.add(image.state_key)
    assert len(seen) == 500
    assert not states.exhaustive
    assert not point.exhaustive


def test_a_large_file_that_nobody_reads_costs_one_state() -> None:
    states = unsynced(1 << 20).observable()
    count = 0
    for _ in states:
        states.read([])
        count += 1
    assert count == 1
    assert states.exhaustive


def test_a_sample_holds_the_plain_states_first() -> None:
    states = unsynced(100_000, bound=300).observable()
    sizes, zeros = [], 0
    for _, image in itertools.islice(states, 300):
        states.read([FILE])
        data = image.read_file("/data/x")
        sizes.append(len(data))
        zeros += bool(data) and not any(data)
    assert sizes[0] == 100_000
    assert {0, 512, 99_840, 100_000} <= set(sizes)
    assert zeros > 10


def test_one_sample_is_the_same_each_time() -> None:
    def keys() -> list[object]:
        states = unsynced(300_000, bound=200).observable()
        found: list[object] = []
        for _, image in states:
            states.read([FILE])
            found.append(image.state_key)
        return found

    assert keys() == keys()


def test_the_states_of_a_sample_are_what_they_say() -> None:
    point = unsynced(40_000, bound=400)
    states = point.observable()
    for state, image in states:
        states.read([FILE])
        data = image.read_file("/data/x")
        again = DiskImage({**image.nodes, FILE: File(data)})
        assert image.state_key == point.key_of(again), state


@pytest.mark.parametrize(
    "down",
    [
        {1: 1, 2: 2, 4: 4},
        {1: 1, 2: 3, 4: 7, 8: 15},
        {1: 1, 2: 3, 4: 5, 8: 11, 16: 16},
        {1: 1, 2: 2, 4: 7, 8: 15, 16: 16, 32: 48},
        {1: 1, 2: 3, 4: 4, 8: 15, 16: 5 | 16},
    ],
)
def test_trees_are_counted_as_everything_else(down: dict[int, int]) -> None:
    assert count_down_sets(down) == DownSets(down).count()
