"""Mutation testing of the reference call manager: the gate is the killer, not the unit tests.

    python tests/mutation/run.py --files store.py --jobs 2 --out mutants.jsonl

Each mutant is run through `harness run voice_call --quick -x` in a forked process. Results are appended to --out as
they come: a second start goes on where the first one ended, Ctrl-C loses nothing. Mutants that survive and are no
different program are argued in tests/mutants.md, which is read for the summary.
"""

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).resolve().parent
for folder in (str(HERE), str(ROOT)):
    if folder not in sys.path:
        sys.path.insert(0, folder)

from dataclasses import dataclass, replace  # noqa: E402

import killing  # noqa: E402
from killing import Result, as_line, from_line  # noqa: E402
from mutants import TEXT, Mutant, Mutated, mutate  # noqa: E402
from pieces import Lines, Piece, load, pieces, save, statement_lines, trace  # noqa: E402

PACKAGE: Final = "scenarios.voice_call.manager"
SCENARIO: Final = "voice_call"
SOURCES: Final = ROOT / "scenarios" / "voice_call" / "manager"
ARGUED: Final = ROOT / "tests" / "mutants.md"

NOT_COUNTED: Final = ("raises", "crashed", "timeout")
"""Outcomes that neither kill nor survive."""


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    os.chdir(ROOT)  # mutmut reads its settings from pyproject.toml
    os.nice(asked.nice)
    files = asked.files or default_files()
    made = {file: mutate(SOURCES / file) for file in files}
    known = read_results(asked.out)
    if asked.summary:
        print(summary(made, known, survivors=True))
        return 0 if asked.at_least is None or score(made, known) >= asked.at_least else 1
    todo = selected(made, known, again=asked.again, only=asked.only, texts=not asked.no_texts)
    if not asked.argued:
        arguments = argued()
        todo = [one for one in todo if not any(argument.covers(one) for argument in arguments)]
    print(f"{sum(len(one.mutants) for one in made.values())} mutants, {len(todo)} to run", flush=True)
    killing.prepare(PACKAGE, files, SCENARIO)
    work = pieces_of(todo, asked.out.with_suffix(".lines.json"), asked.seed, hasty=asked.hasty)
    try:
        with asked.out.open("a") as out:
            for number, result in enumerate(killing.results(work, asked.jobs, PACKAGE, SCENARIO, asked.seed), 1):
                if asked.hasty and result.outcome == "survived":
                    result = replace(result, outcome="hasty")
                known[result.name] = result
                out.write(as_line(result) + "\n")
                out.flush()
                if not asked.quiet or result.outcome != "killed":
                    print(f"{number}/{len(todo)} {result.outcome} {result.seconds:.1f} s  {result.name}", flush=True)
    except KeyboardInterrupt:
        print("interrupted; start again to go on", flush=True)
    print(summary(made, known))
    return 0 if asked.at_least is None or score(made, known) >= asked.at_least else 1


def pieces_of(todo: Sequence[Mutant], kept: Path, seed: int, *, hasty: bool) -> list[tuple[Mutant, list[Piece]]]:
    """The pieces of the quick gate that each mutant has to meet. Where nobody noted yet what they run, it is done now."""
    if kept.exists():
        reached = load(kept)
    else:
        print(f"noting which lines each piece runs, once, into {kept}", flush=True)
        reached = trace(SCENARIO, seed, SOURCES, lambda name: None)
        save(reached, kept)
    codes = {file: (SOURCES / file).read_text() for file in {one.file for one in todo}}
    every = [piece for piece in pieces(SCENARIO, seed) if not hasty or piece.task is None]
    found: list[tuple[Mutant, list[Piece]]] = []
    for one in todo:
        lines = statement_lines(codes[one.file], one.changed_lines)
        found.append((one, [piece for piece in every if _runs(piece, one.file, lines, reached)]))
    return found


