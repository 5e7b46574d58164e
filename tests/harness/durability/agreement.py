"""What it means that the engine agrees with the naive disk: the same images, counts and verdicts, each image once."""

from collections import Counter
from collections.abc import Iterable, Sequence

from drawn_checkers import Step, check
from drawn_traces import base_image
from naive_disk import NaiveDisk

from harness.disk import DiskImage, File
from harness.durability.crash_states import CrashStates, KillPoint
from harness.durability.legality import image_of, legal_under
from harness.durability.profiles import PROFILES, Profile, with_sector_tears
from harness.durability.trees import state_key
from harness.trace import Item

Identity = tuple[tuple[str, int, int | str], ...]

Checker = tuple[Step, ...]


def fresh_identity(image: DiskImage) -> Identity:
    """The identity of the bytes themselves: no key that the engine put together is believed."""
    return DiskImage(
        {ino: File(node.data) if isinstance(node, File) else node for ino, node in image.nodes.items()}
    ).identity()


def assert_agrees(items: list[Item], profile: Profile, checkers: Sequence[Checker] = ()) -> None:
    """The states of a death after `items`, counted, listed and checked in both ways."""
    naive = NaiveDisk(base_image(), profile)
    walk = CrashStates(base_image(), profile)
    for position, item in enumerate(items):
        naive.feed(position, item)
        walk.feed(position, item)
        walk.at().legal  # noqa: B018  # asked at every point, as an explorer does
    sets = [naive.image(chosen) for chosen in naive.down_sets()]
    cuts = naive.byte_cuts() if profile.tear == "byte" else []
    expected = {image.identity(): image for image in [*sets, *cuts]}

    point = walk.at()
    assert point.legal == len(sets) + len(cuts)
    assert point.exhaustive
    found: dict[Identity, tuple[int, ...]] = {}
    for number, (state, image) in enumerate(point.states()):
        identity = fresh_identity(image)
        assert identity not in found, "an image was listed twice"
        found[identity] = image.state_key
        assert image.state_key == state_key(DiskImage(image.nodes)), "the key put together is not the key of the bytes"
        if number < 32 or number % 16 == 0:
            assert fresh_identity(image_of(base_image(), items, state)) == identity
    assert set(found) == set(expected)
    assert (point.distinct, point.distinct_exact) == (len(expected), True)
    assert len(set(found.values())) == len(found)

    assert_everything_is_observable(walk.at(), set(expected))
    for checker in checkers:
        assert_verdicts_agree(items, walk.at(), [*sets, *cuts], checker)
    assert_legality(items, profile, set(expected), sets[:8])


def assert_everything_is_observable(point: KillPoint, expected: set[Identity]) -> None:
    """To who reads everything, every image is a state of its own."""
    observed: list[Identity] = []
    states = point.observable()
    for _, image in states:
        states.read(ino for _, ino, node in image.walk() if isinstance(node, File))
        observed.append(fresh_identity(image))
    assert len(set(observed)) == len(observed)
    assert set(observed) == expected
    assert states.exhaustive


def assert_verdicts_agree(items: list[Item], point: KillPoint, images: Sequence[DiskImage], checker: Checker) -> None:
    """A checker that runs on observable states only sees, and says, what it does on all legal ones, and as often.

    `images`: one for each legal state. Told of its looks the engine splits as finely as they are, told of files only it
    splits by files; both are exact, and the first never needs more runs.
    """
    expected = Counter((done.seen, done.verdict) for done in (check(image, checker) for image in images))
    runs: list[int] = []
    for by_file in (False, True):
        found: set[tuple[object, str]] = set()
        states = point.observable()
        for _, image in states:
            done = check(image, checker)
            states.read([look if isinstance(look, int) else look[0] for look in done.looks] if by_file else done.looks)
            found.add((done.seen, done.verdict))
        assert found == set(expected)
        assert states.exhaustive
        assert len(found) <= states.yielded <= point.distinct
        counted: Counter[tuple[object, str]] = Counter()
        for state, count in states.stand_for():
            done = check(image_of(base_image(), items, state), checker)
            counted[done.seen, done.verdict] += count
        assert counted == expected
        runs.append(states.yielded)
    assert runs[0] <= runs[1]


def assert_legality(items: list[Item], profile: Profile, legal: set[Identity], images: Iterable[DiskImage]) -> None:
    """Whether an image is legal is told alike, also of those that only a weaker file system leaves."""
    for image in images:
        assert legal_under(base_image(), items, len(items), image, profile) is True
    weaker = NaiveDisk(base_image(), with_sector_tears(PROFILES["ext2"]))
    for position, item in enumerate(items):
        weaker.feed(position, item)
    if len(weaker.pending()) <= 7:
        for chosen in weaker.down_sets()[::5]:
            image = weaker.image(chosen)
            assert legal_under(base_image(), items, len(items), image, profile) is (image.identity() in legal)
