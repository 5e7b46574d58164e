"""The engine agrees with the naive disk on random short traces, under every profile: images and counts."""

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive_disk import NaiveDisk

from harness.disk import DiskImage, File, Folder
from harness.durability.crash_states import CrashStates
from harness.durability.legality import image_of, legal_under
from harness.durability.on_disk import Durable, evicted, reverted
from harness.durability.profiles import PROFILES, Profile, with_sector_tears
from harness.durability.trees import state_key
from harness.trace import (
    ROOT,
    Create,
    Evict,
    FailedSync,
    Fdatasync,
    Fsync,
    Item,
    Link,
    Mkdir,
    Rename,
    Revert,
    Rmdir,
    Symlink,
    SyncAll,
    Truncate,
    Unlink,
    Write,
)

DATA, BELOW, OLD, EMPTY = 2, 3, 4, 5
GROUPS = {
    "unordered": ("strict", "ext2", "freebsd-ufs", "apfs"),
    "metadata in order": ("ext4", "ext4-writeback", "xfs"),
    "data in order": ("ext3", "ext4-documented", "ext4-journal"),
    "btrfs": ("btrfs", "btrfs-documented"),
}


def base_image() -> DiskImage:
    image = DiskImage.with_folders("/data", "/data/below")
    image = image.apply(Create(OLD, DATA, "a")).apply(Write(OLD, 0, b"old!" * 175))
    return image.apply(Create(EMPTY, BELOW, "b"))


LENGTHS = (1, 100, 300, 512, 700)
NAMES = ("a", "b", "c")
KINDS = (
    *("write", "write", "write", "fsync", "fsync", "rename", "rename", "create", "unlink", "truncate", "datasync"),
    *("link", "mkdir", "symlink", "failed", "failed", "evict", "revert", "sync", "move", "rmdir"),
)


