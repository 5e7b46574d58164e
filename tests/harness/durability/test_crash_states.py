"""What the explorer relies on: order, bounds, byte cuts, page prefixes, keys, failed syncs, sharing."""

import itertools
import time

import msgspec
import pytest

from harness.disk import DiskImage, File
from harness.durability.counting import count_down_sets, list_down_sets, union_size
from harness.durability.crash_states import CrashState, CrashStates, KillPoint
from harness.durability.missing import missing_operations
from harness.durability.profiles import PROFILES, Profile, profile, with_sector_tears
from harness.durability.trees import state_key
from harness.trace import Create, Evict, FailedSync, Fsync, Item, Mark, Rename, Revert, SyncAll, Truncate, Unlink, Write

DATA = 2
SECTORS = with_sector_tears(profile("strict"))


def base_with(**files: bytes) -> DiskImage:
    image = DiskImage.with_folders("/data")
    for name, data in files.items():
        ino = image.next_ino
        image = image.apply(Create(ino, DATA, name)).apply(Write(ino, 0, data))
    return image


def walked(base: DiskImage, items: list[Item], rules: Profile, bound: int = 65_536, seed: int = 0) -> CrashStates:
    walk = CrashStates(base, rules, bound=bound, seed=seed)
    for position, item in enumerate(items):
        walk.feed(position, item)
    return walk


def contents(point: KillPoint, name: str = "log") -> list[bytes | None]:
    found: list[bytes | None] = []
    for _, image in point.states():
        node = image.lookup(f"/data/{name}")
        found.append(node.data if isinstance(node, File) else None)
    return found


# -- order of the states ---------------------------------------------------------------------------------------------


def test_the_plainest_states_come_first() -> None:
    walk = walked(base_with(log=b""), [Write(3, 0, b"a" * 600)], SECTORS)
    listed = contents(walk.at())
    assert listed[:2] == [b"a" * 600, b""]
    assert listed[2] == b"a" * 512, "all but the last size"
    assert len(set(listed)) == len(listed) == 7


def test_with_nothing_pending_there_is_one_state() -> None:
    walk = walked(base_with(log=b"x"), [Write(3, 1, b"y"), Fsync(3), Mark("acknowledged", "1")], profile("strict"))
    point = walk.at()
    assert (point.legal, point.distinct, point.exhaustive) == (1, 1, True)
    assert contents(point) == [b"xy"]


def test_a_mark_adds_no_state_and_orders_nothing() -> None:
    write = Write(3, 0, b"a" * 600)
    plain = walked(base_with(log=b""), [write, Write(3, 600, b"b")], SECTORS).at()
    marked = walked(base_with(log=b""), [write, Mark("acknowledged"), Write(3, 600, b"b")], SECTORS).at()
    assert plain.legal == marked.legal
    assert set(contents(plain)) == set(contents(marked))


def test_a_kill_point_is_not_valid_after_its_walk_went_on() -> None:
    walk = CrashStates(base_with(log=b""), SECTORS)
    point = walk.at()
    walk.feed(0, Write(3, 0, b"a"))
    with pytest.raises(RuntimeError, match="before feeding the next operation"):
        list(point.states())


# -- processes -------------------------------------------------------------------------------------------------------


def test_a_killed_process_leaves_everything_that_happened() -> None:
    walk = walked(base_with(log=b""), [Write(3, 0, b"a" * 9_000), Unlink(3, DATA, "log")], profile("process"))
    assert contents(walk.at()) == [None]
    assert (walk.at().legal, walk.at().distinct, walk.at().exhaustive) == (1, 1, True)


def test_a_killed_process_leaves_whole_pages_of_the_write_in_flight() -> None:
    walk = walked(base_with(log=b"x" * 100), [], profile("process"))
    point = walk.during(Write(3, 100, b"a" * 9_000))
    assert [len(data or b"") for data in contents(point)] == [4_096, 8_192]
    assert (point.legal, point.distinct) == (2, 2)
    assert [state.cut for state, _ in point.states()] == [(0, 3_996), (0, 8_092)]


def test_a_write_that_ends_at_a_page_adds_nothing_inside() -> None:
    walk = walked(base_with(log=b""), [], profile("process"))
    assert list(walk.during(Write(3, 0, b"a" * 4_096)).states()) == []
    assert list(walk.during(Fsync(3)).states()) == []


