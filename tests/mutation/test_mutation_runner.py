"""The runner of mutants: names that stay, selection that reaches every reference, results that are kept."""

import importlib
import json
import os
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("mutmut", reason="mutmut comes with the extra `dev`")
sys.path.insert(0, str(Path(__file__).parent))
from killing import Result, as_line, from_line, in_turn
from mutants import TEXT, Mutated, mutate
from pieces import Piece, pieces, statement_lines
from run import ROOT, SOURCES, Argument, argued, default_files, main, read_results, selected, summary
from selection import select

PROGRAM = textwrap.dedent('''
    """A program."""

    LIMIT = 3


    def twice(number: int, times: int = 2) -> int:
        """Doubled."""
        return number * times


    class Counter:
        def __init__(self, log, start=0):
            self.log = log
            self.count = start

        # why it counts
        def add(self, number):
            if number > LIMIT:
                self.log.info("too-much", number=number)
                raise ValueError("too much")
            self.count += number
            return self.count

        @property
        def empty(self):
            return self.count == 0

        @staticmethod
        def zero():
            return 0
''')


@pytest.fixture(autouse=True)
def settings_of_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def program(tmp_path):
    def write(text=PROGRAM):
        path = tmp_path / "a_program.py"
        path.write_text(text)
        return path

    return write


def test_a_mutant_is_named_by_its_function_and_its_change(program):
    names = [mutant.name for mutant in mutate(program()).mutants]
    assert "a_program.py twice: return number * times → return number / times" in names
    assert "a_program.py Counter.add: if number > LIMIT: → if number >= LIMIT:" in names
    assert len(set(names)) == len(names)


def test_names_stay_when_other_lines_move(program):
    before = [mutant.name for mutant in mutate(program()).mutants]
    moved = PROGRAM.replace("LIMIT = 3\n", "LIMIT = 3\nOTHER = 4\n# a comment\n")
    after = mutate(program(moved)).mutants
    assert [mutant.name for mutant in after] == before


def test_texts_for_people_are_a_kind_of_their_own(program):
    texts = {mutant.change for mutant in mutate(program()).mutants if mutant.kind == TEXT}
    assert any('"XXtoo-muchXX"' in change for change in texts)
    assert 'raise ValueError("too much") → raise ValueError(None)' in texts
    assert not any("self.count" in change or "LIMIT" in change for change in texts)


def test_what_cannot_be_mutated_is_listed(program):
    listed = " ".join(mutate(program()).not_mutable)
    assert "Counter.empty (decorated)" in listed
    assert "LIMIT = 3 (outside of functions)" in listed
    assert "zero" not in listed


def test_changed_lines_are_those_of_the_file(program):
    path = program()
    lines = path.read_text().splitlines()
    for mutant in mutate(path).mutants:
        text = " ".join(" ".join(lines[number - 1] for number in mutant.changed_lines).split())
        assert mutant.change.startswith(f"{text} → "), mutant.change


def test_a_selected_mutant_is_reached_through_every_reference(program, monkeypatch):
    path = program()
    (path.parent / "a_package").mkdir()
    path.rename(path.parent / "a_package" / "a_program.py")
    monkeypatch.syspath_prepend(str(path.parent))
    module = importlib.import_module("a_package.a_program")
    counter = module.Counter(None)
    bound, table = counter.add, {"twice": module.twice}
    made = {mutant.change: mutant for mutant in mutate(path.parent / "a_package" / "a_program.py").mutants}
    select(made["return number * times → return number / times"], "a_package")
    assert table["twice"](3) == 1.5
    select(made["self.count += number → self.count -= number"], "a_package")
    assert bound(2) == -2
    assert bound.__code__.co_firstlineno == next(
        number for number, line in enumerate(PROGRAM.splitlines(), 1) if "def add" in line
    )
    select(made["def __init__(self, log, start=0): → def __init__(self, log, start=1):"], "a_package")
    assert module.Counter(None).count == 1
    select(made["return 0 → return 1"], "a_package")
    assert module.Counter.zero() == 1


def test_a_statement_is_run_where_one_of_its_lines_is():
    code = "def f(a):\n    if a and (\n        a > 1\n    ):\n        return g(\n            a,\n            2,\n        )\n"
    code += "    return a\n"
    assert statement_lines(code, [3]) == {2, 3, 4}
    assert statement_lines(code, [7]) == {5, 6, 7, 8}
    assert statement_lines(code, [9]) == {9}
    assert statement_lines(code, [1]) == set(range(1, 10))


