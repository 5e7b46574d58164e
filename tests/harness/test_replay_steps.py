"""`harness replay --step`, `--at` and `--pdb`: walking through a saved case, and into the subject that died."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from click.testing import CliRunner
from command_line import asked

from harness.cli import main


@pytest.fixture
def repro(losing, monkeypatch):
    """The first saved case of a file that loses something."""
    monkeypatch.chdir(losing.folder)
    return losing.document["scenarios"][0]["violations"][0]["repro"]


def moments(text):
    lines = [line.removeprefix("> ").split() for line in text.splitlines()]
    return [words[1] for words in lines if words[:1] == ["moment"]]


def test_steps_go_to_and_fro(repro):
    result = CliRunner().invoke(main, ["replay", repro, "--step"], input="t\n\nn\nb\n2\n999\nd\nwhat\nq\n")
    heads = moments(result.stdout)
    death = heads[0]
    last = heads[6]
    assert heads == [death, "0", "1", "2", "1", "2", last, death]
    assert "the machine dies here, and this is found:" in result.stdout
    assert result.stdout.count("Enter or n: next") == 2
    assert result.exit_code == 1


def test_the_end_of_input_leaves(repro):
    assert CliRunner().invoke(main, ["replay", repro, "--step"], input="").exit_code == 1


def test_one_moment(repro):
    result = asked("replay", repro, "--at", 1)
    assert "moment 1 of " in result.output and "→  1" in result.output
    beyond = asked("replay", repro, "--at", 9_999)
    assert beyond.exit_code == 2 and "this case has moments 0 to" in beyond.output


def test_the_debugger_stops_in_the_subject_where_it_died(repro):
    said = asked("replay", repro).output
    (command,) = [line.partition("debugger:")[2].split() for line in said.splitlines() if "debugger:" in line]
    assert command[:2] == ["harness", "replay"] and command[-2:] == ["-q", "--pdb"]
    keys = "p __name__\nimport os\np sorted(os.listdir('/data'))\nnext\np 6 * 7\ncontinue\n"
    result = subprocess.run(
        [sys.executable, "-m", "harness.cli", *command[1:]], input=keys, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 1, result.stderr
    assert "is about to happen, issued here" in result.stdout
    assert "subject_under_test.py(" in result.stdout
    assert "(Pdb) 42" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_quitting_the_debugger_ends_the_case_as_it_was(repro):
    result = subprocess.run(
        [sys.executable, "-m", "harness.cli", "replay", repro, "-q", "--pdb"],
        input="quit\n", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stdout + result.stderr
