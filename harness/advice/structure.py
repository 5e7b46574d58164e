"""Structural advice: what a trace alone tells, without anybody who could judge a disk.

At a mark the world learns something and may rely on it. So the advice asks for more than a contract would: that at each
mark everything that happened before is durable. What need not be (a removed temporary file, a cache) is named as well;
whoever knows the program decides. Exact all the same: an operation is named if and only if a power cut at the mark may
lose some of it under the profile.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from harness.advice.advice import AddedSync
from harness.advice.examination import Chosen, Demand, variant_of
from harness.advice.placement import Placement, Sync, line_at, placements, syncs
from harness.advice.smallest import smallest
from harness.advice.survey import Place, in_words, survey
from harness.advice.variant import Durable, Story, durable_from
from harness.disk import DiskImage
from harness.durability.crash_states import CrashState, CrashStates
from harness.durability.missing import missing_operations
from harness.durability.profiles import Profile
from harness.durability.units import UnitId
from harness.trace import Mark, Trace, describe

TELLING: Final = frozenset({"acknowledged", "effect", "printed", "observed"})
"""Marks after which the world relies on what came before."""

Told = tuple[str, str]
"""(operation in words, its line)."""


class MarkDebt(msgspec.Struct, frozen=True):
    """A mark, and the operations before it that a power cut there may lose."""

    mark: str
    position: int
    operations: tuple[Told, ...]


class TraceAdvice(msgspec.Struct, frozen=True):
    """`missing` makes everything durable at each of `marks` marks but what `unmendable` names; `superfluous`: syncs
    without which the same is durable at each mark."""

    name: str
    profile: str
    marks: int
    debts: tuple[MarkDebt, ...]
    missing: tuple[AddedSync, ...]
    unmendable: tuple[Told, ...]
    superfluous: tuple[Sync, ...]
    smallest: bool = True


def story_of(trace: Trace, folders: Sequence[str]) -> Story:
    """The trace on a disk that had only `folders`, or on what it says itself was there before.

    ValueError where it touches something that nobody made.
    """
    base = DiskImage.with_folders(*folders) if trace.program is None else DiskImage.made_by(trace.base)
    image = base
    for position, item in enumerate(trace.items):
        try:
            image = image.apply(item)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"item {position} ({describe(item)}) is about something that is neither in {', '.join(folders)} nor "
                "made in the trace: name the folders that were there before with --folder"
            ) from error
    return Story(base, trace.items, trace.sources)


def explain_trace(name: str, story: Story, rules: Profile) -> TraceAdvice:
    """What is not durable at the marks of the story, and the smallest set of syncs that makes it so."""
    at = [index for index, item in enumerate(story.items) if isinstance(item, Mark) and item.kind in TELLING]
    pending = _pending_at(story, rules, at)
    places = placements(story.items, story.sources)
    durable = {place: durable_from(story, rules, variant_of(story, (place,))) for place in places}
    demands: set[Demand] = set()
    hopeless: dict[Told, None] = {}
    for position, units in pending.items():
        for unit in units:
            killers = _before(durable, unit, 2 * position + 1)
            if killers:
                demands.add(Demand(Chosen(), killers))
            else:
                hopeless.setdefault(_told(story, rules, position, (unit,))[0])
    known = survey(story)
    solution = smallest(sorted(demands, key=lambda demand: sorted(demand.any_of)), known.executions)
    chosen = solution.chosen if solution is not None else Chosen()
    return TraceAdvice(
        name,
        rules.name,
        len(at),
        tuple(
            MarkDebt(describe(story.items[position]), position, tuple(_told(story, rules, position, units)))
            for position, units in pending.items()
            if units
        ),
        tuple(_added(place, known.placements[place]) for place in sorted(chosen)),
        tuple(hopeless),
        _superfluous(story, rules, chosen, at),
        solution is None or solution.smallest,
    )


def _pending_at(story: Story, rules: Profile, positions: Sequence[int]) -> dict[int, tuple[UnitId, ...]]:
    """The units that are pending when the item at each position happens."""
    walk = CrashStates(story.base, rules)
    wanted = set(positions)
    found: dict[int, tuple[UnitId, ...]] = {}
    for position, item in enumerate(story.items):
        if position in wanted:
            found[position] = tuple(unit.id for unit in walk.disk.units.values())
        walk.feed(position, item)
    return found


def _before(durable: Mapping[Placement, Durable], unit: UnitId, moment: int) -> Chosen:
    """The placements that make the unit durable by then."""
    return frozenset(place for place, since in durable.items() if since.get(unit, moment + 1) <= moment)


def _told(story: Story, rules: Profile, position: int, units: Sequence[UnitId]) -> list[Told]:
    state = CrashState(rules.name, position, tuple(units))
    missing = missing_operations(story.base, story.items, state)
    return [(words, str(line_at(story.sources, at))) for at, words in missing]


def _added(placement: Placement, place: Place) -> AddedSync:
    return AddedSync(placement, in_words(placement, place), tuple(place.paths), place.executions)


def _superfluous(story: Story, rules: Profile, chosen: Chosen, at: Sequence[int]) -> tuple[Sync, ...]:
    def durable_at_marks(without: tuple[Sync, ...]) -> list[frozenset[UnitId]]:
        since = durable_from(story, rules, variant_of(story, chosen, without))
        return [frozenset(unit for unit, moment in since.items() if moment <= 2 * position + 1) for position in at]

    usual = durable_at_marks(())
    there = syncs(story.base, story.items, story.sources)
    return tuple(sync for sync in sorted(there) if durable_at_marks((sync,)) == usual)
