"""A virtual-time asyncio event loop.

Modelled: tasks, futures, timers and everything built on them (sleep, wait_for, timeout, Event, Lock, Queue, gather,
TaskGroup). The loop never waits: when nothing is ready the clock jumps to the next timer. What is ready at the same
time runs in an order drawn from the seed, within what asyncio promises (`_drawn`).

Not modelled: sockets, pipes, subprocesses, signals, executors, other threads: each raises `NotVirtual`, which names
the mounted frontend. Tasks are held by the loop until they end, so a task that a subject forgot to hold is not lost
to the garbage collector here. The exception handler of a subject is not told of tasks whose exception nobody
retrieved (`unhandled` is). With an eager task factory a death passes through the creating task first.

Prior art: looptime and trio's MockClock with an autojump threshold of zero; trio draws the order of tasks as well.
"""

import asyncio
import collections
import heapq
import threading
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any, Final, TypeVar

from harness.clock.burial import bury
from harness.clock.outside import outside_of_this_world, refuse
from harness.clock.wall import VirtualClock

_Result = TypeVar("_Result")

_MASK: Final = (1 << 64) - 1
_SWEEP_FLOOR: Final = 64
"""Cancelled timers that may pile up before the heap is rebuilt without them."""


class LoopStalled(RuntimeError):
    """Every task waits for something that will never come, or still waits when the loop's patience is over."""


class SubjectSpins(BaseException):
    """Callbacks run on and on while no virtual time passes."""


