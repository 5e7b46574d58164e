"""The engine agrees with the naive disk on random short traces, under every profile: images, counts and verdicts."""

import msgspec
import pytest
from agreement import Checker, assert_agrees
from drawn_checkers import NEVER, Step, checkers
from drawn_traces import BELOW, DATA, EMPTY, LENGTHS, OLD, base_image, traces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive_disk import NaiveDisk

from harness.disk import File
from harness.durability.on_disk import Durable, evicted, reverted
from harness.durability.profiles import PROFILES, Profile, with_sector_tears
from harness.trace import (
    Create,
    Evict,
    FailedSync,
    Fsync,
    Item,
    Link,
    Mkdir,
    Rename,
    Revert,
    Truncate,
    Unlink,
    Write,
)

GROUPS = {
    "unordered": ("strict", "ext2", "freebsd-ufs", "apfs"),
    "metadata in order": ("ext4", "ext4-writeback", "xfs"),
    "data in order": ("ext3", "ext4-documented", "ext4-journal"),
    "btrfs": ("btrfs", "btrfs-documented"),
}

QUICK = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
THOROUGH = settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("group", GROUPS)
def test_short_traces_agree_with_brute_force(group: str) -> None:
    rules = [with_sector_tears(PROFILES[name]) for name in GROUPS[group]]

    @QUICK
    @given(st.data())
    def agree(data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(rules))
        assert_agrees(data.draw(traces(chosen, 7)), chosen, data.draw(st.lists(checkers, min_size=1, max_size=2)))

    agree()


@pytest.mark.parametrize("name", [name for name in PROFILES if PROFILES[name].tear == "byte"])
def test_appends_that_stop_at_any_byte_agree_with_brute_force(name: str) -> None:
    @settings(QUICK, max_examples=40)
    @given(traces(PROFILES[name], 6, lengths=(1, 2, 20, 515)), checkers)
    def agree(items: list[Item], checker: Checker) -> None:
        assert_agrees(items, PROFILES[name], [checker])

    agree()