def _runs(piece: Piece, file: str, lines: set[int], reached: dict[str, Lines]) -> bool:
    known = reached.get(piece.name)
    return known is None or bool(lines & known.get(file, set()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="tests/mutation/run.py"
    )
    parser.add_argument(
        "--files", nargs="+", metavar="FILE", help="files of the manager [default: as in pyproject.toml]"
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="mutants at a time [default: 2]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the gate [default: 0]")
    parser.add_argument(
        "--out", type=Path, default=ROOT / ".harness" / "mutants.jsonl", metavar="FILE", help="results, a line each"
    )
    parser.add_argument("--again", nargs="*", default=[], metavar="OUTCOME", help="run these once more, e.g. survived")
    parser.add_argument("--only", metavar="TEXT", default="", help="only mutants whose name contains TEXT")
    parser.add_argument("--no-texts", action="store_true", help="leave out logs and messages of errors")
    parser.add_argument("--argued", action="store_true", help="run those of tests/mutants.md too")
    parser.add_argument("--hasty", action="store_true", help="only clean runs, which kill most: a first look")
    parser.add_argument("--summary", action="store_true", help="run nothing, show the results there are")
    parser.add_argument("--at-least", type=float, metavar="PERCENT", help="exit 1 when the score of all files is below")
    parser.add_argument("--nice", type=int, default=10, metavar="N", help="how kind to others [default: 10]")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not name the killed")
    return parser


def default_files() -> list[str]:
    """The files that pyproject.toml names."""
    from mutmut.configuration import config

    return [Path(pattern).name for pattern in config().only_mutate]


def read_results(path: Path) -> dict[str, Result]:
    """The latest result of each mutant; nothing where there is no file yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return {}
    results = [from_line(line) for line in path.read_text().splitlines() if line]
    return {result.name: result for result in results}


def selected(
    made: dict[str, Mutated], known: dict[str, Result], *, again: Sequence[str], only: str, texts: bool
) -> list[Mutant]:
    """What has to be run: without a result, or of a function that has changed since, or asked for again."""
    mutants = [one for mutated in made.values() for one in mutated.mutants if only in one.name]
    todo = [
        one
        for one in mutants
        if one.name not in known or known[one.name].digest != one.digest or known[one.name].outcome in again
    ]
    return sorted([one for one in todo if texts or one.kind != TEXT], key=lambda one: one.kind == TEXT)


@dataclass(frozen=True)
class Argument:
    """A line of tests/mutants.md: which mutants, and why nobody outside can tell them from the original.

    `…` in the change stands for anything, for a class of changes that one argument covers.
    """

    file: str
    change: str
    why: str

    def covers(self, mutant: Mutant) -> bool:
        pattern = ".*".join(re.escape(part) for part in f"{self.file} {self.change}".split("…"))
        return re.fullmatch(pattern, mutant.name) is not None


def argued() -> list[Argument]:
    """The mutants that tests/mutants.md argues to be equivalent, each with its argument."""
    if not ARGUED.exists():
        return []
    found: list[Argument] = []
    file = ""
    for line in ARGUED.read_text().splitlines():
        if heading := re.fullmatch(r"## `(\w+\.py)`.*", line):
            file = heading[1]
        elif entry := re.fullmatch(r"- `` (.+?) `` (.+)", line):
            found.append(Argument(file, entry[1], entry[2]))
    return found


def summary(made: dict[str, Mutated], known: dict[str, Result], *, survivors: bool = False) -> str:
    """A table: per file how many mutants, and what became of them."""
    arguments = argued()
    columns = ("made", "killed", "survived", "equivalent", "text", "not counted", "to run", "not mutable", "score")
    lines = [f"{'file':<16}" + "".join(f"{column:>13}" for column in columns)]
    listed: list[str] = []
    whole: Counter[str] = Counter()
    for file, mutated in made.items():
        row: Counter[str] = Counter(made=len(mutated.mutants))
        row["not mutable"] = len(mutated.not_mutable)
        for one in mutated.mutants:
            result = known.get(one.name)
            place = _place(one, result, arguments)
            row[place] += 1
            if place in ("survived", "not counted") and result is not None:
                listed.append(f"{result.outcome}: {one.name}" + (f"   [{result.why}]" if result.why else ""))
        lines.append(_row(file, row, columns))
        whole.update(row)
    lines.append(_row("all", whole, columns))
    return "\n".join([*lines, "", *listed]) if survivors else "\n".join(lines)


def _place(mutant: Mutant, result: Result | None, arguments: Sequence[Argument]) -> str:
    if result is not None and result.digest == mutant.digest and result.outcome == "killed":
        return "killed"
    if any(argument.covers(mutant) for argument in arguments):
        return "equivalent"
    if mutant.kind == TEXT:
        return "text"
    if result is None or result.digest != mutant.digest or result.outcome == "hasty":
        return "to run"
    return "not counted" if result.outcome in NOT_COUNTED else "survived"


def score(made: dict[str, Mutated], known: dict[str, Result]) -> float:
    """Killed of those that count, in percent; a mutant without a result counts as one that survives."""
    arguments = argued()
    places = Counter(
        _place(one, known.get(one.name), arguments) for mutated in made.values() for one in mutated.mutants
    )
    counted = places["killed"] + places["survived"] + places["to run"]
    return 100 * places["killed"] / counted if counted else 0.0


def _row(name: str, row: Counter[str], columns: Sequence[str]) -> str:
    judged = row["killed"] + row["survived"] + row["to run"]  # what nobody has looked at is not killed
    score = f"{100 * row['killed'] / judged:.1f} %" if judged else "-"
    return f"{name:<16}" + "".join(f"{score if column == 'score' else row[column]:>13}" for column in columns)


if __name__ == "__main__":
    sys.exit(main())