@st.composite
def traces(draw: st.DrawFn, profile: Profile, most: int) -> list[Item]:
    """Operations that fit the disk, at most `most` units of them pending at the end."""
    disk = NaiveDisk(base_image(), profile)
    items: list[Item] = []
    next_ino = 6
    for step in range(draw(st.integers(1, 9))):
        image = disk.live
        named = {(ino, name): child for ino in _folders(image) for name, child in _entries(image, ino).items()}
        files = sorted({ino for ino in named.values() if isinstance(image.nodes[ino], File)})
        folders = sorted(_folders(image))
        kind = draw(st.sampled_from(KINDS))
        item: Item | None = None
        free = [(folder, name) for folder in folders for name in NAMES if (folder, name) not in named]
        if kind == "write" and files:
            ino = draw(st.sampled_from(files))
            size = _size(image, ino)
            offset = draw(st.sampled_from((size, size, size // 2, 0, size + 200)))
            item = Write(ino, offset, bytes([65 + step]) * draw(st.sampled_from(LENGTHS)))
        elif kind == "truncate" and files:
            ino = draw(st.sampled_from(files))
            item = Truncate(ino, draw(st.sampled_from((0, 100, _size(image, ino) // 2, _size(image, ino) + 300))))
        elif kind == "fsync":
            begun = draw(st.sampled_from((None, None, None, max(0, step - 1))))
            item = Fsync(draw(st.sampled_from(files + folders)), begun)
        elif kind == "datasync" and files:
            item = Fdatasync(draw(st.sampled_from(files)))
        elif kind == "failed" and files:
            cache = draw(st.sampled_from((profile.failed_sync, profile.failed_sync, "untouched")))
            item = FailedSync(draw(st.sampled_from(files)), 5, cache)
        elif kind == "evict" and files:
            ino = draw(st.sampled_from(files))
            blocks = tuple(block for block in disk.old_blocks(ino) if draw(st.sampled_from((True, True, False))))
            item = Evict(ino, blocks) if blocks else None
        elif kind == "revert" and files and profile.failed_sync == "revert":
            ino = draw(st.sampled_from(files))
            content = disk.durable_content(ino)
            item = Revert(ino, len(content), ((0, content),) if content else ())
        elif kind == "sync":
            item = SyncAll()
        elif kind == "create" and free:
            item = Create(next_ino, *draw(st.sampled_from(free)))
        elif kind == "symlink" and free:
            item = Symlink(next_ino, *draw(st.sampled_from(free)), target="a")
        elif kind == "mkdir" and free:
            item = Mkdir(next_ino, *draw(st.sampled_from(free)))
        elif kind == "link" and free and files:
            item = Link(draw(st.sampled_from(files)), *draw(st.sampled_from(free)))
        elif kind == "unlink":
            places = [place for place, ino in sorted(named.items()) if ino in files]
            if places:
                place = draw(st.sampled_from(places))
                item = Unlink(named[place], *place)
        elif kind == "rmdir":
            places = [place for place, ino in sorted(named.items()) if ino in folders and not _entries(image, ino)]
            if places:
                place = draw(st.sampled_from(places))
                item = Rmdir(named[place], *place)
        elif kind in ("rename", "move"):
            item = draw(_renames(image, named, folders if kind == "move" else files, free))
        if item is None:
            continue
        if isinstance(item, Create | Mkdir | Symlink):
            next_ino += 1
        disk.feed(len(items), item)
        items.append(item)
        if len(disk.pending()) > most:
            return items[:-1]
    return items


@st.composite
def _renames(
    draw: st.DrawFn,
    image: DiskImage,
    named: dict[tuple[int, str], int],
    movable: list[int],
    free: list[tuple[int, str]],
) -> Item | None:
    sources = [place for place, ino in sorted(named.items()) if ino in movable]
    if not sources:
        return None
    place = draw(st.sampled_from(sources))
    ino = named[place]
    if isinstance(image.nodes[ino], Folder):
        targets = [target for target in free if target[0] not in _below(image, ino)]
        exchanged = False
    else:
        taken = [
            target for target, other in sorted(named.items()) if isinstance(image.nodes[other], File) and other != ino
        ]
        targets = free + taken + taken
        exchanged = draw(st.sampled_from((False, False, False, True)))
    if not targets:
        return None
    target = draw(st.sampled_from(targets))
    replaced = named.get(target)
    return Rename(ino, *place, *target, replaced, exchanged and replaced is not None)


def _folders(image: DiskImage) -> list[int]:
    return [ino for _, ino, node in image.walk() if isinstance(node, Folder) and ino != ROOT]


def _entries(image: DiskImage, ino: int) -> dict[str, int]:
    node = image.nodes[ino]
    assert isinstance(node, Folder)
    return node.entries


def _below(image: DiskImage, ino: int) -> set[int]:
    found = {ino}
    for child in _entries(image, ino).values():
        if isinstance(image.nodes[child], Folder):
            found |= _below(image, child)
    return found


def _size(image: DiskImage, ino: int) -> int:
    node = image.nodes[ino]
    assert isinstance(node, File)
    return node.size


Identity = tuple[tuple[str, int, int | str], ...]


def fresh_identity(image: DiskImage) -> Identity:
    """The identity of the bytes themselves: no key that the engine put together is believed."""
    return DiskImage(
        {ino: File(node.data) if isinstance(node, File) else node for ino, node in image.nodes.items()}
    ).identity()


def assert_agrees(items: list[Item], profile: Profile) -> None:
    naive = NaiveDisk(base_image(), profile)
    walk = CrashStates(base_image(), profile)
    for position, item in enumerate(items):
        naive.feed(position, item)
        walk.feed(position, item)
        walk.at().legal  # noqa: B018  # asked at every point, as an explorer does
    expected_sets = naive.down_sets()
    expected = {naive.image(chosen).identity() for chosen in expected_sets}

    point = walk.at()
    assert point.legal == len(expected_sets)
    assert point.exhaustive
    found: dict[Identity, tuple[int, ...]] = {}
    for state, image in point.states():
        identity = fresh_identity(image)
        assert identity not in found, "an image was listed twice"
        found[identity] = image.state_key
        assert image.state_key == state_key(DiskImage(image.nodes)), "the key put together is not the key of the bytes"
        assert fresh_identity(image_of(base_image(), items, state)) == identity
    assert set(found) == expected
    assert (point.distinct, point.distinct_exact) == (len(expected), True)
    assert len(set(found.values())) == len(found)

    observed = set()
    observable = walk.at().observable()
    for _, image in observable:
        observable.read(ino for _, ino, node in image.walk() if isinstance(node, File))
        observed.add(fresh_identity(image))
    assert observed == expected
    assert observable.exhaustive
    assert_legality(items, profile, expected, (naive.image(chosen) for chosen in expected_sets[:8]))


def assert_legality(items: list[Item], profile: Profile, legal: set[Identity], images: Iterable[DiskImage]) -> None:
    for image in images:
        assert legal_under(base_image(), items, len(items), image, profile) is True
    weaker = NaiveDisk(base_image(), with_sector_tears(PROFILES["ext2"]))
    for position, item in enumerate(items):
        weaker.feed(position, item)
    if len(weaker.pending()) <= 7:
        for chosen in weaker.down_sets()[::5]:
            image = weaker.image(chosen)
            expected = image.identity() in legal
            assert legal_under(base_image(), items, len(items), image, profile) is expected


QUICK = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
THOROUGH = settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("group", GROUPS)
def test_short_traces_agree_with_brute_force(group: str) -> None:
    profiles = [with_sector_tears(PROFILES[name]) for name in GROUPS[group]]

    @QUICK
    @given(st.data())
    def agree(data: st.DataObject) -> None:
        profile = data.draw(st.sampled_from(profiles))
        assert_agrees(data.draw(traces(profile, 7)), profile)

    agree()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PROFILES if name != "process"])
def test_longer_traces_agree_with_brute_force(name: str) -> None:
    profile = with_sector_tears(PROFILES[name])

    @THOROUGH
    @given(traces(profile, 10))
    def agree(items: list[Item]) -> None:
        assert_agrees(items, profile)

    agree()


HARD: dict[str, list[Item]] = {
    "a rename over a name waits for the data": [
        *(Create(6, DATA, "c"), Write(6, 0, b"n" * 600), Rename(6, DATA, "c", DATA, "a", OLD)),
    ],
    "what a shrink discarded is not exposed": [Write(OLD, 600, b"x" * 50), Truncate(OLD, 0), Truncate(OLD, 700)],
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
    "two files share the names of one another": [
        *(Link(OLD, BELOW, "a"), Rename(OLD, BELOW, "a", BELOW, "b", EMPTY), Write(EMPTY, 0, b"x"), Fsync(BELOW)),
    ],
}


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "process"])
@pytest.mark.parametrize("trace", HARD)
def test_hard_traces_agree_with_brute_force(trace: str, name: str) -> None:
    rules = with_sector_tears(PROFILES[name])
    items = [item for item in HARD[trace] if rules.failed_sync == "drop-clean" or not isinstance(item, FailedSync)]
    assert_agrees(items, rules)


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