def _of_their_own() -> list[str]:
    """The profiles of a disk, one for each set of rules: the same rules under another name are tried once."""
    found: dict[Profile, str] = {}
    for name, rules in PROFILES.items():
        if name != "process":
            found.setdefault(msgspec.structs.replace(rules, name="", summary="", sources=()), name)
    return list(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", _of_their_own())
def test_ten_thousand_traces_agree_with_brute_force(name: str) -> None:
    """Up to seven operations, as many pending units as every subset of can be tried; at bytes where the profile says so."""
    in_sectors = with_sector_tears(PROFILES[name])
    lengths = (1, 2, 20, 515) if PROFILES[name].tear == "byte" else LENGTHS

    @THOROUGH
    @given(traces(in_sectors, 10), st.lists(checkers, max_size=2))
    def agree(items: list[Item], chosen: list[Checker]) -> None:
        assert_agrees(items, in_sectors, chosen)

    @settings(THOROUGH, max_examples=1_000)
    @given(traces(PROFILES[name], 7, lengths=lengths), st.lists(checkers, max_size=1))
    def agree_at_bytes(items: list[Item], chosen: list[Checker]) -> None:
        assert_agrees(items, PROFILES[name], chosen)

    agree()
    if PROFILES[name].tear == "byte":
        agree_at_bytes()


PIECEMEAL: list[Checker] = [
    (Step("bytes", "/data/a", 0, 1, NEVER), Step("bytes", "/data/a", 600, 1, NEVER)),
    (Step("bytes", "/data/a", 600, 10, 2), Step("size", "/data/a", 0, 0, 2), Step("whole", "/data/a", 0, 0, NEVER)),
    (Step("size", "/data/a", 0, 0, NEVER), Step("bytes", "/data/c", 512, 100, NEVER)),
    (Step("size", "/data/a", 0, 0, NEVER), Step("bytes", "/data/a", 0, 1, NEVER), Step("bytes", "/data/a", 600, 1, 2)),
    (Step("bytes", "/data/below/b", 0, 2_000, NEVER), Step("bytes", "/data/below/a", 1_024, 1, NEVER)),
]
"""Checkers that look at files sector by sector."""

HARD: dict[str, list[Item]] = {
    "a rename over a name waits for the data": [
        *(Create(6, DATA, "c"), Write(6, 0, b"n" * 600), Rename(6, DATA, "c", DATA, "a", OLD)),
    ],
    "what a shrink discarded is not exposed": [Write(OLD, 600, b"x" * 50), Truncate(OLD, 0), Truncate(OLD, 700)],
    "what a shrink discarded, in a sector that nobody wrote to again": [
        *(Truncate(OLD, 100), Fsync(BELOW), Truncate(OLD, 900), Write(OLD, 0, b"x" * 10)),
    ],
    "a shrink between appends": [Write(OLD, 700, b"x" * 400), Truncate(OLD, 300), Write(OLD, 300, b"y" * 300)],
    "data that a failed sync let go, behind later data": [
        *(Write(OLD, 700, b"A"), Write(OLD, 701, b"B"), Write(OLD, 351, b"C"), FailedSync(OLD, 5), Fsync(OLD)),
    ],
    "dropped data under a durable shrink": [
        *(Write(OLD, 100, b"x" * 500), FailedSync(OLD, 5), Truncate(OLD, 150), Fsync(OLD), Truncate(OLD, 400)),
    ],
    "a size that shows what a failed sync let go": [
        *(Truncate(OLD, 100), FailedSync(OLD, 5), Truncate(OLD, 400)),
    ],
    "a shrink that another file's sync commits": [
        *(Write(OLD, 600, b"x" * 50), Truncate(OLD, 620), Create(6, DATA, "c"), Fsync(6), Truncate(OLD, 680)),
    ],
    "a new folder, moved, then a file in it synced": [
        *(Mkdir(6, DATA, "c"), Create(7, 6, "a"), Rename(6, DATA, "c", BELOW, "c"), Write(7, 0, b"x"), Fsync(7)),
    ],
    "a folder put over an empty one": [
        *(Mkdir(6, DATA, "b"), Mkdir(7, DATA, "c"), Create(8, 6, "a"), Rename(6, DATA, "b", DATA, "c", 7)),
        *(Write(8, 0, b"x"), Fsync(8)),
    ],
    "two folders exchanged": [
        *(Mkdir(6, DATA, "b"), Create(7, 6, "c"), Rename(6, DATA, "b", DATA, "below", BELOW, True)),
        *(Rename(EMPTY, BELOW, "b", DATA, "a", OLD), Fsync(DATA)),
    ],
    "a folder and a file exchanged, then moved into one another": [
        *(Rename(OLD, DATA, "a", DATA, "below", BELOW, True), Mkdir(6, DATA, "b")),
        *(Rename(BELOW, DATA, "a", 6, "c"), Rename(OLD, DATA, "below", BELOW, "a")),
    ],
    "written to after the last name went": [
        *(
            Write(OLD, 700, b"x" * 20),
            Unlink(OLD, DATA, "a"),
            Write(OLD, 720, b"y" * 400),
            Fsync(OLD),
            Truncate(OLD, 5),
        ),
    ],
    "written to under a name that another file took": [
        *(Create(6, DATA, "c"), Write(6, 0, b"n" * 40), Rename(6, DATA, "c", DATA, "a", OLD), Write(OLD, 0, b"late")),
        *(Fsync(OLD), Write(OLD, 700, b"later"), Fsync(DATA), Write(OLD, 705, b"last")),
    ],
    "the same inode under a second name, unlinked from the first": [
        *(Link(OLD, BELOW, "c"), Write(OLD, 700, b"x" * 90), Unlink(OLD, DATA, "a"), Fsync(OLD), Truncate(OLD, 650)),
    ],
    "two files share the names of one another": [
        *(Link(OLD, BELOW, "a"), Rename(OLD, BELOW, "a", BELOW, "b", EMPTY), Write(EMPTY, 0, b"x"), Fsync(BELOW)),
    ],
}


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "process"])
@pytest.mark.parametrize("trace", HARD)
def test_hard_traces_agree_with_brute_force(trace: str, name: str) -> None:
    rules = with_sector_tears(PROFILES[name])
    items = [item for item in HARD[trace] if rules.failed_sync == "drop-clean" or not isinstance(item, FailedSync)]
    assert_agrees(items, rules, PIECEMEAL)


