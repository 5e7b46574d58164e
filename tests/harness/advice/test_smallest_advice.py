"""Advice for random small programs against trying every set of syncs, under every profile.

A program keeps one or two files: it makes each under its name or under another one that is renamed, syncs what it likes,
and acknowledges. Whoever was told of a file finds it whole.
"""

import itertools
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.advice.examination import Chosen, examine
from harness.advice.judged_story import Complaint, JudgedStory, Seen
from harness.advice.placement import Placement, placements
from harness.advice.search import search
from harness.advice.survey import survey
from harness.advice.variant import Story
from harness.disk import DiskImage
from harness.durability.crash_states import CrashStates
from harness.durability.litmus_programs import DATA, base_with, content_of
from harness.durability.profiles import PROFILES, profile
from harness.durability.state import CrashState
from harness.trace import Create, Fsync, Item, Mark, Rename, Source, Write

DISKS = [name for name, rules in PROFILES.items() if rules.medium == "disk" and rules.sync_persists]


def content(number: int) -> bytes:
    return bytes([65 + number]) * 8


@st.composite
def stories(draw: st.DrawFn) -> Story:
    one_function = draw(st.booleans())  # the same lines for both files
    items: list[Item] = []
    sources: list[Source] = []

    def step(item: Item, line: int, number: int) -> None:
        items.append(item)
        sources.append(Source("keep.py", line if one_function else 100 * number + line))

    for number in range(draw(st.integers(1, 2))):
        ino, renamed = 3 + number, draw(st.booleans())
        step(Create(ino, DATA, f"tmp{number}" if renamed else f"file{number}"), 1, number)
        if draw(st.booleans()):
            step(Fsync(DATA), 2, number)
        step(Write(ino, 0, content(number)), 3, number)
        if draw(st.booleans()):
            step(Fsync(ino), 4, number)
        if renamed:
            step(Rename(ino, DATA, f"tmp{number}", DATA, f"file{number}"), 5, number)
        if draw(st.booleans()):
            step(Fsync(draw(st.sampled_from([DATA, ino]))), 6, number)
        step(Mark("acknowledged", str(number)), 7, number)
    return Story(base_with(), items, sources)


def told_before(items: Iterable[Item]) -> frozenset[int]:
    return frozenset(int(item.event) for item in items if isinstance(item, Mark))


def is_whole(image: DiskImage, told: frozenset[int]) -> bool:
    return all(content_of(image, f"file{number}") == content(number) for number in told)


def judged(story: Story) -> JudgedStory:
    told = [told_before(story.items[:position]) for position in range(len(story.items) + 1)]

    def judge(position: int, state: CrashState, image: DiskImage) -> Seen:
        complaint = Complaint("lost", "a file is whole", f"at {position}")
        return Seen(() if is_whole(image, told[position]) else (complaint,), tuple(image.nodes))

    return JudgedStory("keep", story, judge, lambda position, _: told[position])


def holds(story: Story, name: str, chosen: Iterable[Placement]) -> bool:
    """By walking the trace in which the syncs really are."""
    places = placements(story.items, story.sources)
    walk = CrashStates(story.base, profile(name))
    told: list[Item] = []
    fed = 0
    for position in range(len(story.items) + 1):
        if not all(is_whole(image, told_before(told)) for _, image in walk.at().states()):
            return False
        here = [Fsync(one.ino) for place in chosen for one in places[place] if one.position == position]
        for item in [*here, *story.items[position : position + 1]]:
            walk.feed(fed, item)
            fed += 1
        told += story.items[position : position + 1]
    return True


def never() -> bool:
    return False


@settings(max_examples=60, deadline=None)
@given(stories(), st.sampled_from(DISKS))
def test_the_advised_set_mends_and_no_smaller_one_does(story: Story, name: str) -> None:
    known = survey(story)
    told = judged(story)
    found = search(
        lambda chosen: [examine(told, profile(name), chosen, bound=65_536, stop=never)], known.executions, never
    )
    assert found.verified
    assert holds(story, name, found.chosen)
    for size in range(len(found.chosen)):
        for fewer in itertools.combinations(placements(story.items, story.sources), size):
            assert not holds(story, name, fewer), (fewer, found.chosen)


def test_a_sync_that_would_spare_a_later_one_its_work_is_not_advised() -> None:
    """ext4: the sync of b commits the rename of a, but only as long as b has something to commit (rule 9)."""
    items: list[Item] = [
        Create(4, DATA, "tmp0"),
        Write(4, 0, content(0)),
        Fsync(4),
        Write(3, 0, b"b"),
        Rename(4, DATA, "tmp0", DATA, "file0"),
        Fsync(3),
        Mark("acknowledged", "0"),
    ]
    story = Story(base_with(b=b""), items, [Source("keep.py", line) for line in range(1, 8)])
    told = judged(story)
    tried = frozenset(place for place in placements(items, story.sources) if place.line.line == 4)
    assert examine(told, profile("ext4"), Chosen(), bound=65_536, stop=never).violations == 0
    spoiled = examine(told, profile("ext4"), tried, bound=65_536, stop=never)
    assert spoiled.violations
    assert {demand.given for demand in spoiled.demands} == {tried}
    assert {place.line.line for demand in spoiled.demands for place in demand.any_of} == {5}
