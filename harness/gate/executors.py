"""Who does the tasks: anything that takes them and yields what comes of each; worker processes of this machine.

`harness.gate.cluster` is the other one. Which of them, and how many workers it has, changes nothing in the result.
"""

import collections
import multiprocessing.connection
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import msgspec

from harness.clock import machine_seconds
from harness.explore.tally import Tally
from harness.gate.interruption import HURRY_S, asked
from harness.gate.task import Task
from harness.gate.words import chunk
from harness.gate.worker import Worker, WorkerDied

Done = tuple[Task, Tally | str]
"""A task and what came of it: a tally, or the sentence that says why there is none."""

GRACE_S: Final = 5.0
"""How long workers may take to hand over what they have when the budget is used up; `HURRY_S` when somebody waits."""

ATTEMPTS: Final = 3
"""How often a chunk is begun whose worker dies."""

TICK_S: Final = 0.25
"""A display is told this often."""

Over = Callable[[], bool]
Idle = Callable[[int], None]
"""Called a few times a second with the states that were checked in the chunks under way."""


class Executor(Protocol):
    """Does tasks, in any order, until `over()`; then hands over what it has."""

    def each(self, tasks: Sequence[Task], over: Over, idle: Idle) -> Iterator[Done]:
        """What came of each task, as it is done. A chunk whose worker dies is begun again, at most `ATTEMPTS` times."""

    def close(self) -> None:
        """Nothing more will come."""


class Ending:
    """When a run that is over stops waiting: soon after its budget, sooner when somebody asked for the end."""

    def __init__(self, over: Over) -> None:
        self._over: Final = over
        self._since: float | None = None

    @property
    def begun(self) -> bool:
        if self._since is None and self._over():
            self._since = machine_seconds()
        return self._since is not None

    @property
    def reached(self) -> bool:
        return self._since is not None and machine_seconds() - self._since > (HURRY_S if asked() else GRACE_S)


class LocalWorkers:
    """Processes of this machine, each with one chunk at a time: a death is the death of exactly one chunk.

    They stay, with what they have imported and recorded, until `close`.
    """

    def __init__(self, workers: int) -> None:
        self._workers: Final = workers
        self._staff: Final[list[Worker]] = []

    def close(self) -> None:
        while self._staff:
            self._staff.pop().kill()

    def each(self, tasks: Sequence[Task], over: Over, idle: Idle) -> Iterator[Done]:
        waiting = collections.deque(_dearest_first(tasks))
        begun: collections.Counter[Task] = collections.Counter()
        ending = Ending(over)
        asked_for = False
        staff = self._staff
        try:
            while len(staff) < min(self._workers, len(tasks)):
                staff.append(Worker())
            while True:
                for worker in staff:
                    if worker.task is None and waiting and not ending.begun:
                        task = waiting.popleft()
                        begun[task] += 1
                        worker.give(task)
                busy = {worker.connection: worker for worker in staff if worker.task is not None}
                if not busy:
                    return
                ready = multiprocessing.connection.wait(list(busy), TICK_S)
                idle(sum(worker.under_way.checked for worker in busy.values() if worker.under_way is not None))
                for worker in [worker for connection, worker in busy.items() if connection in ready]:
                    current = worker.task
                    assert current is not None
                    try:
                        done = worker.answer()
                    except WorkerDied as death:
                        staff.remove(worker)
                        worker.kill()
                        if ending.begun:
                            yield from unfinished(worker)
                            continue
                        staff.append(Worker())
                        if begun[current] < ATTEMPTS:
                            waiting.appendleft(current)
                        else:
                            yield current, died(current, str(death))
                        continue
                    if done is not None:
                        yield current, done
                if ending.begun and not asked_for:
                    asked_for = True
                    for worker in staff:
                        worker.ask()
                if ending.reached:
                    for worker in staff:
                        yield from unfinished(worker)
                    return
        finally:
            for worker in [worker for worker in staff if asked_for or worker.task is not None]:
                staff.remove(worker)
                worker.kill()


def _dearest_first(tasks: Sequence[Task]) -> list[Task]:
    """Late parts of a trace come first: what is recovered there has grown, and a long chunk that is begun last leaves the
    other workers idle. Who stops at the first finding keeps the order that finds it soonest."""
    if any(task.stop_at is not None for task in tasks):
        return list(tasks)
    return sorted(tasks, key=lambda task: task.part, reverse=True)


def died(task: Task, how: str) -> str:
    return f"{chunk(task)}: its worker process died {ATTEMPTS} times, the last time {how}"


def unfinished(worker: Worker) -> Iterator[Done]:
    """What is known of a chunk that nobody waits for any more: its findings stand, and the chunk is not done."""
    if worker.task is not None and worker.under_way is not None:
        yield worker.task, cut_short(worker.under_way)


def cut_short(tally: Tally) -> Tally:
    return msgspec.structs.replace(tally, complete=False, exhaustive=False)
