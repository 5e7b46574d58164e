"""Chunks done by the workers of a dask.distributed cluster: the same chunks, and so the same result.

The cluster only carries them. On each of its workers a `Worker` (a process of its own) does the work, one for each
thread: a sweep freezes time and redirects files, which the threads of a cluster's worker would not survive. A worker of
the cluster that dies has its chunk run again elsewhere (the scheduler's `allowed-failures`, three by default).

The harness and the scenario must be installed there, the same code as here: it is compared, chunk by chunk. A chunk is
data, but the scheduler believes whoever can reach it: that is dask's trust model, not ours.
"""

import asyncio
import concurrent.futures
import contextlib
import importlib
import os
import queue
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

from harness.clock import machine_seconds
from harness.explore.tally import Tally
from harness.gate.answer import answer_of, decode, encode
from harness.gate.executors import ATTEMPTS, TICK_S, Done, Ending, Idle, Over, cut_short, died
from harness.gate.task import Task
from harness.gate.words import chunk
from harness.gate.worker import Worker, WorkerDied

CONNECT_S: Final = 5.0

LAST_WORD_S: Final = 0.8
"""How long a chunk that was asked for what it has may take, before what it told last is taken."""

_ADDRESS: Final = re.compile(r"dask://([^/\s]+:\d+)")


class ClusterError(ValueError):
    """There is no such cluster, or no way to talk to it; the message says why and what to do."""


class Cluster:
    """The cluster whose scheduler is at `dask://HOST:PORT`. `code` is the digest that its workers must have."""

    def __init__(self, address: str, code: str = "") -> None:
        form = _ADDRESS.fullmatch(address)
        if form is None:
            raise ClusterError(f"--executor {address}: give the address of a scheduler, dask://HOST:PORT")
        self._address: Final = address
        self._scheduler: Final = f"tcp://{form[1]}"
        self._code: Final = code

    def demand(self) -> None:
        """Say it before the work, not after it. Raises ClusterError."""
        with self._client() as client:
            if not client.scheduler_info()["workers"]:
                raise ClusterError(
                    f"--executor {self._address}: the scheduler has no workers: start some (dask worker)"
                )

    def close(self) -> None:
        return None

    def each(self, tasks: Sequence[Task], over: Over, idle: Idle) -> Iterator[Done]:
        run = os.urandom(8).hex()
        ending = Ending(over)
        asked_for = False
        answered: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._client() as client:
            waiting: dict[str, Task] = {}
            futures: list[Any] = []
            try:
                for number, task in enumerate(tasks):
                    key = f"harness-{run}-{number}"
                    future = client.submit(perform_there, task, self._code, run, key=key, pure=False, priority=-number)
                    waiting[future.key] = task
                    futures.append(future)
                    future.add_done_callback(answered.put)
                while waiting and not ending.reached:
                    with contextlib.suppress(queue.Empty):
                        future = answered.get(timeout=TICK_S)
                        task = waiting.pop(future.key)
                        done = _result(future, task)
                        if done is not None:
                            yield task, done
                    idle(0)
                    if ending.begun and not asked_for:
                        asked_for = True
                        threading.Thread(target=_everywhere, args=(client, ask_there, run), daemon=True).start()
            finally:
                client.cancel([future for future in futures if future.key in waiting])
                _everywhere(client, dismiss_there, run)

    def _client(self) -> Any:
        try:
            distributed = importlib.import_module("distributed")
        except ImportError:
            raise ClusterError(
                f"--executor {self._address} needs the extra dask: pip install 'crash-harness[dask]'"
            ) from None
        try:
            return distributed.Client(self._scheduler, timeout=CONNECT_S, set_as_default=False)
        except OSError as error:
            raise ClusterError(f"--executor {self._address}: no scheduler answers there ({error})") from None


def _everywhere(client: Any, function: Any, run: str) -> None:
    with contextlib.suppress(Exception):  # workers that are gone need not be told
        client.run(function, run, on_error="ignore")


def _result(future: Any, task: Task) -> Tally | str | None:
    try:
        answer: bytes | None = future.result(timeout=CONNECT_S)
    except (Exception, asyncio.CancelledError, concurrent.futures.CancelledError) as error:
        return f"{chunk(task)}: the cluster could not do it: {type(error).__name__}: {error}"
    return decode(answer).done if answer is not None else None


# -- in the processes of the cluster ----------------------------------------------------------------------------------

_lock = threading.Lock()
_staff: dict[int, tuple[str, str, Worker]] = {}
"""Thread to (run, code, worker): a worker dies with the thread that made it, so no other one may use it."""

_ended: dict[str, float] = {}
"""Runs that are over, and since when."""


def perform_there(task: Task, code: str, run: str) -> bytes | None:
    """Do a task in a process of its own; an encoded `Answer`, or None when the run is over already."""
    how = ""
    for _ in range(ATTEMPTS):
        if run in _ended:
            return None
        worker = _own_worker(run, code)
        worker.give(task, code)
        try:
            done = _answer(worker, run)
            return encode(answer_of(done)) if done is not None else None
        except WorkerDied as death:
            how = str(death)
            _dismiss(threading.get_ident())
    return encode(answer_of(died(task, how)))


def _answer(worker: Worker, run: str) -> Tally | str | None:
    while True:
        since = _ended.get(run)
        if since is not None and machine_seconds() - since > LAST_WORD_S:
            return cut_short(worker.under_way) if worker.under_way is not None else None
        if worker.connection.poll(TICK_S) and (answer := worker.answer()) is not None:
            return answer


def _own_worker(run: str, code: str) -> Worker:
    me = threading.get_ident()
    with _lock:
        known = _staff.get(me)
    if known is not None and known[:2] == (run, code):
        return known[2]
    _dismiss(me)
    worker = Worker()
    with _lock:
        _staff[me] = (run, code, worker)
    return worker


def _dismiss(thread: int) -> None:
    with _lock:
        known = _staff.pop(thread, None)
    if known is not None:
        known[2].kill()


def ask_there(run: str) -> None:
    """The run is over: its chunks on this worker hand over what they have."""
    _ended[run] = machine_seconds()
    with _lock:
        mine = [worker for owner, _, worker in _staff.values() if owner == run]
    for worker in mine:
        worker.ask()


def dismiss_there(run: str) -> None:
    """Nothing more will come of this run: its processes on this worker end."""
    _ended.setdefault(run, machine_seconds())
    with _lock:
        threads = [thread for thread, known in _staff.items() if known[0] == run]
    for thread in threads:
        _dismiss(thread)
