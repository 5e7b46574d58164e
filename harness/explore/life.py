"""One life of a subject: a process on a simulated disk, from its boot to its death.

A life owns a kernel (the volatile file system above one disk image), a virtual-time loop and the ledger as it grows.
It is what a scenario knows as its `Run`. Outside of `session()` nothing is redirected and no clock is frozen.

Not modelled: two processes of the subject alive at the same time.
"""

import asyncio
import contextlib
import gc
import inspect
import itertools
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import GeneratorType
from typing import Any, Final, Generic, TypeVar, cast

from harness.clock import LoopStalled, NotVirtual, SubjectSpins, VirtualClock, VirtualLoop
from harness.disk import DiskImage
from harness.faults import FaultPlan, Injector
from harness.frontends.simulated import ClosedWorldError, Kernel, ProcessDied, Redirection, SubjectHung
from harness.frontends.simulated.kernel import running
from harness.ledger import Ledger
from harness.own_lines import place_of
from harness.scenario import MaybeAwaitable, Scenario, StateT, SubjectT, WorldT
from harness.trace import Mark, Scalar, Trace

EPOCH_S: Final = 1_767_225_600.0
"""Where virtual time starts: 2026-01-01T00:00:00Z."""

CALL_LIMIT: Final = 200_000
"""Calls of one life after which a subject counts as hung: a retry loop without an end."""

FAULTY_CALL_LIMIT: Final = 20_000
"""The same where calls fail: retrying for ever is common there, and each such run costs all these calls."""

ResultT = TypeVar("ResultT")


class SubjectBroke(Exception):
    """The subject raised where it must not; `failure` is the sentence for the reader."""

    def __init__(self, failure: str, hung: bool = False) -> None:
        super().__init__(failure)
        self.failure = failure
        self.hung = hung


class WorldEscape(Exception):
    """The subject did something the simulated world cannot see; names the call and what to use instead."""


@contextlib.contextmanager
def session() -> Iterator[None]:
    """Redirect file calls and freeze time for a stretch of many lives: entering costs milliseconds, a life does not."""
    collecting = gc.isenabled()
    with VirtualClock.shared(), Redirection.shared(), _loops_are_virtual(), _finalisers_fail_in_silence():
        # A collection in the middle of a life would run late finalisers at an arbitrary place: it comes between lives
        # (`_bury`), and what is there already is frozen, so that it costs only what the lives left behind.
        gc.disable()
        gc.freeze()
        try:
            yield
        finally:
            gc.unfreeze()
            if collecting:
                gc.enable()


LIVES_PER_COLLECTION: Final = 256
LITTER_MOST: Final = 10_000
"""Objects that lives may leave behind before they are looked through, however few lives that were."""

_buried = itertools.count(1)


def _bury() -> None:
    """Collect the cycles of dead lives (tasks, frames, loops) now and then: they are large, and nobody else does.

    Almost always only what is new: what a sweep keeps would be looked through again each time.
    """
    number = next(_buried)
    if number % LIVES_PER_COLLECTION == 0:
        gc.collect(2 if number % (16 * LIVES_PER_COLLECTION) == 0 else 0)
    elif gc.get_count()[0] > LITTER_MOST:
        gc.collect(0)


@contextlib.contextmanager
def _finalisers_fail_in_silence() -> Iterator[None]:
    """A finaliser that meets an injected error, a second thread that was refused: Python has nobody to tell but the
    screen, and telling it reads source files, which the closed world takes for the subject's doing. The refusal itself
    is kept by the kernel."""
    real, real_of_threads = sys.unraisablehook, threading.excepthook
    sys.unraisablehook, threading.excepthook = _ignore, _ignore
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = real, real_of_threads


def _ignore(_: object) -> None:
    return None


@contextlib.contextmanager
def _loops_are_virtual() -> Iterator[None]:
    """A subject that calls `asyncio.run` by itself gets a loop on the virtual clock, not one that waits for real."""
    real = asyncio.events.new_event_loop

    def new_event_loop() -> VirtualLoop:
        return VirtualLoop(VirtualClock.shared(), seed=running.kernel.seed if running.kernel is not None else 0)

    asyncio.events.new_event_loop = new_event_loop
    asyncio.new_event_loop = new_event_loop
    try:
        yield
    finally:
        asyncio.events.new_event_loop = real
        asyncio.new_event_loop = real


