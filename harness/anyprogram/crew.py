"""The crew: threads that restore a state into a folder of their own and run the checker on it.

A check is waiting for another process, so threads do: of our own time it takes the writing of what differs and a start.
"""

import os
import queue
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, TypeAlias

import msgspec

from harness.anyprogram.checker import Answer, CheckCancelled, Checker, CheckerError
from harness.anyprogram.process import have_own_folder
from harness.anyprogram.state_folder import StateFolder, StateFolderError
from harness.anyprogram.strays import Strays
from harness.disk import DiskImage

WAITING_PER_WORKER: Final = 4
"""States that lie ready for each worker, so that none waits for the enumeration."""


class Job(msgspec.Struct, eq=False):
    """One state to be checked: the disk, and what the checker reads. `number` is the asker's."""

    number: int
    image: DiskImage
    marks: bytes


Done: TypeAlias = tuple[Job, Answer]


class Crew:
    """`jobs` workers below `home`. A context manager: at its end no worker and no checker is left."""

    def __init__(self, checker: Checker, home: Path, jobs: int) -> None:
        self._checker: Final = checker
        self._waiting: Final[queue.Queue[Job | None]] = queue.Queue(jobs * WAITING_PER_WORKER)
        self._done: Final[queue.SimpleQueue[Done | BaseException]] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=(StateFolder(home / f"w{number}"),), daemon=True)
            for number in range(jobs)
        ]
        self._strays: Final = Strays()
        self._over = False
        self._cancelled, self._cancel = os.pipe()

    def __enter__(self) -> "Crew":
        self._strays.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        os.close(self._cancel)  # what is under way sees the end of this pipe
        while True:
            try:
                self._waiting.get_nowait()
            except queue.Empty:
                break
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        os.close(self._cancelled)
        self._strays.__exit__(kind, error, trace)

    def offer(self, job: Job, wait_s: float) -> bool:
        """Hand over a job. False: all workers have enough to do, even after `wait_s`."""
        try:
            self._waiting.put(job, timeout=wait_s)
        except queue.Full:
            return False
        return True

    def take(self, wait_s: float = 0.0) -> Done | None:
        """A finished job, or None. Raises what a worker could not go on from: CheckerError, StateFolderError."""
        try:
            done = self._done.get(timeout=wait_s) if wait_s else self._done.get_nowait()
        except queue.Empty:
            return None
        if isinstance(done, BaseException):
            raise done
        return done

    def _work(self, folder: StateFolder) -> None:
        have_own_folder()
        while (job := self._waiting.get()) is not None:
            if self._over:
                continue
            try:
                root = folder.restore(job.image)
                try:
                    answer = self._checker.check(root, job.marks, cancelled_by=self._cancelled)
                finally:
                    self._strays.end_of(root)
            except CheckCancelled:
                continue
            except (CheckerError, StateFolderError) as error:
                self._done.put(error)
                continue
            except BaseException as error:  # a bug of ours must end the sweep, not one thread of it
                self._done.put(error)
                continue
            self._done.put((job, answer))
