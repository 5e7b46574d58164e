"""`python -m harness.gate.worker_process DESCRIPTOR PARENT PATH`: does one task after another for the `Worker` that started it.

A process of its own, because a sweep redirects the file system and freezes time: neither may happen to whoever waits
for it, nor to the threads of a cluster's worker. What the subject prints goes to standard error.
"""

import json
import os
import sys
from multiprocessing.connection import Connection
from typing import Final, TypeAlias

from harness.clock import machine_seconds
from harness.explore.life import session
from harness.explore.tally import Tally
from harness.gate.answer import Answer, answer_of, encode
from harness.gate.interruption import asked, listen_in_worker
from harness.gate.lifeline import end_with
from harness.gate.task import Task, Workshop
from harness.gate.words import sentence

SHOWN_EVERY_S: Final = 0.25

Owner: TypeAlias = "Connection[None, tuple[Task, str]]"


def main(descriptor: str, parent: str, path: str) -> None:
    os.dup2(2, 1)
    end_with(int(parent))
    owner: Owner = Connection(int(descriptor))
    sys.path[:] = json.loads(path)
    listen_in_worker()
    workshop = Workshop()
    try:
        while True:
            task, code = owner.recv()
            owner.send_bytes(_encoded(_answer(workshop, task, code, owner)))
    except (EOFError, OSError):  # the owner has gone
        return


def _encoded(done: Tally | str) -> bytes:
    try:
        return encode(answer_of(done))
    except Exception as error:  # a subject's message that is no UTF-8
        return encode(answer_of(f"what was found cannot be told: {sentence(error)}"))


def _answer(workshop: Workshop, task: Task, code: str, owner: Owner) -> Tally | str:
    findings = 0
    shown = machine_seconds()

    def watch(tally: Tally) -> bool:
        nonlocal findings, shown
        now = machine_seconds()
        if len(tally.findings) != findings or now - shown > SHOWN_EVERY_S:
            findings, shown = len(tally.findings), now
            owner.send_bytes(encode(Answer(tally, final=False)))
        return asked()

    try:
        if code and (here := _code(workshop, task)) != code:
            return f"the code on {os.uname().nodename} is not that of this run ({here[:12]} there, {code[:12]} here)"
        with session():
            return workshop.perform(task, watch)
    except Exception as error:
        return sentence(error)


def _code(workshop: Workshop, task: Task) -> str:
    from harness.gate.run_key import code_digest

    return code_digest(workshop.scenario(task.scenario))


if __name__ == "__main__":
    main(*sys.argv[1:])