class Life(Generic[WorldT, SubjectT, StateT]):
    """One life; implements `harness.scenario.Run`.

    `at` is the virtual time of its boot, `ledger` what the world knew before. `trace` continues an older trace (after
    a process death, where pending writes stay pending); `die_at` is a trace position at which the disk freezes.
    """

    def __init__(
        self,
        scenario: Scenario[WorldT, SubjectT, StateT],
        world: WorldT | None,
        image: DiskImage,
        *,
        at: float,
        seed: int,
        ledger: Ledger,
        plan: FaultPlan | None = None,
        trace: Trace | None = None,
        recording: bool = True,
        die_at: int | None = None,
        before_item: Callable[[int], None] | None = None,
        log_calls: bool = False,
        tracing_lines: bool = True,
        workload: str = "",
        probes: dict[str, int] | None = None,
    ) -> None:
        self.scenario = scenario
        self.clock = VirtualClock.shared()
        self.clock.set(at)
        self.injector = Injector(plan, sleep=self.clock.advance) if plan is not None else None
        self.kernel = Kernel(
            image,
            seed=seed,
            now=self.clock.now,
            injector=self.injector,
            trace=trace,
            recording=recording,
            die_at=die_at,
            call_limit=CALL_LIMIT if plan is None else FAULTY_CALL_LIMIT,
            before_item=before_item,
            log_calls=log_calls,
            tracing_lines=tracing_lines,
        )
        self._ledger = ledger
        self._seed = seed
        self._doomed = die_at is not None
        self._loop: VirtualLoop | None = None
        self.probes: dict[str, int] = probes if probes is not None else {}
        self.notes: list[tuple[int, str]] = []
        self.world: WorldT = world if world is not None else scenario.world(self, workload)
        self.world.attach(self)

    # What a scenario sees (harness.scenario.Run)

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    @property
    def seed(self) -> int:
        return self._seed

    def now(self) -> float:
        return self.clock.now()

    def mark(self, kind: str, event: str = "", **detail: Scalar) -> None:
        mark = Mark(kind, event, detail)
        self.kernel.mark(mark)
        self._ledger = self._ledger.then(mark)

    def probe(self, name: str) -> None:
        self.probes[name] = self.probes.get(name, 0) + 1

    def note(self, text: str) -> None:
        self.notes.append((len(self.kernel.trace), text))

    def lift_faults(self) -> None:
        if self.injector is not None:
            self.injector.lift()

    # What the explorer does with it

    @property
    def fault_fired(self) -> bool:
        return self.injector is not None and bool(self.injector.fired)

    def doom(self, position: int | None) -> None:
        """Die before the item at this trace position (None: live on). A death that nobody ordered breaks the subject."""
        self._doomed = position is not None
        self.kernel.set_death(position)

    def boot(self) -> SubjectT:
        if not self.scenario.has_boot:
            return cast(SubjectT, None)
        return self._perform("does not start", self.scenario.boot, self, self.world)

    def steps(self, subject: SubjectT, workload: str) -> SubjectT:
        """Run the workload; the subject that is alive afterwards."""
        again = self._perform("fails in its workload", self.scenario.steps, self, self.world, subject, workload)
        return subject if again is None else again

    def observe(self, subject: SubjectT) -> StateT:
        return self._perform("cannot be observed", self.scenario.observe, self, self.world, subject)

    def settle(self, subject: SubjectT) -> None:
        self._perform("fails while settling", self.scenario.settle, self, self.world, subject)

    def act(self, action: Callable[[], MaybeAwaitable[ResultT]], saying: str) -> ResultT:
        return self._perform(saying, action)

    def end(self) -> None:
        """The process is gone: nothing it still holds can touch the disk or the world."""
        if not self.kernel.frozen:
            self.kernel.freeze()
        if self._loop is not None:
            with self.kernel.activate():  # finalisers that run now meet a frozen disk, not the real one
                self._loop.kill()
            self._loop = None
        _bury()

    def _perform(self, saying: str, action: Callable[..., MaybeAwaitable[ResultT]], *given: object) -> ResultT:
        kernel = self.kernel
        try:
            before = kernel.begin()
            try:
                value = action(*given)
                if hasattr(value, "__await__") or (isinstance(value, GeneratorType) and inspect.isawaitable(value)):
                    if self._loop is None:
                        self._loop = VirtualLoop(self.clock, seed=self._seed)
                    value = self._loop.run_until_complete(_awaited(value))
                result: ResultT = value
                return result
            finally:
                kernel.end(before)
        except ProcessDied as error:
            if self._doomed:
                raise
            raise SubjectBroke(f"the subject {saying}: it ends itself by {error}") from error
        except (SubjectHung, SubjectSpins, LoopStalled) as error:
            raise SubjectBroke(f"the subject {saying}: {error}", hung=True) from error
        except (ClosedWorldError, NotVirtual) as error:
            raise WorldEscape(str(error)) from error
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:  # SystemExit, CancelledError, pytest.fail: the subject's end, not the harness'
            raise SubjectBroke(f"the subject {saying}: {_in_one_line(error)}") from error
        finally:
            if kernel.escapes:
                raise WorldEscape(kernel.escapes[0])


async def _awaited(value: Awaitable[ResultT]) -> ResultT:
    return await value


def _in_one_line(error: BaseException) -> str:
    """Type, message and the innermost line of the error: what a reader needs to find it."""
    message = str(error) or "without a message"
    return f"{type(error).__name__}: {message.splitlines()[0]}{place_of(error)}"


AnyLife = Life[Any, Any, Any]