def test_a_power_cut_inside_a_write_is_one_after_it() -> None:
    walk = walked(base_with(log=b""), [], profile("strict"))
    point = walk.during(Write(3, 0, b"a" * 9_000))
    assert (point.legal, point.distinct, list(point.states())) == (0, 0, [])


# -- byte cuts -------------------------------------------------------------------------------------------------------


def test_an_append_stops_at_any_of_its_bytes() -> None:
    walk = walked(base_with(log=b""), [Write(3, 0, b"abcdef")], profile("strict"))
    point = walk.at()
    assert set(contents(point)) == {b"", bytes(6), *(b"abcdef"[:n] for n in range(1, 7))}
    assert (point.legal, point.distinct) == (4 + 5, 8)


@pytest.mark.parametrize("length", [1, 2, 120, 600, 1_500])
def test_byte_cuts_add_at_most_two_states_a_byte(length: int) -> None:
    items: list[Item] = [Write(4, 0, b"other"), Write(3, 0, b"first"), Write(3, 5, b"x" * length)]
    torn = walked(base_with(log=b"", b=b""), items, profile("strict")).at()
    whole = walked(base_with(log=b"", b=b""), items, SECTORS).at()
    assert torn.legal - whole.legal <= 2 * (length + 5 + 5)
    assert torn.distinct == len(list(torn.states()))


def test_byte_cuts_stand_on_everything_earlier_and_on_only_what_had_to() -> None:
    items: list[Item] = [Write(4, 0, b"other"), Write(3, 0, b"ab")]
    walk = walked(base_with(log=b"", b=b""), items, profile("strict"))
    cut = {(s.cut, image.read_file("/data/b")) for s, image in walk.at().states() if s.cut and s.cut[0] == 1}
    assert cut == {((1, 1), b"other"), ((1, 1), b"")}


def test_a_byte_cut_shares_the_buffer_of_the_log() -> None:
    items: list[Item] = [Write(3, 0, b"a" * 50_000), Fsync(3), Write(3, 50_000, b"b" * 100)]
    walk = walked(base_with(log=b""), items, profile("strict"))
    buffers = {id(image.nodes[3].buffer) for s, image in walk.at().states() if s.cut}  # type: ignore[union-attr]  # a File
    assert len(buffers) == 1


def test_an_overwrite_is_not_cut_at_bytes() -> None:
    walk = walked(base_with(log=b"x" * 10), [Write(3, 2, b"abc")], profile("strict"))
    assert set(contents(walk.at())) == {b"x" * 10, b"xxabcxxxxx"}


# -- bounds ----------------------------------------------------------------------------------------------------------


def unsynced(records: int) -> list[Item]:
    return [Write(3, 120 * n, f"{n:04d}".encode() * 30) for n in range(records)]


def test_beyond_the_bound_the_enumeration_says_bounded_and_repeats_nothing() -> None:
    walk = walked(base_with(log=b""), unsynced(40), SECTORS, bound=300)
    point = walk.at()
    listed = [image.state_key for _, image in point.states()]
    assert not point.exhaustive
    assert len(listed) == len(set(listed)) == 300
    assert point.legal > point.distinct > 300


def test_bounded_samples_depend_on_the_seed_alone() -> None:
    def sample(seed: int) -> list[CrashState]:
        return [state for state, _ in walked(base_with(log=b""), unsynced(40), SECTORS, 400, seed).at().states()]

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_too_many_names_are_sampled_and_still_counted() -> None:
    items: list[Item] = [Create(3 + n, DATA, f"f{n}") for n in range(60)]
    point = walked(base_with(), items, SECTORS, bound=200).at()
    assert point.legal == 2**60
    assert not point.exhaustive
    keys = [image.state_key for _, image in point.states()]
    assert len(keys) == len(set(keys)) == 200


def test_ten_to_the_forty_states_are_counted_in_an_instant() -> None:
    walk = walked(base_with(log=b""), unsynced(210), SECTORS)
    started = time.perf_counter()
    legal = walk.at().legal
    assert time.perf_counter() - started < 0.1
    assert legal > 10**40


