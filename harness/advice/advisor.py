"""From a scenario to advice: all of its workloads examined, the smallest set found, each sync asked what it is for."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from harness.advice.advice import PANEL, AddedSync, Advice, PresentSync
from harness.advice.crew import Crew
from harness.advice.examination import Chosen, Examined, joined
from harness.advice.placement import Placement, Sync
from harness.advice.search import search
from harness.advice.superfluity import Removal
from harness.advice.survey import Place, Survey, in_words
from harness.advice.workshop import AdviceWorkshop, Done, Piece
from harness.clock import machine_seconds
from harness.explore.recording import AnyScenario
from harness.gate.interruption import asked, listening

_SECTORS: Final = "in workloads that write much, a write stops at sectors here: `harness run` tries every byte"

GLANCE: Final = 64
"""Disks of each kill-point that demands are made of before a set is tried on all of them."""

Say = Callable[[str], None]
"""Takes one line of progress."""


class Request(msgspec.Struct, frozen=True):
    """What is asked. No `workloads` means all. `budget_s`: seconds in all; `removal` False leaves out which syncs buy
    nothing. `local`: the scenario lives in this process only."""

    profiles: tuple[str, ...] = ("strict",)
    panel: tuple[str, ...] = PANEL
    workloads: tuple[str, ...] = ()
    seed: int = 0
    bound: int = 65_536
    budget_s: float | None = None
    workers: int = 1
    removal: bool = True


class Advisor:
    """One request about one scenario."""

    def __init__(self, scenario: AnyScenario, request: Request, say: Say) -> None:
        self.request: Final = request
        self.advice: Final = Advice(
            scenario=scenario.reference or scenario.name,
            profiles=request.profiles,
            panel=tuple(dict.fromkeys((*request.profiles, *request.panel))),
            workloads=request.workloads or tuple(scenario.workloads()),
        )
        self._scenario: Final = scenario
        self._say: Final = say
        self._began: Final = machine_seconds()
        self._survey: Final = Survey()
        self._runs_in: Final[dict[Sync, list[str]]] = {}
        self._unmodelled: Final[dict[str, set[str]]] = {}
        self._idle: Final[set[str]] = set()

    def run(self) -> Advice:
        """Everything that was asked for. Ctrl-C ends it early."""
        advice, request = self.advice, self.request
        workers = min(request.workers, len(advice.workloads))
        workshop = AdviceWorkshop({self._scenario.reference: self._scenario})
        with listening(), Crew(workers, workshop) as crew:
            try:
                chosen = self._missing(crew)
                if request.removal and not advice.errors and not asked():
                    self._tell_apart(crew, chosen)
            except KeyboardInterrupt:
                advice.interrupted = True
            advice.interrupted |= asked()
        if advice.interrupted:
            advice.complete = advice.verified = False
        for workload in sorted(self._idle):
            advice.complete = False
            advice.notes.append(f"{workload}: the subject did no I/O on the simulated disk: nothing was asked")
        for name, there in self._unmodelled.items():
            advice.complete &= name not in request.profiles
            listed = ", ".join(sorted(there))
            advice.notes.append(
                f"{name} does not model what the failed syncs of {listed} leave behind: not asked there"
            )
        advice.wall_s = machine_seconds() - self._began
        return advice

    # -- what is missing -----------------------------------------------------------------------------------------

    def _missing(self, crew: Crew) -> Chosen:
        advice = self.advice
        found = search(
            lambda chosen: self._examine(crew, chosen, self.request.bound),
            self._survey.executions,
            self._stopped,
            glance=lambda chosen: self._examine(crew, chosen, min(GLANCE, self.request.bound)),
        )
        advice.counted = all(examined.complete for examined in found.first)
        for examined in found.first:
            advice.violations += examined.violations
            advice.complaints += [one for one in examined.complaints if one not in advice.complaints]
            advice.lacking += [one for one in examined.lacking if one not in advice.lacking]
        if found.contradiction:
            advice.notes.append("no set of syncs meets all demands: each that was tried breaks something else")
        advice.unmendable = joined(one for examined in found.last for one in examined.unmendable)
        advice.smallest = found.smallest
        advice.complete = found.complete and not found.contradiction
        advice.verified = found.verified and not advice.errors
        advice.missing = [self._added(place, ()) for place in sorted(found.chosen)]
        return found.chosen

    def _examine(self, crew: Crew, chosen: Chosen, bound: int) -> list[Examined]:
        workloads = self.advice.workloads
        doing = f"verified with {len(chosen)} added" if chosen else "examined"
        came: dict[str, Done] = {}

        def piece(workload: str) -> Piece | None:
            return self._piece(workload, profiles=self.request.profiles, chosen=chosen, bound=bound)

        for done in crew.each(workloads, piece):
            self._take(done)
            came[done.workload] = done
            self._progress(f"{len(came)} of {len(workloads)} workloads {doing}")
        in_order = [came[name] for name in workloads if name in came]  # whoever was done first
        if not self._survey.placements:
            for done in in_order:
                self._survey.add(done.survey)
                for sync in done.survey.syncs:
                    self._runs_in.setdefault(sync, []).append(done.workload)
        return [examined for done in in_order for examined in done.examined]

    # -- what each sync is for -----------------------------------------------------------------------------------

    def _tell_apart(self, crew: Crew, chosen: Chosen) -> None:
        """Each sync taken away under each profile, workload after workload, until it is seen to matter."""
        advice = self.advice
        syncs: list[Sync | Placement] = [*sorted(chosen), *sorted(self._survey.syncs)]
        found: list[Removal] = []
        looked: set[str] = set()

        def piece(workload: str) -> Piece | None:
            settled = {(one.sync, one.profile) for one in found if one.outcome == "matters"}
            open_ones = tuple(
                (name, tuple(sync for sync in syncs if (sync, name) not in settled)) for name in advice.panel
            )
            open_ones = tuple((name, left) for name, left in open_ones if left)
            return self._piece(workload, chosen=chosen, removed=open_ones) if open_ones and not self._over() else None

        for count, done in enumerate(crew.each(advice.workloads, piece), 1):
            self._take(done)
            found += done.removals
            if done.complete and not done.error:
                looked.add(done.workload)
            self._progress(f"syncs taken away in {count} of {len(advice.workloads)} workloads")
        by_sync = {sync: [one for one in found if one.sync == sync] for sync in syncs}
        whole = len(looked) == len(advice.workloads)
        if not whole and any(not self._settled(by_sync[sync]) for sync in syncs):
            advice.notes.append(
                "not every sync was taken away in every workload: what is left is told as unknown "
                "(more --budget, or fewer workloads)"
            )
        advice.missing = [self._added(place, by_sync[place], whole) for place in sorted(chosen)]
        advice.syncs = [self._present(sync, by_sync[sync], whole) for sync in sorted(self._survey.syncs)]

    def _settled(self, found: Sequence[Removal]) -> bool:
        return {one.profile for one in found if one.outcome == "matters"} == set(self.advice.panel)

    def _added(self, placement: Placement, found: Sequence[Removal], whole: bool = False) -> AddedSync:
        place = self._survey.placements.get(placement, Place())
        matters, nothing, unknown = self._under(found, whole, self.advice.workloads)
        text = in_words(placement, place)
        return AddedSync(placement, text, tuple(place.paths), place.executions, matters, nothing, unknown)

    def _present(self, sync: Sync, found: Sequence[Removal], whole: bool) -> PresentSync:
        place = self._survey.syncs[sync]
        workloads = tuple(sorted(self._runs_in.get(sync, ())))
        matters, nothing, unknown = self._under(found, whole, workloads)
        return PresentSync(sync, tuple(place.paths), place.executions, workloads, matters, nothing, unknown)

    def _under(
        self, found: Sequence[Removal], whole: bool, workloads: Sequence[str]
    ) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
        """Profiles under which a sync matters, buys nothing, and those for which that is not settled."""
        matters: dict[str, str] = {}
        for one in found:
            if one.outcome == "matters":
                matters.setdefault(one.profile, one.complaint)
        doubtful = {one.profile for one in found if one.outcome == "unknown"}
        doubtful |= {name for name, there in self._unmodelled.items() if not there.isdisjoint(workloads)}
        rest = [name for name in self.advice.panel if name not in matters]
        unknown = tuple(name for name in rest if not whole or name in doubtful)
        return (
            {name: matters[name] for name in self.advice.panel if name in matters},
            tuple(name for name in rest if name not in unknown),
            unknown,
        )

    # -- pieces --------------------------------------------------------------------------------------------------

    def _piece(
        self,
        workload: str,
        *,
        chosen: Chosen,
        profiles: tuple[str, ...] = (),
        removed: tuple[tuple[str, tuple[Sync | Placement, ...]], ...] = (),
        bound: int | None = None,
    ) -> Piece:
        request = self.request
        return Piece(
            self._scenario.reference,
            workload,
            request.seed,
            profiles,
            chosen,
            removed,
            bound or request.bound,
            self._left_s(),
        )

    def _take(self, done: Done) -> None:
        advice = self.advice
        advice.restarts += done.restarts
        if done.sector_tears and _SECTORS not in advice.notes:
            advice.notes.append(_SECTORS)
        if done.idle:
            self._idle.add(done.workload)
        for name in done.unmodelled:
            self._unmodelled.setdefault(name, set()).add(done.workload)
        if done.error and done.error not in advice.errors:
            advice.errors.append(done.error)

    def _left_s(self) -> float | None:
        if self.request.budget_s is None:
            return None
        return max(0.0, self.request.budget_s - (machine_seconds() - self._began))

    def _over(self) -> bool:
        return self._left_s() == 0.0

    def _stopped(self) -> bool:
        return asked() or self._over()

    def _progress(self, text: str) -> None:
        self._say(f"{text} ({machine_seconds() - self._began:.0f} s)")


def advise(scenario: AnyScenario, request: Request, say: Say = lambda _: None) -> Advice:
    """Advice for one scenario."""
    return Advisor(scenario, request, say).run()
