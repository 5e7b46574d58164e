"""Pieces of advice work that any process can do: a piece is data, and so is what comes of it.

A workload is recorded once in a process, and what its judge has seen is kept for all later pieces: give the pieces of
one workload to the same process.
"""

import functools
from typing import Final

import msgspec

from harness.advice.examination import Chosen, Examined, examine
from harness.advice.judged_story import JudgedStory, of_recording
from harness.advice.placement import Placement, Sync
from harness.advice.superfluity import Removal, removals
from harness.advice.survey import Survey, survey
from harness.advice.sweep import rules_for
from harness.clock import machine_seconds
from harness.durability.pending import UnmodelledPolicy
from harness.durability.profiles import profile
from harness.explore.judging import by_phase
from harness.explore.life import session
from harness.explore.recording import AnyScenario, record
from harness.gate.interruption import asked
from harness.own_lines import place_of
from harness.subjects import find_one
from harness.trace import Mark


class Piece(msgspec.Struct, frozen=True):
    """Work on one workload: with `removed`, those syncs are taken away in turn under the profiles named with each;
    without, its violations are examined under `profiles`. `seconds` ends it early."""

    scenario: str
    workload: str
    seed: int
    profiles: tuple[str, ...] = ()
    chosen: Chosen = frozenset()
    removed: tuple[tuple[str, tuple[Sync | Placement, ...]], ...] = ()
    bound: int = 65_536
    seconds: float | None = None


class Done(msgspec.Struct):
    """What came of a piece. `error` says why nothing did; `unmodelled`: profiles that cannot tell what a failed sync of
    the workload leaves behind."""

    workload: str
    survey: Survey = msgspec.field(default_factory=Survey)
    examined: list[Examined] = msgspec.field(default_factory=list)
    removals: list[Removal] = msgspec.field(default_factory=list)
    unmodelled: list[str] = msgspec.field(default_factory=list)
    error: str = ""
    restarts: int = 0
    sector_tears: bool = False
    idle: bool = False
    complete: bool = True


class AdviceWorkshop:
    """Scenarios and judged stories of one process, kept between pieces."""

    def __init__(self, scenarios: dict[str, AnyScenario] | None = None) -> None:
        self._scenarios: Final[dict[str, AnyScenario]] = dict(scenarios or {})
        self._stories: Final[dict[tuple[str, str, int], JudgedStory]] = {}

    def story(self, piece: Piece) -> JudgedStory:
        """Raises ValueError where the clean run of the workload fails."""
        key = (piece.scenario, piece.workload, piece.seed)
        if key not in self._stories:
            if piece.scenario not in self._scenarios:
                self._scenarios[piece.scenario] = find_one(piece.scenario)
            scenario = self._scenarios[piece.scenario]
            recording = record(scenario, piece.workload, piece.seed)
            if recording.failure is not None:
                raise ValueError(f"in a clean run, without any fault or death, {recording.failure}")
            self._stories[key] = of_recording(recording, by_phase(scenario.contract()))
        return self._stories[key]

    def perform(self, piece: Piece) -> Done:
        done = Done(piece.workload)
        try:
            with session():
                self._perform(piece, done)
        except Exception as error:
            done.error = f"{piece.workload}: {error}{place_of(error)}"
        return done

    def _perform(self, piece: Piece, done: Done) -> None:
        began = machine_seconds()

        def stop() -> bool:
            return asked() or (piece.seconds is not None and machine_seconds() - began > piece.seconds)

        judged = self.story(piece)
        before = judged.judged
        story = judged.story
        done.survey = survey(story)
        done.idle = all(isinstance(item, Mark) for item in story.items)
        done.sector_tears = any(rules_for(story, profile(name)) != profile(name) for name in piece.profiles)
        for name in piece.profiles:
            try:
                done.examined.append(examine(judged, profile(name), piece.chosen, bound=piece.bound, stop=stop))
            except UnmodelledPolicy:
                done.unmodelled.append(name)
        for name, syncs in piece.removed:
            if stop():
                done.complete = False
                break
            try:
                done.removals += removals(judged, profile(name), piece.chosen, syncs, bound=piece.bound, stop=stop)
            except UnmodelledPolicy:
                done.unmodelled.append(name)
        done.restarts = judged.judged - before


@functools.cache
def _workshop() -> AdviceWorkshop:
    return AdviceWorkshop()


def perform(piece: Piece) -> Done:
    """A piece in a worker process."""
    return _workshop().perform(piece)