def test_the_number_of_states_is_a_product_of_chains_under_strict() -> None:
    # sectors 0 to 3, one unit each; sizes 512, 1024, 1536, 2000
    point = walked(base_with(log=b""), [Write(3, 0, b"a" * 2_000)], SECTORS).at()
    assert point.legal == 2**4 * 5
    assert point.distinct == 1 + 2 + 4 + 8 + 16


def test_data_before_the_size_is_a_sum_over_the_size() -> None:
    point = walked(base_with(log=b""), [Write(3, 0, b"a" * 2_000)], profile("xfs")).at()
    assert point.legal == 16 + 8 + 4 + 2 + 1
    assert point.distinct == 5


# -- counting --------------------------------------------------------------------------------------------------------


def test_down_sets_are_counted_as_they_are_listed() -> None:
    down = {1: 1, 2: 3, 4: 4, 8: 15, 16: 20, 32: 32}
    listed = list_down_sets(down, 1_000)
    assert listed is not None
    assert count_down_sets(down) == len(listed) == len(set(listed))
    assert all(not any(s & bit and down[bit] & ~s for bit in down) for s in listed)
    assert list_down_sets(down, 5) is None
    assert count_down_sets({}) == 1


def test_a_union_of_products_counts_each_tuple_once() -> None:
    boxes = [
        (frozenset("ab"), frozenset("xy"), frozenset("1")),
        (frozenset("bc"), frozenset("yz"), frozenset("12")),
        (frozenset("a"), frozenset("z"), frozenset("2")),
    ]
    assert union_size(boxes) == len({tuple_ for box in boxes for tuple_ in itertools.product(*box)})
    assert union_size([]) == 0


# -- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", PROFILES.values(), ids=lambda rules: rules.name)
def test_keys_are_equal_exactly_when_identities_are(rules: Profile) -> None:
    items: list[Item] = [
        *(Create(4, DATA, "tmp"), Write(4, 0, b"n" * 700), Rename(4, DATA, "tmp", DATA, "state", 3), Fsync(DATA)),
        *(Create(5, DATA, "tmp"), Write(5, 0, b"n" * 700), Truncate(4, 100), Rename(5, DATA, "tmp", DATA, "state", 4)),
    ]
    walk = CrashStates(base_with(state=b"o" * 700), with_sector_tears(rules))
    by_key: dict[tuple[int, ...], object] = {}
    for position, item in enumerate([*items, SyncAll()]):
        point = walk.at()
        for _, image in point.states():
            assert point.key_of(image) == state_key(DiskImage(image.nodes))
            assert by_key.setdefault(point.key_of(image), image.identity()) == image.identity()
        walk.feed(position, item)
    assert len(by_key) == len(set(by_key.values()))


# -- failed syncs ----------------------------------------------------------------------------------------------------


def test_after_a_failed_fsync_no_retry_makes_the_data_durable() -> None:
    """Rebello et al., ATC'20: the pages are marked clean; the retry returns 0 and has written nothing."""
    items: list[Item] = [Write(3, 0, b"a" * 300), FailedSync(3, 5), Fsync(3), Mark("acknowledged", "1")]
    point = walked(base_with(log=b""), items, SECTORS).at()
    assert set(contents(point)) == {bytes(300), b"a" * 300}


def test_what_is_written_after_a_failed_fsync_is_synced_as_ever() -> None:
    items: list[Item] = [Write(3, 0, b"a" * 600), FailedSync(3, 5), Write(3, 512, b"b" * 300), Fsync(3)]
    point = walked(base_with(log=b""), items, SECTORS).at()
    assert set(contents(point)) == {
        bytes(512) + b"b" * 300,
        b"a" * 512 + b"b" * 300,
    }


@pytest.mark.parametrize("name", ["ext4", "xfs", "ext4-documented", "ext3"])
def test_a_failed_fsync_leaves_a_zero_tail_where_data_came_first(name: str) -> None:
    items: list[Item] = [Write(3, 0, b"a" * 300), FailedSync(3, 5), Fsync(3)]
    assert set(contents(walked(base_with(log=b""), items, profile(name)).at())) == {bytes(300), b"a" * 300}


def test_after_a_late_report_the_first_sync_has_written_nothing() -> None:
    journal = profile("ext4-journal")
    first: list[Item] = [Write(3, 0, b"a" * 300), FailedSync(3, 0, "late-report"), Mark("acknowledged", "1")]
    assert b"" in contents(walked(base_with(log=b""), first, journal).at())
    told: list[Item] = [*first, FailedSync(3, 5, "late-report"), Fsync(3)]
    assert set(contents(walked(base_with(log=b""), told, journal).at())) == {bytes(300), b"a" * 300}


