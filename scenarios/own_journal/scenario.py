"""A run of the gate, seen from its journal: chunks are finished one by one, the run dies, another one resumes it.

The subject is `harness.gate.journal.Journal` as it is. The outside is the run: it believes that a chunk need not be done
again once `append` has returned. Settling is the resumed run, which does what is not there.
"""

import json
from collections.abc import Sequence
from typing import ClassVar

from harness.explore.saved_case import SavedCase
from harness.explore.tally import Finding, Tally
from harness.gate.journal import Journal
from harness.gate.part import Piece
from harness.gate.run_key import RunKey
from harness.gate.task import Task
from harness.scenario import Guarantee, Run, Scenario, World
from scenarios.own_journal.contract import ALL, Shown, contract

FOLDER = "/data/ci/run"

KEY = RunKey("c0de" * 16, "3.11", "own_journal", 0, ("process", "strict"), True, 200, 65_536, None, False)

_TORN = "torn tail cut"


def piece(name: str) -> Piece:
    """A chunk with a result of its own: a number beyond 64 bits; the first one has found something."""
    tally = Tally(legal=2**80 + len(name))
    case = SavedCase("own_journal", name, 0, "strict", "lost", "Kept.", "ünïcode\n", "restarted")
    finding = Finding("lost", "Kept.", "ünïcode\n", "restarted", name, 3, "write", "log.py:1", ("strict",), case)
    if name == ALL[0]:
        tally.findings.append(finding)
    return Piece(Task("crash", "own_journal", name, "strict", 0), tally)


class OwnJournal(Scenario[World, Journal, Shown]):
    """A run that begins its journal, is stopped, and goes on with it."""

    name = "own_journal"
    probes: ClassVar[frozenset[str]] = frozenset({_TORN})
    journal: ClassVar[type[Journal]] = Journal

    def workloads(self) -> Sequence[str]:
        return ("resumed",)

    def world(self, run: Run, workload: str) -> World:
        return World()

    def boot(self, run: Run, world: World) -> Journal:
        opened = self.journal(FOLDER, KEY)
        if opened.cut:
            run.probe(_TORN)
        return opened

    def steps(self, run: Run, world: World, subject: Journal, workload: str) -> Journal:
        finish(run, subject, ALL[0])
        subject.close()
        subject = self.boot(run, world)
        finish(run, subject, ALL[1])
        return subject

    def observe(self, run: Run, world: World, subject: Journal) -> Shown:
        """What the journal has read, and what stands in the file by any other reader's eyes."""
        read = {found.task.workload: found for found in subject.pieces.values()}
        altered = tuple(name for name, found in read.items() if name in ALL and found != piece(name))
        with open(subject.path, "rb") as file:
            lines = file.read().split(b"\n")[1:]
        named = [json.loads(line.partition(b" ")[2])["task"]["workload"] for line in lines if line]
        return Shown(tuple(read), altered, tuple(named))

    def settle(self, run: Run, world: World, subject: Journal) -> None:
        for name in ALL:
            if name not in {found.task.workload for found in subject.pieces.values()}:
                finish(run, subject, name)

    def stop(self, run: Run, world: World, subject: Journal) -> None:
        subject.close()

    def contract(self) -> Sequence[Guarantee]:
        return contract()


def finish(run: Run, journal: Journal, name: str) -> None:
    """A chunk is done: what `append` returns from, the run never does again."""
    run.mark("attempted", name)
    journal.append(piece(name))
    run.mark("acknowledged", name)
