"""One worker process, as its owner sees it: it is given one task at a time, and answers or dies."""

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys

from harness.explore.tally import Tally
from harness.gate.answer import decode
from harness.gate.interruption import held_back
from harness.gate.task import Task


class WorkerDied(Exception):
    """The process ended without an answer; the message says how."""


class Worker:
    """Started at once, fresh: a forked child would inherit a redirected file system and a frozen clock.

    `connection` is for `multiprocessing.connection.wait`. Whoever makes one must `kill` it; it dies with the thread that
    made it.
    """

    def __init__(self) -> None:
        self.task: Task | None = None
        self.under_way: Tally | None = None
        self.connection, theirs = multiprocessing.Pipe()
        arguments = [str(theirs.fileno()), str(os.getpid()), json.dumps([str(folder) for folder in sys.path])]
        command = [sys.executable, "-m", "harness.gate.worker_process", *arguments]
        with theirs, held_back():
            self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)

    @property
    def pid(self) -> int:
        return self._process.pid

    def give(self, task: Task, code: str = "") -> None:
        """Begin a task. With `code` the worker first compares the digest of its own code (`harness.gate.run_key`)."""
        self.task, self.under_way = task, None
        with contextlib.suppress(OSError):  # it is dead: told by `answer`
            self.connection.send((task, code))

    def answer(self) -> Tally | str | None:
        """One message of the worker: what came of the task, or None for a word on how far it is.

        Blocks until there is one; raises WorkerDied.
        """
        try:
            answer = decode(self.connection.recv_bytes())
        except (EOFError, OSError):
            raise WorkerDied(self._ending()) from None
        if not answer.final:
            self.under_way = answer.tally
            return None
        self.task = self.under_way = None
        return answer.done

    def ask(self) -> None:
        """Ask for what it has by now; a worker that was asked is not given anything any more."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self.connection.close()

    def _ending(self) -> str:
        code = self._process.wait()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