@outside_of_this_world
class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop on `clock`. About 20 µs to make, nothing to release but by `kill` (or `close`).

    `seed` draws the order of what is ready at once. `step_limit`: callbacks without virtual time moving before
    `SubjectSpins`. `patience`: virtual seconds that one `run_until_complete` may take before `LoopStalled`: a subject
    with a periodic timer never runs out of timers.
    """

    # private in asyncio, the same in 3.11 to 3.14
    _ready: "collections.deque[Any]"
    _scheduled: list[Any]
    _closed: bool
    _stopping: bool
    _thread_id: int | None
    _timer_cancelled_count: int

    def __init__(
        self, clock: VirtualClock, *, seed: int = 0, step_limit: int = 100_000, patience: float = 7 * 86_400.0
    ) -> None:
        super().__init__()
        self._clock = clock
        self._now = clock.now
        self._clock_resolution = 0.0
        self._dice = _mixed(seed)
        self._step_limit = step_limit
        self._patience = patience
        self._steps = 0
        self._steps_at = clock.now()
        self._horizon: float | None = None
        self._settling = False
        self._task_count = 0
        self._live: dict[asyncio.Task[Any], None] = {}
        self._failed: list[asyncio.Task[Any]] = []
        self._reported: list[BaseException] = []
        self._yielded: list[tuple[int, int]] = []
        self._dead = False

    # --- time and order -------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Virtual seconds since the epoch."""
        return self._now()

    def call_soon(  # type: ignore[override]  # typeshed spells the arguments with a TypeVarTuple
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if self._closed:
            raise RuntimeError("Event loop is closed")
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def create_task(
        self,
        coro: Generator[Any, None, _Result] | Coroutine[Any, Any, _Result],
        *,
        name: object = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[_Result]:
        # the names of asyncio come from a counter of the process: a log that shows them would differ between runs
        self._task_count += 1
        label = f"task-{self._task_count}" if name is None else str(name)
        task = super().create_task(coro, name=label, context=context, **options)
        if task.done():
            self._ended(task)
        else:
            self._live[task] = None
        return task

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0]._cancelled:
            self._drop_timer()
        if not ready and not self._stopping:
            if self._nothing_before_horizon():
                self._stopping = True
                return
            self._clock.advance_to(scheduled[0]._when)
        if scheduled and scheduled[0]._when <= self._now():
            self._collect_due(scheduled[0]._when)
        if len(ready) == 1:
            if self._yielded:
                self._yielded.clear()
            self._step(ready.popleft())
        else:
            self._run_batch()
        at = self._now()
        if at != self._steps_at:
            self._steps_at = at
            self._steps = 0
        elif self._steps > self._step_limit:
            raise SubjectSpins(
                f"more than {self._step_limit} callbacks while no virtual time passed, in {self._waiting()}: "
                "look for a loop that polls with sleep(0), or raise step_limit"
            )

    def _nothing_before_horizon(self) -> bool:
        """Nothing is ready: True to return (settling), False when there is a timer to jump to, else LoopStalled."""
        horizon = self._horizon
        if self._scheduled and (horizon is None or self._scheduled[0]._when <= horizon):
            return False
        if self._settling:
            return True
        if not self._scheduled:
            raise LoopStalled(f"every task waits for something that will never come: {self._waiting()}")
        raise LoopStalled(
            f"not done after {self._patience:g} virtual seconds: {self._waiting()}; raise patience if due"
        )

    def _drop_timer(self) -> None:
        self._timer_cancelled_count = max(0, self._timer_cancelled_count - 1)
        heapq.heappop(self._scheduled)._scheduled = False

    def _timer_handle_cancelled(self, handle: Any) -> None:
        if not handle._scheduled:
            return
        self._timer_cancelled_count += 1
        if self._timer_cancelled_count > _SWEEP_FLOOR and self._timer_cancelled_count * 2 > len(self._scheduled):
            # in place: a running _run_once holds the list; the handle itself counts as cancelled only after this
            self._scheduled[:] = [timer for timer in self._scheduled if not timer._cancelled]
            heapq.heapify(self._scheduled)
            self._timer_cancelled_count = 1

    def _collect_due(self, when: float) -> None:
        """Move the timers of one instant to the ready queue; those of later instants keep their distance."""
        while self._scheduled and self._scheduled[0]._when == when:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False
            if timer._cancelled:
                self._timer_cancelled_count = max(0, self._timer_cancelled_count - 1)
            else:
                self._ready.append(timer)

    def _run_batch(self) -> None:
        batch = self._drawn()
        self._ready.clear()
        self._yielded.clear()
        for at, handle in enumerate(batch):
            try:
                self._step(handle)
            except BaseException:
                # what did not run yet is still due, should the caller go on
                self._ready.extendleft(reversed(batch[at + 1 :]))
                self._yielded.clear()
                raise

    def _drawn(self) -> list[Any]:
        """The ready handles in a random order that keeps what asyncio promises.

        Kept: the order of plain `call_soon` callbacks; the order of the callbacks of one future, the wake-up of the
        task that awaits it among them; and a task that only yields (`sleep(0)`) goes on after what it
        scheduled before. Free: first steps of tasks, wake-ups by different futures, timers due at one instant.
        """
        handles = list(self._ready)
        draws: list[int] = []
        for _ in handles:
            self._dice = (self._dice * 6364136223846793005 + 1442695040888963407) & _MASK
            draws.append(self._dice >> 32)
        chains: dict[object, list[int]] = {}
        for place, handle in enumerate(handles):
            chain = _chain(handle)
            if chain is not None:
                chains.setdefault(chain, []).append(place)
        for places in chains.values():
            if len(places) > 1:
                for place, draw in zip(places, sorted(draws[place] for place in places), strict=True):
                    draws[place] = draw
        for first, last in self._yielded:
            draws[last] = max(draws[first : last + 1])
        return [handles[place] for place in sorted(range(len(handles)), key=lambda place: (draws[place], place))]

    def _step(self, handle: Any) -> None:
        if handle._cancelled:
            return
        self._steps += 1
        callback = handle._callback
        before = len(self._ready)
        try:
            handle._context.run(callback, *handle._args)
        except (Exception, asyncio.CancelledError) as error:
            self.call_exception_handler(
                {"message": f"Exception in callback {callback!r}", "exception": error, "handle": handle}
            )
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            if owner.done():
                self._ended(owner)
            elif len(self._ready) - before > 1:
                last = self._ready[-1]
                if getattr(last._callback, "__self__", None) is owner and not last._args:
                    self._yielded.append((before, len(self._ready) - 1))

    # --- ends -----------------------------------------------------------------------------------------------------

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._live.pop(task, None)
        error: BaseException | None = task._exception  # exception() would mark it as retrieved
        if error is None or task.cancelled():
            return
        if not isinstance(error, Exception):
            task.exception()  # retrieved: it leaves through run_*
            raise error
        if len(self._failed) >= _SWEEP_FLOOR:
            self._failed = [other for other in self._failed if _unretrieved(other)]
        self._failed.append(task)

    @property
    def unhandled(self) -> list[BaseException]:
        """What background tasks and callbacks raised and nobody awaited, so far."""
        errors = [error for task in self._failed if _unretrieved(task) and (error := task._exception) is not None]
        return errors + [error for error in self._reported if not any(error is other for other in errors)]

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._reported.append(error if error is not None else RuntimeError(str(context.get("message"))))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._dead:
            return  # finalisers of a dead process: nobody is there to be told
        handler = self.get_exception_handler()
        if handler is None:
            self.default_exception_handler(context)
            return
        try:
            handler(self, context)
        except Exception as error:
            self._reported.append(error)

    def _waiting(self) -> str:
        """The live tasks, by name, with the line at which each waits."""
        return ", ".join(f"{task.get_name()} ({_place(task)})" for task in self._live) or "no task"

    # --- running --------------------------------------------------------------------------------------------------

    def run_until_complete(self, future: Any) -> Any:
        """Run until `future` is done; its result. Raises LoopStalled when that cannot come, or not within `patience`.

        A BaseException of any callback or task (the death of the process) leaves at once.
        """
        outer = self._horizon, self._settling
        self._horizon, self._settling = self.time() + self._patience, False
        try:
            return super().run_until_complete(future)
        finally:
            self._horizon, self._settling = outer

    def run_until_idle(self, horizon: float) -> None:
        """Run what is ready and what falls due up to `horizon` (seconds since the epoch), that instant included.

        Afterwards the clock stands at the last thing that happened.
        """
        self._horizon, self._settling = horizon, True
        try:
            self.run_forever()
        finally:
            self._horizon, self._settling = None, False

    def run_for(self, seconds: float) -> None:
        """Let `seconds` pass, with all that falls due in them; afterwards the clock stands at their end."""
        until = self.time() + seconds
        self.run_until_idle(until)
        self._clock.advance_to(until)

    def kill(self) -> None:
        """The process dies: its tasks go without running another line, and nothing is reported about them.

        Call it while the dead process' frozen kernel is the active one (see `harness.clock.burial` for what may still
        run). Idempotent; the loop is closed afterwards.
        """
        if self._dead:
            return
        self._dead = True
        tasks = list(self._live)
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own switch
        self._live.clear()
        self._failed.clear()
        self._reported.clear()
        self._ready.clear()
        self._scheduled.clear()
        bury(coroutine for task in tasks if (coroutine := task.get_coro()) is not None)  # type: ignore[misc]
        self.close()

    # --- outside of this world ------------------------------------------------------------------------------------

    def call_soon_threadsafe(  # type: ignore[override]  # as call_soon
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if self._thread_id not in (None, threading.get_ident()):
            refuse("call_soon_threadsafe from another thread")
        return self.call_soon(callback, *args, context=context)


def _chain(handle: Any) -> object | None:
    """What a ready handle keeps its order with: the plain callbacks, those of one future, or nothing."""
    if isinstance(handle, asyncio.TimerHandle):
        return None
    args = handle._args
    if args and len(args) == 1 and isinstance(args[0], asyncio.Future):
        return id(args[0])
    if isinstance(getattr(handle._callback, "__self__", None), asyncio.Task):
        return None
    return "plain"


def _unretrieved(task: asyncio.Task[Any]) -> bool:
    return bool(task._log_traceback)  # what asyncio's own report goes by


def _place(task: asyncio.Task[Any]) -> str:
    coroutine: Any = task.get_coro()
    name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
    while (inner := getattr(coroutine, "cr_await", None)) is not None and getattr(inner, "cr_frame", None) is not None:
        coroutine = inner
    frame = getattr(coroutine, "cr_frame", None)
    return name if frame is None else f"{name} at {frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"


def _mixed(seed: int) -> int:
    """A 64-bit state; neighbouring seeds must not begin alike (finaliser of splitmix64, Steele et al., OOPSLA'14)."""
    state = (seed + 0x9E3779B97F4A7C15) & _MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 31)
