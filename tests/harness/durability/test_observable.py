"""States modulo what recovery does not read: nothing that matters is left out, nothing else is run."""

import pytest

from harness.disk import DiskImage, File
from harness.durability.crash_states import CrashStates, KillPoint
from harness.durability.looks import SIZE, WHOLE, Look, Span, spans_of
from harness.durability.profiles import PROFILES, Profile, profile, with_sector_tears
from harness.durability.readings import Observed
from harness.trace import Create, Fsync, Item, Link, Rename, Source, Truncate, Write

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


# -- what is read in part decides only that


SECTORS = 64
LARGE: list[Item] = [Write(3, 600, bytes(range(1, 65)) * 8 * SECTORS)]
"""32 KiB appended to 600 durable bytes: 64 sectors and more sizes."""


def runs_of(point: KillPoint, looks: list[int | Look]) -> tuple[int, bool]:
    states = point.observable()
    for _ in states:
        states.read(looks)
    return states.yielded, states.exhaustive


@pytest.mark.parametrize("name", ["strict", "ext4", "xfs", "btrfs"])
def test_who_asks_only_for_the_size_has_a_run_for_each_size(name: str) -> None:
    point = point_after(LARGE, with_sector_tears(profile(name)))
    sizes = {600, 600 + 32 * 1_024, *range(1_024, 600 + 32 * 1_024, 512)}
    assert runs_of(point, [(3, -1, -1)]) == (len(sizes), True)


def test_who_reads_only_what_is_durable_has_one_run() -> None:
    point = point_after(LARGE, with_sector_tears(profile("ext4")))
    assert point.distinct > 10**19
    assert runs_of(point, [(3, 0, 512)]) == (1, True)


def test_who_reads_one_sector_has_a_run_for_each_content_of_it() -> None:
    point = point_after(LARGE, with_sector_tears(profile("ext4")))
    # not grown so far, there with its data, there without; where it is not the last one the file ends behind it
    assert runs_of(point, [(3, 5 * 512, 6 * 512)])[0] == 3 + 4
    assert runs_of(point, [(3, 5 * 512, 6 * 512)])[1]


def test_who_stops_at_the_first_bad_record_has_a_run_for_each_place_to_stop() -> None:
    point = point_after(LARGE, with_sector_tears(profile("ext4")))
    states = point.observable()
    for _, image in states:
        looks: list[int | Look] = []
        for start in range(1_024, 40_000, 512):
            looks.append((3, start, start + 512))
            if len(set(image.read_file("/data/state")[start : start + 512])) < 64:
                break
        states.read(looks)
    assert states.exhaustive
    assert states.yielded < 5 * SECTORS


def test_a_second_look_splits_what_the_first_left_together() -> None:
    items: list[Item] = [Write(3, 0, b"a" * 512), Write(3, 512, b"b" * 88)]
    point = point_after(items, with_sector_tears(profile("ext4")))
    assert runs_of(point, [(3, 0, 10)]) == (2, True)
    assert runs_of(point, [(3, 0, 10), (3, 512, 520)]) == (4, True)
    assert runs_of(point, [(3, -1, -1), (3, 0, 10), 3]) == (4, True)


def test_looks_that_are_known_ask_nothing() -> None:
    nodes = base().nodes
    assert spans_of([(3, -1, -1), (3, 0, 601)], nodes) == [(3, WHOLE)]
    assert spans_of([(3, 0, 8_192), (3, 600, 8_792), (3, -1, -1)], nodes) == [(3, Span(0, 16))]
    assert spans_of([(3, 0, 100), (3, 100, 500), (3, 0, 512)], nodes) == [(3, Span(0, 1))]
    assert spans_of([(3, -1, -1), (3, 700, 800), (3, 520, 530)], nodes) == [(3, SIZE), (3, Span(1, 2))]
    assert spans_of([(3, -1, -1), (3, 0, 8_192), (3, 600, 8_792)], nodes) == [(3, Span(0, 16))]
    empty = base().apply(Truncate(3, 0)).nodes
    assert spans_of([(3, -1, -1), (3, 0, 1)], empty) == [(3, SIZE)]
    assert spans_of([2, 99, (99, -1, -1)], nodes) == []


