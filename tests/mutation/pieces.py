"""The quick gate cut into its pieces, and which lines of the program each piece runs.

A mutant can only be noticed by a piece that runs its line: the others do the same as without it, step by step, because
a run is deterministic. So each piece is done once with the correct program while its lines are noted, and a mutant
meets only the pieces that run the statement it changes. That is what makes thousands of mutants affordable; nothing is
lost by it.
"""

import ast
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from harness.explore.finding import Discovery, report
from harness.explore.judging import judge_clean
from harness.explore.life import session
from harness.explore.tally import Finding, Tally
from harness.gate.options import ANY_VERDICT, Options
from harness.gate.sample import sample
from harness.gate.task import Task, Workshop
from harness.subjects import find_one

CLEAN: Final = "clean"

Lines = dict[str, set[int]]
"""File name to the numbers of its lines that were run."""


@dataclass(frozen=True)
class Piece:
    """The clean run of a workload, or one task of the sample."""

    name: str
    workload: str
    task: Task | None


def pieces(reference: str, seed: int) -> list[Piece]:
    """All of them, in the order of the quick gate."""
    scenario = find_one(reference)
    options = Options(seed=seed, jobs=1, quick=True, stop_at=ANY_VERDICT, check_determinism=False)
    recorded = [*scenario.workloads(), *scenario.rehearsals()]
    clean = [Piece(f"{CLEAN} {name}", name, None) for name in recorded]
    return clean + [Piece(_name(task), task.workload, task) for task in sample(scenario, scenario.workloads(), options)]


def _name(task: Task) -> str:
    kind = "recovery" if task.recovery else task.kind
    return f"{kind} {task.workload} {task.profile} {task.part}"


class Attempt:
    """One process' go at the pieces: recordings are kept between them."""

    def __init__(self, reference: str, seed: int) -> None:
        self.reference = reference
        self.seed = seed
        self.scenario = find_one(reference)
        self.workshop = Workshop({reference: self.scenario})

    def clean(self, workloads: Iterable[str]) -> tuple[list[Finding], list[str]]:
        """Clean runs, until the first that breaks or tells something: its findings, and its errors.

        As in the preflight of the gate, but once each: whether a mutant is deterministic is not asked.
        """
        tally = Tally()
        with session():
            for workload in workloads:
                try:
                    recording = self.workshop.recording(self.reference, workload, self.seed)
                    for told in judge_clean(self.workshop.contract(self.reference), recording):
                        report(tally, Discovery(recording, (), told), again=None)
                except Exception as error:
                    return [], [f"{workload}: the scenario raises {type(error).__name__}: {error}"]
                if recording.failure is not None:
                    return [], [f"{workload}: in a clean run, {recording.failure}"]
                if tally.findings:
                    break
        return tally.findings, []

    def perform(self, task: Task) -> list[Finding]:
        """What this task finds. Raises what the harness raises."""
        with session():
            return self.workshop.perform(task).findings


def trace(reference: str, seed: int, folder: Path, told: Callable[[str], None]) -> dict[str, Lines]:
    """The lines of the files in `folder` that each piece runs. Slow: minutes."""
    attempt = Attempt(reference, seed)
    reached: dict[str, Lines] = {}
    for piece in pieces(reference, seed):
        told(piece.name)
        with _Tracer(folder) as tracer:
            if piece.task is None:
                attempt.clean([piece.workload])
            else:
                attempt.perform(piece.task)
        reached[piece.name] = tracer.lines
    return reached


class _Tracer:
    """Notes the lines of the files of one folder that are run in this thread."""

    def __init__(self, folder: Path) -> None:
        self.lines: Lines = {}
        self._folder = str(folder)
        self._files: dict[str, set[int] | None] = {}

    def __enter__(self) -> "_Tracer":
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if name not in self._files:
            folder, _, file = name.rpartition("/")
            self._files[name] = self.lines.setdefault(file, set()) if folder == self._folder else None
        lines = self._files[name]
        if lines is None:
            return None
        lines.add(frame.f_lineno)

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            lines.add(frame.f_lineno)
            return line

        return line


def save(reached: dict[str, Lines], path: Path) -> None:
    """As JSON; spans would be shorter, numbers are simpler."""
    path.write_text(json.dumps({p: {f: sorted(n) for f, n in lines.items()} for p, lines in reached.items()}))


def load(path: Path) -> dict[str, Lines]:
    return {p: {f: set(n) for f, n in lines.items()} for p, lines in json.loads(path.read_text()).items()}


def statement_lines(code: str, changed: Iterable[int]) -> set[int]:
    """All lines of the statements in which these lines stand: a statement is run where one of its lines is.

    Of a compound statement that is its head; of a function's head, the whole function.
    """
    spans = list(_spans(ast.parse(code)))
    lines: set[int] = set()
    for number in changed:
        around = [span for span in spans if number in span]
        lines |= set(min(around, key=len)) if around else {number}
    return lines


def _spans(tree: ast.AST) -> Iterator[range]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        assert node.end_lineno is not None
        body = getattr(node, "body", None)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or not body:
            yield range(node.lineno, node.end_lineno + 1)
        else:
            yield range(node.lineno, max(node.lineno + 1, body[0].lineno))
