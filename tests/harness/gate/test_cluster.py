"""A real cluster on this machine: the same result as without it, also when a worker of it is killed in the middle."""

import contextlib
import importlib.util
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

WITH_DASK = importlib.util.find_spec("distributed") is not None

needs_dask = pytest.mark.skipif(not WITH_DASK, reason="needs the extra dask: pip install 'crash-harness[dask]'")

COMMAND = ["run", "job_queue:SlowQueue", "--examples", "2", "--profile", "process", "--profile", "strict", "-q"]


def started(*command):
    return subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def await_line(process, words):
    seen = []
    while words not in (line := process.stdout.readline()):
        seen.append(line)
        assert line, "".join(seen)
    return line


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a scheduler with two worker processes, and the workers."""
    folder = tmp_path_factory.mktemp("cluster")
    shutil.copy(Path(__file__).with_name("job_queue.py"), folder)
    with contextlib.chdir(folder), contextlib.ExitStack() as processes:

        def start(*command):
            process = started(*command)
            processes.callback(process.wait)
            processes.callback(process.kill)
            return process

        scheduler = start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        address = await_line(scheduler, "Scheduler at:").split()[-1]
        workers = []
        for number in range(2):
            options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", f"w{number}")
            workers.append(start("distributed.cli.dask_worker", address, *options))
            await_line(workers[-1], "Registered to:")
        yield address.replace("tcp://", "dask://"), workers


def result(name):
    document = json.loads(Path(f"{name}.json").read_text())
    for scenario in document["scenarios"]:
        del scenario["wall_s"], scenario["states_per_s"]
        for violation in scenario["violations"]:
            violation.pop("mend", None)
    return document["outcome"], document["scenarios"]


def harness(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments], capture_output=True, text=True, timeout=300
    )


@needs_dask
@pytest.mark.slow
def test_an_interrupted_run_gets_what_the_cluster_has(cluster):
    address, _ = cluster
    command = ["run", "job_queue:SleepyQueue", *COMMAND[2:-1]]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "harness.cli", *command, "--executor", address, "--json", "cut.json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    await_line(process, "states checked")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and result("cut")[0] == "interrupted", out + err
    assert not any(scenario["errors"] for scenario in result("cut")[1])


@needs_dask
@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_comes_to_the_same_result(cluster):
    address, workers = cluster
    assert harness(*COMMAND, "--jobs", "2", "--json", "whole.json").returncode == 1
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "harness.cli",
            *COMMAND,
            "--executor",
            address,
            "--resume",
            "kept",
            "--json",
            "dask.json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 120
    while not any(path.read_bytes().count(b"\n") >= 2 for path in Path("kept").glob("*.jsonl")):
        assert time.monotonic() < until and process.poll() is None, process.communicate()
        time.sleep(0.05)
    os.kill(workers[0].pid, signal.SIGKILL)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 1, out + err
    assert result("dask") == result("whole")


@needs_dask
def test_a_cluster_that_is_not_there_is_a_usage_error(monkeypatch):
    monkeypatch.setattr("harness.gate.cluster.CONNECT_S", 0.2)
    answer = CliRunner().invoke(main, [*COMMAND[:1], "own_journal", "--executor", "dask://127.0.0.1:1"])
    assert answer.exit_code == 2 and "no scheduler answers" in answer.output, answer.output


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    answer = CliRunner().invoke(main, ["run", "own_journal", "--executor", "dask://127.0.0.1:1"])
    assert answer.exit_code == 2 and "pip install 'crash-harness[dask]'" in answer.output, answer.output


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "dask://here", "ray://a:1", "dask://a:b"])
def test_what_is_no_address_is_a_usage_error(address):
    answer = CliRunner().invoke(main, ["run", "own_journal", "--executor", address])
    assert answer.exit_code == 2 and "dask://HOST:PORT" in answer.output, answer.output