@pytest.mark.parametrize("rules", list(PROFILES.values()), ids=lambda rules: rules.name)
def test_observable_states_say_how_many_legal_ones_they_stand_for(rules: Profile) -> None:
    point = point_after(WITH_LOG, rules)
    states = point.observable()
    for _, image in states:
        states.read([(ino, 0, 10) for ino in recover(image, ("log", "state"))[0]])
    counted = states.stand_for()
    assert len({state for state, _ in counted}) == len(counted) == states.yielded
    assert sum(count for _, count in counted) == point.legal


def test_a_sampled_kill_point_does_not_say_what_its_states_stand_for() -> None:
    states = point_after(LARGE, profile("ext4"), bound=50).observable()
    for _ in states:
        states.read([3])
    with pytest.raises(ValueError, match="left out"):
        states.stand_for()


def test_a_short_file_does_not_make_a_look_longer_than_it_was() -> None:
    """Record by record from the start: what is seen first is an empty file, at the kill-point before the first append."""
    observed = Observed()
    walk = CrashStates(base().apply(Truncate(3, 0)), with_sector_tears(profile("ext4")))
    runs = 0
    for position, item in enumerate([None, Write(3, 0, b"r" * 4_200), Write(3, 4_200, b"s" * 300)]):
        if item is not None:
            walk.feed(position - 1, item)
        states = walk.at().observable(observed)
        for _, image in states:
            content = image.read_file("/data/state")
            looks: list[int | Look] = []
            for start in range(0, 5_000, 300):
                looks.append((3, start, start + 300))
                if len(content) < start + 300 or 0 in content[start : start + 300]:
                    break
            states.read(looks)
        assert states.exhaustive
        runs += states.yielded
    assert runs < 120
    assert walk.at().distinct > 1_000


# -- beyond the bound


def sampled(looks: list[int | Look], seed: int = 0, bound: int = 200) -> list[tuple[tuple[int, ...], bytes]]:
    walk = CrashStates(base(), with_sector_tears(profile("ext4")), bound=bound, seed=seed)
    walk.feed(0, LARGE[0])
    states = walk.at().observable()
    found = []
    for _, image in states:
        states.read(looks)
        found.append((image.state_key, image.read_file("/data/state")))
    assert not states.exhaustive
    return found


@pytest.mark.parametrize("looks", [[3], [(3, 0, 16_384)]], ids=["the whole", "the first half"])
def test_a_sample_begins_with_representatives_and_repeats_nothing(looks: list[int | Look]) -> None:
    (ino_looks,) = looks
    end = 40_000 if isinstance(ino_looks, int) else 16_384
    found = sampled(looks)
    seen = [content[:end] for _, content in found]
    assert len(seen) == len(set(seen)) == 200
    whole = base().apply(LARGE[0]).read_file("/data/state")
    assert seen[0] == whole[:end]
    zeros = whole[:600] + bytes(len(whole) - 600)
    assert zeros[:end] in seen, "the size without any data"
    holes = [content for content in seen if len(content) == len(whole[:end]) and content != whole[:end]]
    assert any(
        sum(content[at : at + 512] != whole[at : at + 512] for at in range(0, end, 512)) == 1 for content in holes
    )


@pytest.mark.parametrize("looks", [[3], [(3, 0, 16_384)]], ids=["the whole", "the first half"])
def test_a_sample_follows_from_its_seed(looks: list[int | Look]) -> None:
    first, again, other = (sampled(looks, seed, bound=400) for seed in (0, 0, 1))
    assert first == again
    assert {key for key, _ in first} != {key for key, _ in other}


def test_too_many_names_are_represented_by_prefixes_and_groups_first() -> None:
    """All, none, all but one, only one, every prefix, and each group of source lines with and without."""
    names = [f"f{number:02}" for number in range(20)]
    walk = CrashStates(base(), profile("strict"), bound=200)
    for number, name in enumerate(names):
        walk.feed(number, Create(4 + number, DATA, name), Source("job.py", 10 + number % 2, "make"))
    point = walk.at()
    assert point.scenes() is None
    states = point.observable()
    found = []
    for _, image in states:
        states.read([])
        found.append(frozenset(path.rpartition("/")[2] for path, _, _ in image.walk()) & set(names))
    assert len(found) == len(set(found)) == 200
    everything = frozenset(names)
    expected = [everything, frozenset(), *(everything - {name} for name in names), *({name} for name in names)]
    expected += [frozenset(names[:length]) for length in range(1, 20)]
    expected += [frozenset(names[::2]), frozenset(names[1::2])]
    assert {frozenset(one) for one in expected} <= set(found[: len(expected) + 8])