@QUICK
@given(traces(with_sector_tears(PROFILES["strict"]), 9))
def test_the_old_blocks_that_a_reader_sees_are_those_of_brute_force(drawn: list[Item]) -> None:
    """`harness.durability.on_disk` follows one file and its syncs only; the naive disk tries to know everything."""
    naive = NaiveDisk(base_image(), with_sector_tears(PROFILES["strict"]))
    items = [item for item in drawn if not isinstance(item, Evict) and getattr(item, "begun", None) is None]
    for position, item in enumerate(items):
        naive.feed(position, item)
    for ino in {ino for _, ino, node in naive.live.walk() if isinstance(node, File)}:
        before, now = base_image().nodes.get(ino), naive.live.nodes[ino]
        assert isinstance(now, File)
        disk = Durable(ino, before.data if isinstance(before, File) else b"").after(items)
        change = evicted(ino, now, disk)
        blocks = [(at, block) for at, block in naive.old_blocks(ino) if now.read(at, len(block)) != block]
        assert (list(change.pieces) if change is not None else []) == blocks
        if not any(isinstance(item, FailedSync) for item in items):
            back = reverted(ino, now, disk)
            reached = naive.live if back is None else naive.live.apply(back)
            assert reached.nodes[ino].data == naive.durable_content(ino)  # type: ignore[union-attr]  # a File


AFTER: dict[str, list[Item]] = {
    "nothing": [],
    "a retry that returns 0": [Fsync(OLD)],
    "a later write into the same sector": [Write(OLD, 1_000, b"c" * 40), Fsync(OLD)],
    "a later append": [Write(OLD, 1_100, b"c" * 40), Fsync(OLD)],
    "a shrink": [Truncate(OLD, 800), Fsync(OLD)],
    "a second failure": [Write(OLD, 1_000, b"c" * 40), FailedSync(OLD, 5), Fsync(OLD)],
}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("name", ["strict", "ext4", "xfs", "ext3", "ext4-journal", "btrfs", "freebsd-ufs"])
def test_after_a_failed_sync_the_engine_agrees_with_brute_force(name: str, after: str) -> None:
    rules = with_sector_tears(PROFILES[name])
    failing: list[Item] = [Write(OLD, 650, b"a" * 150), Write(OLD, 900, b"b" * 200)]
    naive = NaiveDisk(base_image(), rules)
    for position, item in enumerate(failing := [*failing, FailedSync(OLD, 5, rules.failed_sync)]):
        naive.feed(position, item)
    observed: list[list[Item]] = [[]]
    if rules.failed_sync == "revert":
        observed = [[Revert(OLD, 700, ((0, naive.durable_content(OLD)),))]]
    elif rules.failed_sync != "stay-dirty":
        blocks = naive.old_blocks(OLD)
        observed += [[Evict(OLD, tuple(blocks))], [Evict(OLD, tuple(blocks[:1]))], [Evict(OLD, tuple(blocks[1:]))]]
    follow = [FailedSync(OLD, 5, rules.failed_sync) if isinstance(item, FailedSync) else item for item in AFTER[after]]
    for seen in observed:
        assert_agrees([*failing, *seen, *follow], rules)
