"""A saved state rebuilds its image, a foreign one is refused, and an image is labelled with the profiles that allow it."""

import itertools

import pytest

from harness.disk import DiskImage
from harness.durability.crash_states import CrashState, CrashStates, UnitId
from harness.durability.legality import earliest_position, image_of, legal_under
from harness.durability.missing import missing_operations
from harness.durability.profiles import PROFILES, Profile, profile
from harness.trace import Create, FailedSync, Fsync, Item, Mark, Mkdir, Rename, Truncate, Unlink, Write

DATA = 2
LOG = DiskImage.with_folders("/data").apply(Create(3, DATA, "log")).apply(Write(3, 0, b"o" * 700))
ITEMS: list[Item] = [
    Create(4, DATA, "tmp"),
    Write(4, 0, b"n" * 700),
    Mark("attempted", "1"),
    Rename(4, DATA, "tmp", DATA, "log", 3),
    Fsync(DATA),
    Write(4, 700, b"m" * 40),
]


@pytest.mark.parametrize("rules", PROFILES.values(), ids=lambda rules: rules.name)
def test_every_state_rebuilds_its_image(rules: Profile) -> None:
    walk = CrashStates(LOG, rules)
    for position in range(len(ITEMS) + 1):
        points = [walk.at()]
        if position < len(ITEMS):
            points.append(walk.during(ITEMS[position]))
        for point in points:
            step = 1 + point.distinct // 40  # byte cuts come by the thousand
            for state, image in itertools.islice(point.states(), 0, None, step):
                assert image_of(LOG, ITEMS, state).identity() == image.identity()
                assert legal_under(LOG, ITEMS, position, image, rules) is True
        if position < len(ITEMS):
            walk.feed(position, ITEMS[position])


