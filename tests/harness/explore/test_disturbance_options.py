"""`harness run --recovery-depth` and `--double-faults`: what the command line asks for is done and told."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main

SUBJECT = """
import os
from harness import crash_test


def workload(mark):
    with open("/data/a", "w") as file:
        file.write("safe")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open("/data", os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    mark("safe")


def recovered(marks):
    with open("/data/seen", "a") as seen:
        seen.write("x")
    if marks:
        with open("/data/a") as file:
            assert file.read() == "safe"


def test_it():
    crash_test(workload, recovered)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "subject.py").write_text(SUBJECT)
    monkeypatch.chdir(tmp_path)

    def told(*options):
        arguments = ["run", "subject.py", "--profile", "strict", "--jobs", "1", "--examples", "0", "-q"]
        result = CliRunner().invoke(main, [*arguments, *options, "--json", "result.json"])
        assert result.exit_code == 0, result.output
        (scenario,) = json.loads(Path("result.json").read_text())["scenarios"]
        return scenario

    return told


def test_the_depth_of_deaths_in_recoveries(run):
    told = run()
    assert list(told["recovery_deaths"]["by_depth"]) == ["1"]
    assert told["recovery_deaths"]["recovered_twice"] == told["crash_states"]["checked"]  # each recovery appends a byte
    by_depth = run("--recovery-depth", "2")["recovery_deaths"]["by_depth"]
    assert list(by_depth) == ["1", "2"] and all(by_depth.values())


def test_double_faults(run):
    told = run("--double-faults")["double_faults"]
    assert all(0 < counts["fired"] <= counts["planned"] <= counts["possible"] for counts in told.values())
    none = run("--double-faults", "--no-faults")["double_faults"]
    assert not any(counts["planned"] for counts in none.values())


def test_a_depth_of_nothing_is_refused():
    result = CliRunner().invoke(main, ["run", "x.py", "--recovery-depth", "0"])
    assert result.exit_code == 2 and "--recovery-depth" in result.output