def test_what_stays_dirty_is_made_durable_by_the_retry() -> None:
    items: list[Item] = [Write(3, 0, b"a" * 300), FailedSync(3, 5, "stay-dirty"), Fsync(3)]
    assert contents(walked(base_with(log=b""), items, profile("freebsd-ufs")).at()) == [b"a" * 300]


def test_a_reverted_file_has_nothing_pending() -> None:
    items: list[Item] = [Write(3, 2, b"a" * 300), FailedSync(3, 5, "revert"), Revert(3, 2)]
    assert contents(walked(base_with(log=b"ok"), items, profile("btrfs")).at()) == [b"ok"]


def test_who_has_read_the_old_block_knows_what_a_crash_leaves() -> None:
    """Before the eviction the dropped bytes may or may not be on the disk; the reader has decided it."""
    items: list[Item] = [Write(3, 0, b"a" * 300), FailedSync(3, 5), Fsync(3), Evict(3, ((0, bytes(300)),))]
    assert contents(walked(base_with(log=b""), items, SECTORS).at()) == [bytes(300)]


def test_what_a_failed_sync_gave_up_is_named_in_every_state() -> None:
    items: list[Item] = [Write(3, 0, b"a" * 300), FailedSync(3, 5, "revert"), Revert(3, 0), Write(3, 0, b"b")]
    expected = "300 of 300 bytes of the write to /data/log, given up by a failed sync"
    for state, _ in walked(base_with(log=b""), items, profile("btrfs")).at().states():
        assert missing_operations(base_with(log=b""), items, state)[0] == (0, expected)


@pytest.mark.parametrize("name", ["btrfs", "btrfs-documented", "ext4-journal"])
def test_a_failure_that_the_file_system_does_not_show_is_told_with_both_policies(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}.*drop-clean.*{profile(name).failed_sync}"):
        walked(base_with(log=b""), [Write(3, 0, b"a"), FailedSync(3, 5)], profile(name))


# -- syncs -----------------------------------------------------------------------------------------------------------


def test_a_sync_covers_what_was_complete_when_it_began() -> None:
    items: list[Item] = [Write(3, 0, b"a"), Write(3, 1, b"b"), Fsync(3, begun=1)]
    assert set(contents(walked(base_with(log=b""), items, SECTORS).at())) == {b"a", b"a\0", b"ab"}


def test_sync_of_everything_leaves_nothing_pending() -> None:
    items: list[Item] = [Create(4, DATA, "new"), Write(4, 0, b"a" * 3_000), Write(3, 0, b"b"), SyncAll()]
    assert walked(base_with(log=b""), items, SECTORS).at().legal == 1


def test_macos_fsync_makes_nothing_durable() -> None:
    items: list[Item] = [Write(3, 0, b"ab"), Fsync(3)]
    assert b"" in contents(walked(base_with(log=b""), items, profile("apfs")).at())


def test_a_file_without_a_name_leaves_the_count() -> None:
    items: list[Item] = [Create(3, DATA, "tmp"), Write(3, 0, b"a" * 900), Unlink(3, DATA, "tmp"), Fsync(DATA)]
    walk = walked(base_with(), [*items, Write(3, 900, b"b")], SECTORS)
    assert (walk.at().legal, walk.at().distinct) == (1, 1)


def test_a_long_run_with_one_unit_that_is_never_synced_stays_exact() -> None:
    items: list[Item] = [Create(3, DATA, "log")]
    for n in range(400):
        items += [Write(3, 120 * n, f"{n:04d}".encode() * 30), Fsync(3)]
    walk = walked(base_with(), items, SECTORS)
    point = walk.at()
    assert (point.legal, point.distinct) == (2, 2)
    assert [len(data) if data is not None else None for data in contents(point)] == [48_000, None]


def test_states_are_data() -> None:
    state = next(
        s for s, _ in walked(base_with(log=b""), [Write(3, 0, b"ab")], profile("strict")).at().states() if s.cut
    )
    assert msgspec.json.decode(msgspec.json.encode(state), type=CrashState) == state
