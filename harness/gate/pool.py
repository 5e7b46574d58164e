"""Tasks done in this process, and pools of processes for whoever has other work than tasks."""

import concurrent.futures
import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence

import msgspec

from harness.explore.life import session
from harness.explore.tally import Stop, Tally
from harness.gate.executors import Done, cut_short
from harness.gate.interruption import hurried, listen_in_worker
from harness.gate.lifeline import end_with
from harness.gate.task import Task, Workshop
from harness.gate.words import sentence


def here(tasks: Sequence[Task], workshop: Workshop, over: Callable[[], bool], watch: Stop) -> Iterator[Done]:
    """Do the tasks in this process, in order, until `over()`; `watch` sees each state and may end a task early."""
    for task in tasks:
        if over():
            return
        so_far = Tally()

        def look(tally: Tally) -> bool:
            nonlocal so_far
            if len(tally.findings) != len(so_far.findings) and not hurried():
                so_far = msgspec.structs.replace(tally, findings=list(tally.findings))
            return watch(tally)

        try:
            with session():
                result: Tally | str = workshop.perform(task, look)
        except KeyboardInterrupt:
            if so_far.findings:
                yield task, cut_short(so_far)
            raise
        except Exception as error:
            result = sentence(error)
        yield task, result


@contextlib.contextmanager
def worker_pool(workers: int) -> Iterator[concurrent.futures.ProcessPoolExecutor]:
    """Spawned workers, none of which outlives the block, busy or not. Submit inside `held_back()`."""
    pool = concurrent.futures.ProcessPoolExecutor(
        max_workers=workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(os.getpid(),),
    )
    try:
        yield pool
    finally:
        processes = list((pool._processes or {}).values())  # no public way to end workers that are busy
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()  # SIGTERM only asks them


def _begin(owner: int) -> None:
    """SIGTERM to the group only asks the workers, and may end their owner: then they must not stay."""
    end_with(owner)
    listen_in_worker()
