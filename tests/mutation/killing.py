"""What the quick gate says of one mutant: a process is forked for it, which ends with the outcome.

Only a violation kills. A subject that raises in a clean run, a harness that fails, time or memory that run out, are
told as what they are, and count as neither killed nor survived. Processor time is what is limited, so that a busy
machine changes nothing.
"""

import gc
import json
import os
import resource
import select as waiting
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from mutants import Mutant
from pieces import CLEAN, Attempt, Piece
from selection import select

from harness.subjects import find_one

CPU_S: Final = 60
"""Processor seconds of one mutant: several times what the quick gate needs."""

MEMORY_BYTES: Final = 3 << 30


@dataclass(frozen=True)
class Result:
    """What became of one mutant. `why` is the verdict and its summary, or the error; `pieces` how many it may meet, and
    `by` the one that killed it.

    Outcomes: killed (a violation), survived; and those that are neither: raises (the subject, in a clean run: exit
    code 4 of the gate), crashed (the harness, or the mutant could not be selected), timeout, hasty (survived what was
    tried, which was not all).
    """

    name: str
    digest: str
    kind: str
    outcome: str
    why: str
    seconds: float
    pieces: int = 0
    by: str = ""


def judge(mutant: Mutant, package: str, scenario: str, seed: int, met: Sequence[Piece]) -> tuple[str, str, str]:
    """Run the pieces on the mutant in this process; outcome, reason, and the piece that killed it."""
    if not met:
        return "survived", "no piece of the quick gate runs it", ""
    select(mutant, package)
    attempt = Attempt(scenario, seed)
    found, errors = attempt.clean(piece.workload for piece in met if piece.task is None)
    if errors:
        return "raises", errors[0], ""
    by = f"{CLEAN} {found[0].workload}" if found else ""
    for piece in met:
        if found:
            break
        if piece.task is not None:
            found, by = attempt.perform(piece.task), piece.name
    if not found:
        return "survived", "", ""
    first = found[0]
    return "killed", f"{first.verdict} [{first.workload}, {first.phase}]: {first.summary}", by


def prepare(package: str, files: Iterable[str], scenario: str) -> None:
    """Import everything once, before anything is forked."""
    import importlib

    import harness.statemachine  # noqa: F401  # what random histories need

    find_one(scenario)
    for file in files:
        importlib.import_module(f"{package}.{file.removesuffix('.py')}")
    gc.collect()
    gc.freeze()


@dataclass
class _Running:
    mutant: Mutant
    pieces: int
    pid: int
    pipe: int
    began: float
    said: bytes = b""


def results(
    mutants: Sequence[tuple[Mutant, Sequence[Piece]]], jobs: int, package: str, scenario: str, seed: int
) -> Iterator[Result]:
    """The result of each mutant on its pieces, as they come; `jobs` at a time.

    What has killed other mutants of the same file comes sooner. Whoever stops asking ends what is under way.
    """
    queue = list(reversed(mutants))
    killers: Counter[tuple[str, str]] = Counter()
    running: dict[int, _Running] = {}
    try:
        while queue or running:
            while queue and len(running) < jobs:
                mutant, met = queue.pop()
                one = _start(mutant, in_turn(mutant.file, met, killers), package, scenario, seed)
                running[one.pipe] = one
            for pipe in waiting.select(list(running), [], [])[0]:
                one = running[pipe]
                part = os.read(pipe, 65_536)
                one.said += part
                if not part:
                    del running[pipe]
                    result = _ended(one)
                    killers[one.mutant.file, result.by] += 1
                    yield result
    finally:
        for one in running.values():
            os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)
            os.close(one.pipe)


def in_turn(file: str, met: Sequence[Piece], killers: Mapping[tuple[str, str], int]) -> list[Piece]:
    """The pieces, those first that have killed most; the very first stays so: it shows who does not even start."""
    return [*met[:1], *sorted(met[1:], key=lambda piece: -killers.get((file, piece.name), 0))]


def _start(mutant: Mutant, met: Sequence[Piece], package: str, scenario: str, seed: int) -> _Running:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return _Running(mutant, len(met), pid, reader, time.monotonic())
    try:
        _child(mutant, met, writer, package, scenario, seed)
    finally:
        os._exit(70)  # never back into the loop of the parent


def _child(mutant: Mutant, met: Sequence[Piece], writer: int, package: str, scenario: str, seed: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    try:
        outcome, why, by = judge(mutant, package, scenario, seed, met)
    except BaseException as error:
        place = traceback.extract_tb(sys.exc_info()[2])[-1]
        outcome, why, by = "crashed", f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})", ""
    said = json.dumps([outcome, why, by]).encode()
    while said:
        said = said[os.write(writer, said) :]
    os._exit(0)


def _ended(one: _Running) -> Result:
    os.close(one.pipe)
    _, status = os.waitpid(one.pid, 0)
    by = ""
    if one.said:
        outcome, why, by = json.loads(one.said)
    elif os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        outcome, why = "timeout", f"more than {CPU_S} s of processor time"
    else:
        outcome, why = "crashed", f"the process ended with status {status}"
    seconds = round(time.monotonic() - one.began, 2)
    return Result(one.mutant.name, one.mutant.digest, one.mutant.kind, outcome, why, seconds, one.pieces, by)


def as_line(result: Result) -> str:
    return json.dumps(asdict(result), ensure_ascii=False)


def from_line(line: str) -> Result:
    return Result(**json.loads(line))