def test_results_are_read_back_the_newest_last(tmp_path):
    one = Result("store.py f: a → b", "0", "", "survived", "", 1.0, 3)
    two = Result("store.py f: a → b", "0", "", "killed", "lost", 1.0, 2)
    path = tmp_path / "results.jsonl"
    path.write_text(f"{as_line(one)}\n{as_line(two)}\n")
    assert from_line(as_line(one)) == one
    assert read_results(path) == {two.name: two}
    assert read_results(tmp_path / "nothing" / "there.jsonl") == {}


def test_only_what_has_no_result_yet_is_run(program):
    made = {"a_program.py": mutate(program())}
    first, *others = made["a_program.py"].mutants
    known = {first.name: Result(first.name, first.digest, "", "survived", "", 1.0)}
    kinds = {"again": (), "only": "", "texts": True}
    assert {one.name for one in selected(made, known, **kinds)} == {one.name for one in others}
    assert len(selected(made, known, again=("survived",), only="", texts=True)) == len(others) + 1
    old = {first.name: Result(first.name, "of another text", "", "killed", "", 1.0)}
    assert len(selected(made, old, **kinds)) == len(others) + 1
    assert all(one.kind != TEXT for one in selected(made, {}, again=(), only="", texts=False))


def test_only_violations_count_as_killed(program):
    mutants = [one for one in mutate(program()).mutants if one.kind != TEXT][:6]
    made = {"a_program.py": Mutated(tuple(mutants), ())}
    outcomes = ["killed", "survived", "raises", "crashed", "timeout"]
    known = {
        one.name: Result(one.name, one.digest, "", outcome, "", 1.0)
        for one, outcome in zip(mutants, outcomes, strict=False)
    }
    row = summary(made, known).splitlines()[1].split()
    assert row[1:4] == ["6", "1", "1"] and row[6:8] == ["3", "1"], row
    assert row[-2:] == ["33.3", "%"]  # what nobody has looked at is not killed


def test_the_files_are_those_of_the_project():
    assert default_files() == [name for name in default_files() if (SOURCES / name).is_file()]
    assert "store.py" in default_files()


def test_pieces_begin_with_clean_runs_and_have_names_of_their_own():
    every = pieces("voice_call", 0)
    names = [piece.name for piece in every]
    assert len(set(names)) == len(names)
    assert names[0].startswith("clean ") and every[-1].task is not None


def test_what_kills_in_a_file_comes_sooner_but_never_first():
    met = [Piece(name, name, None) for name in "abcd"]
    killers = {("store.py", "c"): 2, ("store.py", "d"): 3, ("store.py", "a"): 1, ("core.py", "b"): 9}
    assert [piece.name for piece in in_turn("store.py", met, killers)] == ["a", "d", "c", "b"]
    assert in_turn("store.py", [], killers) == []


def test_a_mutant_that_loses_events_is_killed_and_told(tmp_path, capsys):
    """One mutant from end to end; the lines that pieces run are given, because noting them takes a minute."""
    out = tmp_path / "results.jsonl"
    lines = {"clean inbound": {"lifecycle.py": list(range(1, 1_000))}}
    others = {piece.name: {} for piece in pieces("voice_call", 0) if piece.name != "clean inbound"}
    out.with_suffix(".lines.json").write_text(json.dumps(lines | others))
    before = os.nice(0)
    wanted = "said: return replace(record, transcript=(*record.transcript, TranscriptLine(at, speaker, text))) → "
    status = main(
        ["--files", "lifecycle.py", "--only", wanted + "return replace(record, )", "--out", str(out), "--nice", "0"]
    )
    assert status == 0 and os.nice(0) == before
    (result,) = read_results(out).values()
    assert result.outcome == "killed" and "inbound" in result.why
    assert "killed" in capsys.readouterr().out


def test_an_argument_covers_a_change_or_a_class_of_changes(program):
    mutants = mutate(program()).mutants
    one = Argument("a_program.py", "twice: return number * times → return number / times", "…")
    several = Argument("a_program.py", "Counter.add: self.count += number → …", "…")
    assert [mutant.change for mutant in mutants if one.covers(mutant)] == [
        "return number * times → return number / times"
    ]
    assert sum(several.covers(mutant) for mutant in mutants) == 2


@pytest.mark.slow
def test_every_argued_mutant_exists():
    """An argument about a line that is no longer there is about nothing."""
    mutants = [mutant for file in default_files() for mutant in mutate(SOURCES / file).mutants]
    assert [one.change for one in argued() if not any(one.covers(mutant) for mutant in mutants)] == []
