"""Where tasks are done: in this process, or in worker processes that import everything anew."""

import concurrent.futures
import multiprocessing
from collections.abc import Callable, Iterator, Sequence

from harness.clock import machine_seconds
from harness.explore.life import session
from harness.explore.tally import Tally
from harness.gate.task import Task, Workshop, perform

Done = tuple[Task, Tally | Exception]


def here(tasks: Sequence[Task], workshop: Workshop, deadline: float | None) -> Iterator[Done]:
    """Do the tasks in this process, in order, until `deadline` (time.monotonic seconds of the real clock)."""
    for task in tasks:
        if deadline is not None and machine_seconds() > deadline:
            return
        try:
            with session():
                result: Tally | Exception = workshop.perform(task)
        except Exception as error:
            result = error
        yield task, result


def in_workers(tasks: Sequence[Task], workers: int, deadline: float | None, idle: Callable[[], None]) -> Iterator[Done]:
    """Do the tasks in `workers` processes; `idle` is called a few times a second while waiting.

    Workers are spawned, not forked: a forked child would inherit a redirected file system and a frozen clock.
    """
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(max_workers=workers, mp_context=context)
    try:
        waiting = {pool.submit(perform, task): task for task in tasks}
        while waiting:
            done, _ = concurrent.futures.wait(waiting, timeout=0.25, return_when=concurrent.futures.FIRST_COMPLETED)
            idle()
            for future in done:
                task = waiting.pop(future)
                error = future.exception()
                yield task, (error if isinstance(error, Exception) else future.result())
            if deadline is not None and machine_seconds() > deadline:
                return
    finally:
        processes = list((pool._processes or {}).values())  # no public way to end workers that are busy
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
