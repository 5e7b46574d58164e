"""A story with a judge who remembers: one restart for all disks that a restart cannot tell apart.

Recovery is deterministic, and what it has not read cannot matter (as in `harness.durability.observable`). So a verdict
is kept by what was read and what the answers were; it is found again in every variant of the story and under every
profile, whose crash states are mostly the same ones. Advice re-judges thousands of hypothetical traces for the price
of one sweep.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Final

import msgspec

from harness.advice.variant import Story
from harness.disk import DiskImage
from harness.durability.state import CrashState
from harness.durability.trees import CrashImage
from harness.explore.judging import ByPhase, SeenAgain, judge_restart
from harness.explore.recording import AnyScenario, Recording
from harness.explore.seen_restarts import SeenRestarts
from harness.explore.world_at import unattached_world


class Complaint(msgspec.Struct, frozen=True):
    """One violation, in the words of the judge."""

    verdict: str
    guarantee: str
    summary: str

    @property
    def guarantee_broken(self) -> tuple[str, str]:
        """What is broken, whoever it hits."""
        return (self.verdict, self.guarantee)


class Seen(msgspec.Struct, frozen=True):
    """What came of one disk: complaints, and the inodes whose content was read, in order."""

    complaints: tuple[Complaint, ...]
    reads: tuple[int, ...]


Judge = Callable[[int, CrashState, DiskImage], Seen]
"""(kill-point, state, its image) -> what came of it."""

Epoch = Callable[[int, str], Hashable]
"""(kill-point, profile) -> all that a verdict depends on beside the disk: ledger, world, clock."""


class Class:
    """Disks that no restart tells apart. `seen` is None until one of them was judged."""

    __slots__ = ("answers", "next", "seen")

    def __init__(self) -> None:
        self.next: int | None = None
        self.answers: dict[int, Class] = {}
        self.seen: Seen | None = None


class JudgedStory:
    """`judge` is asked once per class of disks and epoch; `judged` counts how often."""

    def __init__(self, name: str, story: Story, judge: Judge, epoch: Epoch) -> None:
        self.name: Final = name
        self.story: Final = story
        self.epoch: Final = epoch
        self.judged = 0
        self._judge: Final = judge
        self._roots: Final[dict[tuple[Hashable, int], Class]] = {}

    def look(self, position: int, state: CrashState, image: CrashImage) -> tuple[Class, Seen]:
        """The class of this disk at this kill-point, and its verdict."""
        root = (self.epoch(position, state.profile), image.state_key[0])
        node = self._roots.setdefault(root, Class())
        while node.seen is None and node.next is not None:
            node = node.answers.setdefault(image.state_key[node.next + 1], Class())
        if node.seen is None:
            seen = self._judge(position, state, image)
            self.judged += 1
            node = self._learn(self._roots[root], image, seen)
        assert node.seen is not None
        return node, node.seen

    def _learn(self, node: Class, image: CrashImage, seen: Seen) -> Class:
        for index in _indices(image, seen.reads):
            node.next = index
            node = node.answers.setdefault(image.state_key[index + 1], Class())
        node.seen = seen
        return node


def _indices(image: CrashImage, reads: Iterable[int]) -> list[int]:
    """What was read, as places in the image's list of files; what recovery made itself is no part of the disk."""
    place = {ino: index for index, ino in enumerate(image.files)}
    return [place[ino] for ino in dict.fromkeys(reads) if ino in place]


def of_recording(recording: Recording, contract: ByPhase) -> JudgedStory:
    """The story of a recorded workload, judged by restarting its subject. Use inside a `session()`."""
    scenario: AnyScenario = recording.scenario
    world = unattached_world(recording)
    known: SeenRestarts[SeenAgain] = SeenRestarts()

    def judge(position: int, state: CrashState, image: DiskImage) -> Seen:
        world.restore(recording.snapshot_at(position))
        whole = state.profile == "process" and position == recording.end and state.cut is None
        judged = judge_restart(
            scenario,
            contract,
            world,
            image,
            at=recording.time_at(position) + scenario.restart_after_s,
            seed=recording.seed,
            ledger=recording.ledger_at(position),
            previous=recording.observed if whole else None,
            fault_fired=bool(recording.fired),
            known=known,
        )
        told = [one.violation for one in judged.violations]
        return Seen(tuple(Complaint(one.verdict, one.guarantee, one.summary) for one in told), judged.reads)

    def epoch(position: int, profile_name: str) -> Hashable:
        last = profile_name == "process" and position == recording.end
        return (
            recording.ledger_at(position).key,
            recording.snapshot_index(position),
            recording.time_at(position),
            last,
        )

    story = Story(recording.base, recording.items, recording.sources, recording.began, recording.seed)
    return JudgedStory(recording.workload, story, judge, epoch)
