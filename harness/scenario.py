"""What a subject gives to be explored: how it boots, what happens to it, what can be seen of it, what it owes.

A `Scenario` joins three parties. The *subject* is the program under test; it lives in a process that can die. The
*world* is everything outside that process (a telephony provider, a client); it survives each death and remembers. The
*contract* is the list of guarantees; each one looks at a `Case` (what the world knows, what the recovered subject
shows) and returns the violations it finds.

The way of one case: the harness records `boot` + `steps` once; for each kill-point and crash state it restores the
world as it was at that moment, boots the subject on that disk, lets `observe` look (phase "restarted"), lets
`settle` run (redelivery, time) and looks again ("settled"), kills it once more and looks a third time ("again"):
safety first, then settling, then idempotence (DESIGN, section 4, rules 6 and 7).

Methods may be plain functions or coroutines; coroutines run on a virtual-time loop. Nothing here knows a file system.
"""

import enum
import inspect
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from harness.faults import FaultPlan
from harness.ledger import Ledger
from harness.trace import Scalar
from harness.verdict import Violation

T = TypeVar("T")
MaybeAwaitable: TypeAlias = T | Awaitable[T]


class Run(Protocol):
    """The harness, as a scenario sees it during one life of the subject."""

    @property
    def ledger(self) -> Ledger:
        """What the world knows so far, earlier lives included."""

    @property
    def seed(self) -> int:
        """The run's seed: all randomness of the world comes from it."""

    def now(self) -> float:
        """Virtual seconds since the epoch."""

    def mark(self, kind: str, event: str = "", **detail: Scalar) -> None:
        """Something became visible outside the process (`harness.trace.MARK_KINDS`)."""

    def probe(self, name: str) -> None:
        """A rare thing happened that a run must have seen."""

    def note(self, text: str) -> None:
        """The subject said something (a log line): shown beside the operations when a case is replayed."""

    def lift_faults(self) -> None:
        """The injected faults end here: space is back, the disk answers again."""


class World:
    """The outside: survives the subject's deaths. This one is empty; scenarios with a memory outside derive from it.

    `version` must grow with every change, so that the harness knows when to take a `snapshot`. A snapshot is any value
    that later changes of the world do not touch (a tuple, pickled bytes); the same process restores it, many times.

    A snapshot of plain values can be kept in a bundle, from which `harness judge` restores it. `stored_bytes_are_data`: it
    may hold bytes as well, because `restore` reads them without running what they say (msgspec, JSON; never pickle).
    """

    version: int = 0
    stored_bytes_are_data: ClassVar[bool] = False

    def attach(self, run: Run) -> None:
        """A new life of the subject begins; `run` is the harness from now on."""

    def snapshot(self) -> object:
        return None

    def restore(self, snapshot: Any) -> None:
        """Become what `snapshot` was; what was in flight then has been cut off by the death."""


WorldT = TypeVar("WorldT", bound=World)
SubjectT = TypeVar("SubjectT")
StateT = TypeVar("StateT")


class Phase(enum.StrEnum):
    """When the judge looks."""

    CLEAN = "clean"  # the end of a run without any death, after settling
    RESTARTED = "restarted"  # right after a restart
    SETTLED = "settled"  # faults lifted, redelivered, time has passed
    AGAIN = "again"  # after one more kill and restart of the settled subject


class Case(msgspec.Struct, Generic[WorldT, StateT], frozen=True):
    """What the judge gets. `observed` is None when the subject did not come up (`failure` says how).

    `previous` is what was observed before the latest death without loss (phase AGAIN: the settled state; phase
    RESTARTED after a process death: nothing). `ledger` holds the marks up to now, `at_death` those before the death.
    `fault_fired`: an injected error hit this history before the death.
    """

    phase: Phase
    ledger: Ledger
    at_death: Ledger
    world: WorldT
    observed: StateT | None
    previous: StateT | None = None
    failure: str | None = None
    now: float = 0.0
    fault_fired: bool = False


class Guarantee(msgspec.Struct, frozen=True):
    """One promise of the contract: a name, the sentence a failure quotes, the phases it holds in, and its judge."""

    name: str
    sentence: str
    judge: Callable[[Case], list[Violation]]  # type: ignore[type-arg]  # a contract is written for one scenario's types
    phases: frozenset[Phase] = frozenset(Phase)


class Action(msgspec.Struct, frozen=True):
    """One thing a random history may do: `arguments` name Hypothesis strategies, `do(run, world, subject, **drawn)`.

    Drawn values must be plain JSON values: they are saved in the repro.
    """

    name: str
    do: Callable[..., MaybeAwaitable[None]]
    arguments: dict[str, object] = msgspec.field(default_factory=dict)


class Facet(msgspec.Struct, frozen=True):
    """One thing that a seeded bug does wrong: a catalogue id, and what a finding of it looks like.

    `verdicts` are those that may name it; `fault`, `operation` and `summary` are globs on those of the finding ("" for the
    fault: a finding without any). Where one mechanism hides another, the summary tells them apart.
    """

    id: str
    verdicts: tuple[str, ...]
    fault: str = "*"
    operation: str = "*"
    summary: str = "*"


