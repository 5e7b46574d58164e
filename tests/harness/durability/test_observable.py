"""States modulo what recovery does not read: nothing that matters is left out, nothing else is run."""

import pytest

from harness.disk import DiskImage, File
from harness.durability.crash_states import CrashStates, KillPoint
from harness.durability.observable import Observed
from harness.durability.profiles import PROFILES, Profile, profile, with_sector_tears
from harness.trace import Create, Fsync, Item, Link, Rename, Truncate, Write

DATA = 2


def point_after(items: list[Item], rules: Profile, bound: int = 65_536) -> KillPoint:
    walk = CrashStates(base(), rules, bound=bound)
    for position, item in enumerate(items):
        walk.feed(position, item)
    return walk.at()


def base() -> DiskImage:
    image = DiskImage.with_folders("/data")
    return image.apply(Create(3, DATA, "state")).apply(Write(3, 0, b"o" * 600))


def recover(image: DiskImage, names: tuple[str, ...]) -> tuple[list[int], tuple[bytes | None, ...]]:
    """(what it read, what it found): reads the next file only if the one before did not begin with n."""
    reads: list[int] = []
    seen: list[bytes | None] = []
    inode_of = {path: ino for path, ino, _ in image.walk()}
    for name in names:
        node = image.lookup(f"/data/{name}")
        if not isinstance(node, File):
            seen.append(None)
            continue
        reads.append(inode_of[f"/data/{name}"])
        seen.append(node.data)
        if node.data[:1] == b"n":
            break
    return reads, tuple(seen)


REPLACE: list[Item] = [
    *(Create(4, DATA, "tmp"), Write(4, 0, b"n" * 900), Rename(4, DATA, "tmp", DATA, "state", 3)),
    *(Create(5, DATA, "tmp"), Write(5, 0, b"m" * 900)),
]
WITH_LOG: list[Item] = [
    *(Create(6, DATA, "log"), Write(6, 0, b"l" * 700), Link(6, DATA, "again")),
    *(*REPLACE, Truncate(6, 10), Fsync(DATA), Write(6, 10, b"k" * 600)),
]


@pytest.mark.parametrize("rules", list(PROFILES.values()), ids=lambda rules: rules.name)
@pytest.mark.parametrize("names", [("state",), ("state", "tmp"), ("tmp", "state", "log"), ("log", "again"), ()])
@pytest.mark.parametrize("items", [REPLACE, WITH_LOG], ids=["replace", "with log"])
def test_recovery_sees_all_that_it_sees_in_any_state(items: list[Item], names: tuple[str, ...], rules: Profile) -> None:
    point = point_after(items, with_sector_tears(rules))
    expected = {recover(image, names)[1] for _, image in point.states()}
    found = []
    states = point.observable()
    for _, image in states:
        reads, seen = recover(image, names)
        states.read(reads)
        found.append((image.state_key[0], seen))
    assert {seen for _, seen in found} == expected
    assert len(found) == len(set(found)), "two runs could not have been told apart"
    assert states.exhaustive
    assert len(found) <= point.distinct


def test_a_file_that_nobody_opens_costs_one_state() -> None:
    items: list[Item] = [Create(4, DATA, "tmp"), Fsync(DATA), Write(4, 0, b"t" * 6_000)]
    point = point_after(items, with_sector_tears(profile("strict")))
    states = point.observable()
    runs = 0
    for _, image in states:
        states.read(recover(image, ("state",))[0])
        runs += 1
    assert point.distinct > 4_000
    assert (runs, states.yielded, states.exhaustive) == (1, 1, True)


def test_byte_cuts_are_run_where_recovery_reads_them() -> None:
    items: list[Item] = [Write(3, 600, b"abc")]
    point = point_after(items, profile("strict"))
    states = point.observable()
    found = set()
    for _, image in states:
        states.read([3])
        found.add(image.read_file("/data/state")[600:])
    assert found == {b"", b"abc", bytes(3), b"a", b"ab"}


def test_what_was_observed_before_is_not_run_again() -> None:
    observed = Observed()
    for expected in (3, 0):
        states = point_after([Write(3, 600, b"abc")], with_sector_tears(profile("strict"))).observable(observed)
        for _ in states:
            states.read([3])
        assert (states.yielded, states.exhaustive) == (expected, True)


def test_a_run_that_says_nothing_is_an_error() -> None:
    states = point_after([Write(3, 600, b"abc")], profile("strict")).observable()
    with pytest.raises(RuntimeError, match="read"):
        list(states)


def test_the_bound_holds_and_is_told() -> None:
    states = point_after([Write(3, 600, b"a" * 6_000)], profile("strict"), bound=50).observable()
    for _ in states:
        states.read([3])
    assert states.yielded == 50
    assert not states.exhaustive


def test_too_many_names_fall_back_to_samples() -> None:
    items: list[Item] = [Create(4 + n, DATA, f"f{n}") for n in range(30)]
    states = point_after(items, profile("strict"), bound=40).observable()
    for _ in states:
        states.read([])
    assert states.yielded == 40
    assert not states.exhaustive


def test_a_killed_process_has_one_state_to_observe() -> None:
    states = point_after(REPLACE, profile("process")).observable()
    found = []
    for _, image in states:
        states.read([])
        found.append(image.read_file("/data/state"))
    assert found == [b"n" * 900]
