"""What the violations of one story demand: of which placements at least one must be chosen.

A violating state lacks some units. A sync takes the state away exactly when it makes one of these durable before the
moment of the death; whether it does is read off one walk of the trace with that sync in it, under the rules of the
profile. So each violating state is a *demand*: a set of placements, each of which takes it away.

No demand is made where it would be in vain: at a moment at which the same guarantee is broken by a state that no sync takes
away, and for a disk that could be found before any sync could return, with the same things known to the world.

A demand may hold only together with syncs that were tried (`given`): under `commit-together` a sync can spare a later
one the work that committed something else, so that adding it brings a new violation.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from harness.advice.judged_story import Class, Complaint, JudgedStory
from harness.advice.placement import Placement, Sync, line_at, placements, syncs
from harness.advice.sweep import Coverage, Violating, violations
from harness.advice.variant import AS_RECORDED, Durable, Stop, Story, Variant, durable_from, is_alive
from harness.durability.missing import missing_operations
from harness.durability.profiles import Profile, profile
from harness.durability.units import UnitId
from harness.trace import Source

Chosen = frozenset[Placement]


class Demand(msgspec.Struct, frozen=True):
    """With all of `given` in the program, one of `any_of` must be as well."""

    given: Chosen
    any_of: Chosen

    def met_by(self, chosen: Chosen) -> bool:
        return not self.given <= chosen or not self.any_of.isdisjoint(chosen)


_NONE: Final = Demand(Chosen(), Chosen())


class Unmendable(msgspec.Struct, frozen=True):
    """A violation that no sync takes away, and why; the first of `count` disks of its kind."""

    workload: str
    profile: str
    complaint: Complaint
    kill_point: int
    why: str
    source: str = ""
    count: int = 1

    @property
    def kind(self) -> tuple[str, str, str]:
        """Verdict, guarantee, and the line that issued what is lost."""
        return (*self.complaint.guarantee_broken, self.source)


def joined(found: Iterable[Unmendable]) -> list[Unmendable]:
    """One for each kind."""
    kinds: dict[tuple[str, str, str], Unmendable] = {}
    for one in found:
        known = kinds.get(one.kind)
        count = one.count if known is None else known.count + one.count
        kinds[one.kind] = msgspec.structs.replace(known or one, count=count)
    return list(kinds.values())


class Examined(msgspec.Struct):
    """What one sweep of one story came to. `violations` counts classes of disks, mendable or not.

    `complaints`: one for each verdict and guarantee; `lacking`: the operations that had not reached the disk, each
    with its line, first seen first.
    """

    workload: str
    profile: str
    violations: int = 0
    demands: list[Demand] = msgspec.field(default_factory=list)
    unmendable: list[Unmendable] = msgspec.field(default_factory=list)
    complaints: list[Complaint] = msgspec.field(default_factory=list)
    lacking: list[tuple[str, str]] = msgspec.field(default_factory=list)
    complete: bool = True


class Trials:
    """When units become durable with one sync added: one walk for each placement asked about."""

    def __init__(self, story: Story, rules: Profile) -> None:
        self.story: Final = story
        self.rules: Final = rules
        self.places: Final = placements(story.items, story.sources)
        self.recorded: Final = durable_from(story, rules, AS_RECORDED)
        self._with: dict[Placement, Durable] = {}
        self._asked: dict[tuple[int, tuple[UnitId, ...]], Demand] = {}

    def demand(self, one: Violating, chosen: Chosen) -> Demand:
        """What this state demands; of a state that a chosen sync by itself should have taken away, with all of them."""
        name = (one.moment, one.state.missing)
        if name not in self._asked:
            killers = self.killers(one, Chosen())
            if killers & chosen or not is_alive(self.recorded, one.moment, one.state.missing):
                self._asked[name] = Demand(chosen, self.killers(one, chosen))
            else:
                self._asked[name] = Demand(Chosen(), killers)
        return self._asked[name]

    def killers(self, one: Violating, beside: Chosen) -> Chosen:
        """The placements that take this state away, each added to those of `beside`."""
        return frozenset(
            place for place in self.places if not is_alive(self._durable(place, beside), one.moment, one.state.missing)
        )

    def _durable(self, place: Placement, beside: Chosen) -> Durable:
        if beside:
            return durable_from(self.story, self.rules, variant_of(self.story, {*beside, place}))
        if place not in self._with:
            self._with[place] = durable_from(self.story, self.rules, variant_of(self.story, (place,)))
        return self._with[place]


def variant_of(story: Story, chosen: Iterable[Placement], removed: Iterable[Sync] = ()) -> Variant:
    """The story with these syncs added, and these of its own taken away."""
    places = placements(story.items, story.sources)
    added: dict[int, tuple[int, ...]] = {}
    for place in sorted(chosen):
        for occurrence in places.get(place, ()):
            there = added.get(occurrence.position, ())
            if occurrence.ino not in there:
                added[occurrence.position] = (*there, occurrence.ino)
    gone = syncs(story.base, story.items, story.sources)
    return Variant(added, frozenset(position for sync in removed for position in gone.get(sync, ())))


def examine(judged: JudgedStory, rules: Profile, chosen: Chosen, *, bound: int, stop: Stop) -> Examined:
    """Sweep the story with `chosen` added, and tell what its violations demand."""
    story = judged.story
    examined = Examined(judged.name, rules.name)
    covered = Coverage()
    trials: Trials | None = None
    demands: dict[Chosen, Demand] = {}
    hopeless: list[Unmendable] = []
    unmendable: set[Class] = set()
    found = violations(judged, rules, variant_of(story, chosen), covered, bound=bound, stop=stop)
    for _, group in itertools.groupby(found, key=lambda one: one.moment):
        trials = trials or Trials(story, rules)
        asking: list[tuple[Violating, Demand]] = []
        broken: set[tuple[str, str]] = set()
        for one in group:
            examined.violations += 1
            _note_complaints(examined, one)
            demand = trials.demand(one, chosen) if one.owed and one.kind not in unmendable else _NONE
            if demand.any_of or demand.given:
                asking.append((one, demand))
            else:
                unmendable.add(one.kind)
                broken.update(complaint.guarantee_broken for complaint in one.complaints)
                _note_unmendable(hopeless, examined, story, one)
        for one, demand in asking:
            if demand.any_of not in demands and not {owed.guarantee_broken for owed in one.owed} <= broken:
                demands[demand.any_of] = demand
                if not demand.given:
                    _note_lacking(examined, story, one)
    examined.complete = covered.complete
    examined.demands = _sharpest(demands.values())
    examined.unmendable = joined(hopeless)
    return examined


def _sharpest(demands: Iterable[Demand]) -> list[Demand]:
    """Without those that another one implies: a demand for one of two is met where one of the two is demanded."""
    kept: list[Demand] = []
    for demand in sorted(demands, key=lambda one: (len(one.given), len(one.any_of), sorted(one.any_of))):
        if not any(one.given <= demand.given and one.any_of <= demand.any_of for one in kept):
            kept.append(demand)
    return kept


def _note_complaints(examined: Examined, one: Violating) -> None:
    for complaint in one.complaints:
        if all(complaint.guarantee_broken != known.guarantee_broken for known in examined.complaints):
            examined.complaints.append(complaint)


def _note_lacking(examined: Examined, story: Story, one: Violating) -> None:
    for position, words in missing_operations(story.base, story.items, one.state)[:1]:
        lacking = (words, _place(story.sources, position))
        if lacking not in examined.lacking:
            examined.lacking.append(lacking)


def _note_unmendable(found: list[Unmendable], examined: Examined, story: Story, one: Violating) -> None:
    state = one.state
    why, source = _why(story, one)
    for complaint in one.complaints:
        found.append(Unmendable(examined.workload, examined.profile, complaint, state.position, why, source))


def _why(story: Story, one: Violating) -> tuple[str, str]:
    """Why no sync can help, and the line that issued what is lost ("" where nothing is)."""
    state = one.state
    if state.profile == "process":
        return "the process died and the disk lost nothing: a sync is no help against kill -9", ""
    if not profile(state.profile).sync_persists:
        return f"under {state.profile} a sync makes nothing durable", ""
    if not one.owed:
        return (
            "it is so too when everything that had happened is on the disk: it was acknowledged before it was written, "
            "an error was ignored, or the recovery is wrong",
            "",
        )
    position, words = missing_operations(story.base, story.items, state)[0]
    source = _place(story.sources, position)
    return (
        f"the death comes right after {source} issued it ({words}), before any sync can return: replace the file by "
        "a rename, or let the recovery tell a torn write from a whole one",
        source,
    )


def _place(sources: Sequence[Source | None], position: int) -> str:
    return str(line_at(sources, position))
