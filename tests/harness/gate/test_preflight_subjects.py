"""Subjects that print, and names that are not UTF-8, end in an answer and not in a failure of the gate."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main

PRINTS = """
from pathlib import Path
from harness import crash_test

print("imported")

def workload(mark):
    print("working")
    Path("/data/x").touch()
    mark(1)

def test_it():
    crash_test(workload, lambda marks: None, faults=False)
"""

NOT_UTF8 = """
from harness import crash_test

def workload(mark):
    open(b"/data/\\xff", "w").close()
    mark(1)

def test_it():
    crash_test(workload, lambda marks: None, faults=False)
"""


@pytest.mark.parametrize(("program", "code", "says"), [(PRINTS, 0, "held"), (NOT_UTF8, 4, "is not UTF-8")])
def test_a_subject_that_prints_or_names_bytes_is_answered(tmp_path: Path, program: str, code: int, says: str) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(program)
    result = CliRunner().invoke(
        main, ["run", str(file), "--profile", "strict", "--jobs", "1", "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == code, result.output
    assert says in result.output


def test_a_budget_that_is_no_number_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["run", "voice_call", "--budget", "nan"])
    assert result.exit_code == 2
    assert "not a positive number" in result.output
