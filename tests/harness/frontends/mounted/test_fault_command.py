"""`harness fault`: which programs held, told, swallowed, hung; each answer known beforehand."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli import main

CHECK = """
import os, sys
told = [line.strip() for line in sys.stdin]
try:
    with open(os.path.join(os.environ["HARNESS_ROOT"], "log")) as log:
        found = [line.strip() for line in log if line.endswith("\\n")]
except FileNotFoundError:
    found = []
lost = [one for one in told if one not in found]
if lost:
    print("lost", *lost)
    sys.exit(1)
"""

CAREFUL = """
import os
root = os.environ["HARNESS_ROOT"]
fd = os.open(root + "/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
os.fsync(os.open(root, os.O_RDONLY))
for n in range(2):
    line = b"record %d\\n" % n
    while line:
        line = line[os.write(fd, line):]
    os.fsync(fd)
    print("record", n, flush=True)
"""

SWALLOWS = """
import contextlib, os
root = os.environ["HARNESS_ROOT"]
fd = os.open(root + "/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
os.fsync(os.open(root, os.O_RDONLY))
with contextlib.suppress(OSError):
    os.write(fd, b"record\\n")
os.fsync(fd)
print("record", flush=True)
"""

RETRIES_SYNC = SWALLOWS.replace("with contextlib.suppress(OSError):\n    os.write", "os.write").replace(
    "os.fsync(fd)\n", "try:\n    os.fsync(fd)\nexcept OSError:\n    os.fsync(fd)\n"
)

WAITS = SWALLOWS.replace(
    "os.fsync(fd)\n", "while True:\n    with contextlib.suppress(OSError):\n        os.fsync(fd)\n        break\n"
)


@pytest.fixture
def box(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "check.py").write_text(CHECK)
    return root


def fault(box: Path, text: str, *options: str) -> tuple[Result, dict[str, Any]]:
    Path("program.py").write_text(text)
    words = [
        "fault",
        "--root",
        str(box),
        "--check",
        f"{sys.executable} -S check.py",
        "--json",
        "out.json",
        "--jobs",
        "2",
    ]
    result = CliRunner().invoke(main, [*words, *options, "--", sys.executable, "-S", "program.py"])
    document = json.loads(Path("out.json").read_text()) if Path("out.json").exists() else {}
    return result, document


def found(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (one["verdict"], one["source"].partition(": ")[2].partition(" ")[2])
        for scenario in document["scenarios"]
        for one in scenario["violations"]
    }


@pytest.mark.fuse
def test_a_careful_program_holds(box: Path) -> None:
    result, document = fault(box, CAREFUL)
    assert result.exit_code == 0, result.output
    runs = document["fault_runs"]
    assert runs["told"] > 30 and not runs["swallowed"] and not runs["hung"] and not runs["not reached"]
    assert document["scenarios"][0]["faults"]["planned"] == document["scenarios"][0]["faults"]["fired"] > 40
    assert runs["absorbed"], "short writes are retried"
    interrupted = [run["behaviour"] for run in runs["runs"] if "EINTR" in run["fault"]]
    assert len(interrupted) == 6 and set(interrupted) == {"absorbed"}, "the interpreter tries again (PEP 475)"


@pytest.mark.fuse
def test_a_swallowed_error_is_a_violation_with_its_call(box: Path) -> None:
    result, document = fault(box, SWALLOWS)
    assert result.exit_code == 1, result.output
    assert found(document) == {("swallowed-error", "write to log")}
    violation = document["scenarios"][0]["violations"][0]
    assert violation["count"] > 5 and "strict" in violation["profiles"]
    replayed = CliRunner().invoke(main, ["replay", violation["repro"]])
    assert replayed.exit_code == 1, replayed.output


@pytest.mark.fuse
def test_a_retried_sync_is_caught_by_a_power_cut(box: Path) -> None:
    """Rebello et al., ATC'20: the retry returns 0 and the pages were never written."""
    result, document = fault(box, RETRIES_SYNC, "--profile", "strict", "--call", "4")
    assert result.exit_code == 1, result.output
    assert found(document) == {("swallowed-error", "fsync of log")}


@pytest.mark.fuse
def test_what_a_failed_sync_leaves_is_judged_where_it_is_left_so(box: Path) -> None:
    """btrfs takes the file back, so the retry that returned 0 is caught by a death of the process already."""
    result, document = fault(box, RETRIES_SYNC, "--profile", "btrfs", "--profile", "strict", "--call", "4")
    assert result.exit_code == 1, result.output
    reverted = [run for run in document["fault_runs"]["runs"] if "goes back to what was durable" in run["fault"]]
    assert reverted and {run["behaviour"] for run in reverted if "once" in run["fault"]} == {"swallowed"}


@pytest.mark.fuse
def test_a_program_that_waits_for_ever_hangs(box: Path) -> None:
    result, document = fault(box, WAITS, "--timeout", "1", "--call", "4")
    assert result.exit_code == 1, result.output
    assert ("hung", "fsync of log") in found(document)
    hung = [run for run in document["fault_runs"]["runs"] if run["behaviour"] == "hung"]
    assert hung and all("for good" in run["fault"] for run in hung)


@pytest.mark.fuse
def test_a_program_that_fails_without_a_fault_is_no_finding(box: Path) -> None:
    result, _ = fault(box, "raise SystemExit('no configuration')")
    assert result.exit_code == 4
    assert "without any fault, the program ended with exit code 1: no configuration" in result.output


@pytest.mark.fuse
def test_a_checker_that_refuses_the_run_without_faults_is_told_at_once(box: Path) -> None:
    result, document = fault(box, "print('never written')")
    assert result.exit_code == 1
    assert "without any fault: lost never written" in result.output
    assert document["fault_runs"]["runs"] == []


@pytest.mark.fuse
def test_a_budget_that_ends_first_is_inconclusive(box: Path) -> None:
    result, document = fault(box, CAREFUL, "--budget", "0.1")
    assert (result.exit_code, document["outcome"]) == (3, "inconclusive")
    assert "the budget of 0.1 s ended after" in document["scenarios"][0]["reasons"][0]


@pytest.mark.fuse
def test_what_cannot_be_started_is_one_sentence(box: Path) -> None:
    def said(*words: str) -> str:
        result = CliRunner().invoke(main, ["fault", "--root", str(box), *words])
        assert result.exit_code == 2, result.output
        return result.output.splitlines()[-1]

    assert "no program 'no-such'" in said("--check", "no-such", "true")
    assert "is not executable" in said("--check", "./check.py", "true")
    assert "no-such: no such program" in said("--check", "true", "no-such")
