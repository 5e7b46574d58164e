"""Where tasks are done: in this process, or in worker processes that import everything anew."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from harness.clock import machine_seconds
from harness.explore.crash_sweep import Stop
from harness.explore.life import session
from harness.explore.tally import Tally
from harness.gate.interruption import held_back, listen_in_worker
from harness.gate.task import Task, Workshop, perform
from harness.own_lines import place_of

Done = tuple[Task, Tally | str]
"""A task and what came of it: a tally, or the sentence that says why there is none."""

GRACE_S: Final = 5.0
"""How long workers may take to hand over what they have found when a run ends early."""


def here(tasks: Sequence[Task], workshop: Workshop, over: Callable[[], bool], watch: Stop) -> Iterator[Done]:
    """Do the tasks in this process, in order, until `over()`; `watch` sees each state and may end a task early."""
    for task in tasks:
        if over():
            return
        try:
            with session():
                result: Tally | str = workshop.perform(task, watch)
        except Exception as error:
            result = sentence(error)
        yield task, result


def in_workers(
    tasks: Sequence[Task], workers: int, over: Callable[[], bool], idle: Callable[[], None]
) -> Iterator[Done]:
    """Do the tasks in `workers` processes; `idle` is called a few times a second while waiting.

    Workers are spawned, not forked: a forked child would inherit a redirected file system and a frozen clock. When
    `over()`, they are asked for what they have, and ended.
    """
    with worker_pool(workers) as pool:
        with held_back():
            waiting = {pool.submit(perform, task): task for task in tasks}
        ends_at: float | None = None
        while waiting:
            done, _ = concurrent.futures.wait(waiting, timeout=0.25, return_when=concurrent.futures.FIRST_COMPLETED)
            idle()
            for future in done:
                task = waiting.pop(future)
                if future.cancelled():
                    continue
                error = future.exception()
                yield task, (sentence(error) if error is not None else future.result())
            if ends_at is None and over():
                ends_at = machine_seconds() + GRACE_S
                for future in waiting:
                    future.cancel()
                for pid in _pids(pool):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGINT)
            if ends_at is not None and machine_seconds() > ends_at:
                return


@contextlib.contextmanager
def worker_pool(workers: int) -> Iterator[concurrent.futures.ProcessPoolExecutor]:
    """Spawned workers, none of which outlives the block, busy or not. Submit inside `held_back()`."""
    pool = concurrent.futures.ProcessPoolExecutor(
        max_workers=workers, mp_context=multiprocessing.get_context("spawn"), initializer=listen_in_worker
    )
    try:
        yield pool
    finally:
        processes = list((pool._processes or {}).values())  # no public way to end workers that are busy
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _pids(pool: concurrent.futures.ProcessPoolExecutor) -> list[int]:
    return [process.pid for process in list((pool._processes or {}).values()) if process.pid is not None]


def sentence(error: BaseException) -> str:
    """An error of the subject's scenario (its contract, its world) or of the harness in one line, with its place."""
    from harness.explore.life import WorldEscape
    from harness.gate.task import SubjectUnfit

    if isinstance(error, SubjectUnfit | WorldEscape):
        return str(error)
    return f"{type(error).__name__}: {error}{place_of(error)}"