class SeededBug(msgspec.Struct, frozen=True):
    """A known bug put back into a subject, to test the harness by what it must catch (DESIGN, section 4, rule 12).

    `build` makes the scenario with the buggy subject; contract, world and workloads stay those of the correct one.
    `expected` is the verdict that must show. `workloads` are tried first (all of them follow). A bug with `facets` is
    caught when each of them has shown as a finding of its own. `number` is its place in the catalogue, by which lists
    are sorted (0: it has none); several bugs may show different faces of one number. `profiles`: durability profiles
    that it is hunted under beside those of the run, where only another file system brings it out.
    """

    id: str
    group: str
    source: str
    trigger: str
    expected: str
    build: "Callable[[], Scenario[Any, Any, Any]]"
    workloads: tuple[str, ...] = ()
    facets: tuple[Facet, ...] = ()
    number: int = 0
    profiles: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands in a list: by its number, those without one at the end."""
        return (self.number or sys.maxsize, self.id)


class Scenario(Generic[WorldT, SubjectT, StateT]):
    """A subject and its surroundings. Derive, fill in `boot`, `steps`, `observe`, `contract`; the rest has defaults.

    `name` is how reports and the command line call it. `folders` exist, empty and durable, before the first boot.
    `probes` are the rare things a complete run must have seen at least once. `restart_after_s` is how long the
    machine is down.
    """

    name: ClassVar[str] = ""
    folders: ClassVar[tuple[str, ...]] = ("/data",)
    probes: ClassVar[frozenset[str]] = frozenset()
    restart_after_s: ClassVar[float] = 1.0
    observed_alive: ClassVar[bool] = True
    """False where `observe` only makes sense after a restart: the living subject is then never looked at."""
    recovery_depth: ClassVar[int] = 1
    """How many deaths in a row hit recoveries: 1 is a death during the recovery from the first one."""
    double_faults: ClassVar[bool] = False
    """True: recoveries meet failing calls as well, and every failing call is followed by a second one. Bounded."""
    has_boot: ClassVar[bool] = True
    """False where there is nothing to start: `boot` is not called, and the subject is None."""
    reference: str = ""
    """How the harness finds this scenario again (a name, `module:Class`, `file.py::test`); set by whoever loads it."""

    def workloads(self) -> Sequence[str]:
        """Names of the recorded runs; the first argument of `world` and `steps`."""
        return ("steps",)

    def fault_workloads(self) -> Sequence[str]:
        """Those among `workloads` that the operation x errno sweep runs (all of them by default)."""
        return self.workloads()

    def rehearsals(self) -> Sequence[str]:
        """Further recorded runs that are judged at their living end only: their crash states are those of workloads."""
        return ()

    def history_workloads(self) -> Sequence[str]:
        """Starting points of random histories: only `world` (and `plan`) of these is used, their `steps` are not run."""
        return self.workloads()[:1]

    def world(self, run: Run, workload: str) -> WorldT:
        """The outside, before anything happened."""
        raise NotImplementedError(f"{type(self).__name__}.world: only a World subclass without state has a default")

    def boot(self, run: Run, world: WorldT) -> MaybeAwaitable[SubjectT]:
        """Start (or restart) the subject on the disk as it is. An exception means that it does not come up."""
        raise NotImplementedError(f"{type(self).__name__} has no boot()")

    def plan(self, workload: str) -> FaultPlan | None:
        """Faults that belong to this workload itself (a disk that fills up); None for none."""
        return None

    def steps(self, run: Run, world: WorldT, subject: SubjectT, workload: str) -> MaybeAwaitable[SubjectT | None]:
        """The workload. An exception that it lets out under an injected fault counts as told.

        A workload that stops and restarts its subject by itself returns the new one.
        """
        raise NotImplementedError(f"{type(self).__name__} has no steps()")

    def observe(self, run: Run, world: WorldT, subject: SubjectT) -> MaybeAwaitable[StateT]:
        """What can be seen of the subject from outside. Must change nothing."""
        raise NotImplementedError(f"{type(self).__name__} has no observe()")

    def settle(self, run: Run, world: WorldT, subject: SubjectT) -> MaybeAwaitable[None]:
        """Redeliver, let time pass until everything due has fired."""
        return None

    def stop(self, run: Run, world: WorldT, subject: SubjectT) -> MaybeAwaitable[None]:
        """An orderly shutdown, used by histories that restart without a death."""
        return None

    def contract(self) -> Sequence[Guarantee]:
        raise NotImplementedError(f"{type(self).__name__} has no contract()")

    def bugs(self) -> Sequence[SeededBug]:
        """Known bugs of this subject, each of which the harness must catch."""
        return ()

    def actions(self) -> Sequence[Action]:
        """What random histories may do beyond time, faults and deaths; none means no histories."""
        return ()


async def resolved(value: MaybeAwaitable[T]) -> T:
    """Await what a scenario's method returned, if it has to be awaited."""
    if inspect.isawaitable(value):
        return await value
    return value
