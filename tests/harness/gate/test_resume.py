"""A run that was killed with -9 and started again goes on where it was, and comes to what it would have come to."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main

PROFILES = ["--profile", "process", "--profile", "strict"]

COMMAND = ["run", "job_queue:SlowQueue", "--no-faults", "--examples", "2", *PROFILES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    shutil.copy(Path(__file__).with_name("job_queue.py"), folder)
    with contextlib.chdir(folder):
        yield folder


def harness(*arguments):
    """A process of its own, as a person starts it."""
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments], capture_output=True, text=True, timeout=300
    )


def result(name):
    document = json.loads(Path(f"{name}.json").read_text())
    for scenario in document["scenarios"]:
        del scenario["wall_s"], scenario["states_per_s"]
        for violation in scenario["violations"]:
            violation.pop("mend", None)
    return document["outcome"], document["scenarios"]


def journal():
    (path,) = Path("kept").glob("*.journal.jsonl")
    return path


@pytest.fixture(scope="module")
def killed(folder):
    """A run in which two chunks are in the journal when it is killed, while it does the others."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *COMMAND, "--jobs", "2", "--resume", "kept", "-q"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 120
    while not any(path.read_bytes().count(b"\n") >= 3 for path in Path("kept").glob("*.jsonl")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return journal().read_bytes()


def test_a_resumed_run_is_the_whole_run(folder, killed):
    assert harness(*COMMAND, "--jobs", "2", "--json", "whole.json", "-q").returncode == 1
    assert harness(*COMMAND, "--jobs", "1", "--json", "resumed.json", "--resume", "kept", "-q").returncode == 1
    assert result("resumed") == result("whole")
    assert result("whole")[1][1]["violations"]
    assert journal().read_bytes().startswith(killed)  # nothing was done again


def test_a_finished_run_is_told_again_without_a_state(folder, killed):
    done = journal().read_bytes()
    began = time.monotonic()
    assert harness(*COMMAND, "--json", "again.json", "--resume", "kept", "-q").returncode == 1
    assert result("again") == result("whole") and journal().read_bytes() == done
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("other, says", [(["--seed", "3"], "seed 0, not 3"), (["--bound", "9"], "bound 65536, not 9")])
def test_the_journal_of_another_run_is_a_usage_error(folder, killed, other, says):
    answer = CliRunner().invoke(main, [*COMMAND, "--resume", "kept", *other])
    assert (
        answer.exit_code == 2 and "belongs to another run" in answer.output and says in " ".join(answer.output.split())
    )


def test_changed_code_is_another_run(folder, killed):
    file = Path("job_queue.py")
    before = file.read_text()
    file.write_text(before + "# changed\n")
    try:
        answer = harness(*COMMAND, "--resume", "kept")
    finally:
        file.write_text(before)
    assert answer.returncode == 2 and "belongs to another run (code" in answer.stderr


def test_a_folder_that_cannot_be_one_is_a_usage_error(folder):
    Path("a file").write_text("")
    answer = harness(*COMMAND, "--resume", "a file/kept")
    assert answer.returncode == 2 and "--resume a file/kept cannot be used" in answer.stderr, answer.stderr
