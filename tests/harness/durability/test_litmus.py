"""Every cell and every number of the litmus table, and the questions asked of single images."""

import pytest

from harness.durability.litmus import Program, Question, may_show, sweep, sweep_in_sectors
from harness.durability.litmus_operations import OPERATIONS
from harness.durability.litmus_programs import COLUMNS, KILL_THEN_POWER, TABLE
from harness.durability.litmus_questions import QUESTIONS
from harness.durability.profiles import PROFILES, profile


def _name(case: Program | Question) -> str:
    return case.name


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "strict"])
@pytest.mark.parametrize("program", TABLE, ids=_name)
def test_a_cell_of_the_table(program: Program, column: str) -> None:
    assert sweep(program, profile(column)).held is (column not in program.violated)


@pytest.mark.parametrize("program", TABLE, ids=_name)
def test_the_strict_column_and_both_of_its_numbers(program: Program) -> None:
    outcome = sweep_in_sectors(program, profile("strict"))
    assert (outcome.most_legal, outcome.images) == (program.most_legal, program.images)
    assert outcome.held is ("strict" not in program.violated)


@pytest.mark.parametrize("program", TABLE, ids=_name)
def test_byte_tears_accuse_nobody_whom_sector_tears_do_not(program: Program) -> None:
    """The textbook replacement among them: a gate that accuses it would be ignored."""
    assert sweep(program, profile("strict")).held is ("strict" not in program.violated)


@pytest.mark.parametrize("program", [one for one in TABLE if one.name.startswith("replace")], ids=_name)
def test_ext2_breaks_every_replacement(program: Program) -> None:
    assert not sweep(program, profile("ext2")).held


@pytest.mark.parametrize("column", COLUMNS)
def test_a_kill_makes_nothing_durable(column: str) -> None:
    outcome = sweep_in_sectors(KILL_THEN_POWER, profile(column))
    assert outcome.held is (column not in KILL_THEN_POWER.violated)
    if column == "strict":
        assert (outcome.most_legal, outcome.images) == (KILL_THEN_POWER.most_legal, KILL_THEN_POWER.images)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("question", [*QUESTIONS, *OPERATIONS], ids=_name)
def test_what_may_be_found(question: Question, name: str) -> None:
    assert may_show(question, profile(name)) is (name in question.may)


@pytest.mark.parametrize("question", OPERATIONS, ids=_name)
def test_every_answer_about_an_operation_has_its_reason(question: Question) -> None:
    assert question.reason
    assert question.may <= frozenset(PROFILES) - {"process"}
