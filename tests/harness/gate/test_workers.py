"""Real worker processes: one that dies has its chunk done again, and a run that is interrupted says only that."""

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

from harness.explore.tally import Tally
from harness.gate.executors import ATTEMPTS, LocalWorkers
from harness.gate.task import Task
from harness.gate.worker import Worker, WorkerDied

sys.path.insert(0, str(Path(__file__).parents[1]))
from command_line import await_states, talking


@pytest.fixture
def here(tmp_path):
    shutil.copy(Path(__file__).with_name("job_queue.py"), tmp_path)
    with contextlib.chdir(tmp_path):
        yield tmp_path


def task(workload="careful", scenario="job_queue:JobQueue"):
    return Task("crash", scenario, workload, "strict", 0)


def never():
    return False


def test_a_worker_does_one_task_after_another_and_says_how_far_it_is(here):
    worker = Worker()
    try:
        for workload in ("careful", "careless"):
            worker.give(task(workload))
            said = []
            while (done := worker.answer()) is None:
                said.append(len(worker.under_way.findings))
            assert isinstance(done, Tally) and done.checked
            assert bool(said) == (workload == "careless")  # told at each new finding
    finally:
        worker.kill()


def test_a_worker_that_is_killed_says_how(here):
    worker = Worker()
    try:
        os.kill(worker.pid, signal.SIGKILL)
        worker.give(task())
        with pytest.raises(WorkerDied, match="SIGKILL"):
            worker.answer()
    finally:
        worker.kill()


def test_a_chunk_whose_worker_dies_is_done_again_with_the_same_result(here):
    tasks = [task("careful"), task("careless")]
    with contextlib.closing(LocalWorkers(1)) as one_worker:
        expected = {one: done.checked for one, done in one_worker.each(tasks, never, lambda _: None)}
    killed = []

    def kill_one(_):
        if not killed:
            victims = workers_of(os.getpid())
            if victims:
                killed.append(victims[0])
                os.kill(victims[0], signal.SIGKILL)

    with contextlib.closing(LocalWorkers(2)) as two_workers:
        found = {one: done.checked for one, done in two_workers.each(tasks, never, kill_one)}
        assert killed and found == expected
        # one that had nothing to do any more when it was killed is not replaced
        assert 1 <= len(workers_of(os.getpid())) <= 2
    assert not workers_of(os.getpid())


def test_a_chunk_that_kills_its_workers_is_an_error_that_names_it(here):
    def kill_all(_):
        for victim in workers_of(os.getpid()):
            os.kill(victim, signal.SIGKILL)

    with contextlib.closing(LocalWorkers(1)) as one_worker:
        ((_, said),) = one_worker.each([task(scenario="job_queue:SleepyQueue")], never, kill_all)
    assert said == (
        f"crash careful under strict, part 1 of 1: its worker process died {ATTEMPTS} times, "
        "the last time killed by SIGKILL"
    )


def test_a_worker_with_other_code_refuses(here):
    worker = Worker()
    try:
        worker.give(task(), code="f" * 64)
        said = worker.answer()
        assert "is not that of this run" in said and "ffffffffffff here" in said
    finally:
        worker.kill()


@pytest.mark.parametrize("jobs", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_a_group_that_is_terminated_says_so_in_time_and_keeps_what_it_found(here, jobs):
    """As `timeout 60 harness run` does it: the run and each of its workers get the signal, the run twice."""
    arguments = ("run", "job_queue:SleepyFlaw", "--profile", "strict", "--jobs", jobs, "--json", "out.json")
    process = talking(*arguments, start_new_session=True)
    await_states(process, 60)  # the first kill-points are those that show the violation
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    took = time.monotonic() - began
    document = json.loads((here / "out.json").read_text())
    assert (process.returncode, document["outcome"]) == (130, "interrupted"), out + err
    assert all(not scenario["errors"] for scenario in document["scenarios"]), out
    assert "Broken" not in out + err and "Traceback" not in out + err
    assert "the run was interrupted before the floor" in out and "interrupted ·" in out
    assert any(scenario["violations"] for scenario in document["scenarios"])
    assert took < 4, took  # 2 s; the machine may be busy


def test_a_run_that_is_killed_leaves_no_worker(here):
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "run", "job_queue:SleepyQueue", "--jobs", "2", "-q"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while not (workers := workers_of(process.pid)):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < until
        time.sleep(0.05)


def owner_of_a_pool():
    from harness.gate.interruption import held_back
    from harness.gate.pool import worker_pool

    with worker_pool(1) as pool:
        with held_back():
            found = pool.submit(os.getpid)
            pool.submit(time.sleep, 600)
        print(found.result(), flush=True)
        time.sleep(600)


def test_a_pool_whose_owner_is_terminated_with_its_group_leaves_no_worker():
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n{OWNER}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    worker = int(process.stdout.readline())
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM
    until = time.monotonic() + 60
    while alive(worker):
        assert time.monotonic() < until
        time.sleep(0.05)


OWNER = "if __name__ == '__main__': import test_workers; test_workers.owner_of_a_pool()"


def workers_of(parent):
    """Their processes, from /proc: those that this test's run started, and no others."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            command = stat.with_name("cmdline").read_bytes()
            if int(fields[1]) == parent and b"harness.gate.worker_process" in command:
                found.append(int(stat.parent.name))
    return found


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