def test_page_prefixes_rebuild_their_image() -> None:
    items: list[Item] = [Write(3, 700, b"x" * 9_000)]
    point = CrashStates(LOG, profile("process")).during(items[0])
    listed = [(image_of(LOG, items, state).identity(), image.identity()) for state, image in point.states()]
    assert len(listed) == 2
    assert all(rebuilt == image for rebuilt, image in listed)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (CrashState("strict", 2, (UnitId(1, 99),)), "unit 99 of item 1 is not pending"),
        (CrashState("strict", 5, (UnitId(3, 0),)), "unit 0 of item 3 is not pending"),
        (CrashState("strict", 4, (UnitId(0, 0),)), "not a legal state under 'strict': unit 0 of item 3 survived"),
        (CrashState("strict", 99), "no kill-point 99: the trace has 6 items"),
        (CrashState("strict", 2, (), (0, 3)), "no write of more than 3 bytes at item 0"),
        (CrashState("strict", 6, (), (5, 40)), "no write of more than 40 bytes at item 5"),
        (CrashState("strict", 6, (), (5, 4)), "cannot stop inside"),
        (CrashState("zfs", 2), "no durability profile 'zfs'"),
        (CrashState("process", 2, (UnitId(1, 0),)), "not pending"),
    ],
)
def test_a_state_of_another_trace_is_refused(state: CrashState, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        image_of(LOG, ITEMS, state)


def test_the_label_says_which_file_systems_allow_an_image() -> None:
    """An empty file under the new name: the classic of a replacement without fsync."""
    empty = DiskImage.with_folders("/data").apply(Create(3, DATA, "log"))
    label = {name for name, rules in PROFILES.items() if legal_under(LOG, ITEMS, 5, empty, rules)}
    unordered = {"strict", "ext2", "paranoid", "freebsd-ufs", "apfs"}
    assert label == {*unordered, "ext3-writeback", "ext4-writeback", "ext4", "xfs", "btrfs"}


def test_an_image_is_legal_whatever_inodes_it_has() -> None:
    image = DiskImage.with_folders("/data").apply(Create(77, DATA, "log")).apply(Write(77, 0, b"n" * 700))
    assert legal_under(LOG, ITEMS, 4, image, profile("strict")) is True
    assert legal_under(LOG, ITEMS, 3, image, profile("strict")) is False


def test_the_earliest_death_that_gives_an_image() -> None:
    image = DiskImage.with_folders("/data").apply(Create(3, DATA, "log")).apply(Write(3, 0, b"n" * 700))
    assert earliest_position(LOG, ITEMS, image, profile("strict")) == 4
    assert earliest_position(LOG, ITEMS, DiskImage(), profile("strict")) is None


def test_legality_is_found_without_listing_any_content() -> None:
    items: list[Item] = [Write(3, 700, b"x" * 100_000)]
    image = LOG.apply(Write(3, 700, b"x" * 99_940))  # 700 + 99,940 is no sector boundary
    assert legal_under(LOG, items, 1, image, profile("ext4")) is False
    holes = b"o" * 700 + b"x" * (99_840 - 700 - 512) + bytes(512)
    image = DiskImage.with_folders("/data").apply(Create(3, DATA, "log")).apply(Write(3, 0, holes))
    assert legal_under(LOG, items, 1, image, profile("ext4")) is True
    assert legal_under(LOG, items, 1, image, profile("xfs")) is False


@pytest.mark.parametrize("kept", [1, 7_777, 9_999, 19_999])
def test_a_cut_is_legal_though_a_sample_of_the_cuts_leaves_it_out(kept: int) -> None:
    data = bytes(range(256)) * 79
    items: list[Item] = [Write(3, 700, data)]
    image = LOG.apply(Write(3, 700, data[:kept]))
    assert legal_under(LOG, items, 1, image, profile("strict"), bound=100) is True
    other = LOG.apply(Write(3, 700, data[: kept - 1] + b"!"))
    assert legal_under(LOG, items, 1, other, profile("strict"), bound=100) is False


def test_unknown_is_not_no() -> None:
    items: list[Item] = [Create(4 + n, DATA, f"f{n}") for n in range(40)]
    image = LOG
    for item in items[::7]:
        image = image.apply(item)
    assert legal_under(LOG, items, 40, image, profile("strict"), bound=100) is None
    failed: list[Item] = [Write(3, 0, b"x"), FailedSync(3, 5)]
    assert legal_under(LOG, failed, 2, LOG, profile("btrfs")) is None


def test_what_is_missing_in_words() -> None:
    items: list[Item] = [
        *(Write(3, 700, b"x" * 300), Create(4, DATA, "calls.jsonl"), Mkdir(5, DATA, "old")),
        *(Rename(4, DATA, "calls.jsonl", 5, "moved"), Truncate(3, 100), Unlink(3, DATA, "log")),
    ]
    walk = CrashStates(LOG, profile("strict"))
    for position, item in enumerate(items):
        walk.feed(position, item)
    everything = CrashState("strict", 6, tuple(unit.id for unit in walk.disk.units.values()))
    assert missing_operations(LOG, items, everything) == [
        (0, "300 of 300 bytes of the write to /data/log"),
        (1, "the entry calls.jsonl in /data"),
        (2, "the entry old in /data"),
        (3, "the rename of /data/calls.jsonl to /data/old/moved"),
        (4, "the truncation of /data/log to 100 bytes"),
        (5, "the removal of log from /data"),
    ]


def test_a_tail_of_zeros_is_told_in_bytes() -> None:
    items: list[Item] = [Write(3, 700, b"x" * 600)]
    assert missing_operations(LOG, items, CrashState("strict", 1, (UnitId(0, 1),))) == [
        (0, "276 of 600 bytes of the write to /data/log")
    ]


def test_a_torn_record_is_told_in_bytes() -> None:
    items: list[Item] = [Write(3, 700, b"x" * 300)]
    assert missing_operations(LOG, items, CrashState("strict", 1, (UnitId(0, 0), UnitId(0, 1)), (0, 60))) == [
        (0, "240 of 300 bytes of the write to /data/log")
    ]
    assert missing_operations(LOG, items, CrashState("strict", 1)) == []
