"""Deaths at an operation, and that nothing is left behind: no mount, no process, whatever was killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.frontends.mounted.guardian import children_of
from harness.frontends.mounted.recording import Run, record
from harness.trace import Create, Mark, Write

pytestmark = pytest.mark.fuse

PATIENCE_S = 20.0

BUSY = """
import os, sys, threading
root = os.environ["HARNESS_ROOT"]
if os.fork() == 0:
    os.setsid()  # a daemon that left the process group
def write(name):
    with open(f"{root}/{name}", "a") as log:
        while True:
            log.write("x" * 100)
            log.flush()
            os.fsync(log.fileno())
for n in range(2):
    threading.Thread(target=write, args=(f"log{os.getpid()}-{n}",)).start()
"""


def test_a_death_freezes_the_disk_before_the_operation(shell):
    script = "echo a > f; echo told; echo b >> f; echo also told; echo c >> f"
    for number, (last, content) in enumerate([(None, None), (Create, b""), (Write, b"a\n"), (Write, b"a\nb\n")]):
        recorded = shell(script, dies_before=number)
        assert recorded.trace.operation_count == number
        operations = [item for item in recorded.trace.items if not isinstance(item, Mark)]
        assert (type(operations[-1]) if operations else None) is last
        assert (recorded.image.read_file("/f") if number else None) == content
        assert recorded.ended.exit_code is None and not recorded.ended.timed_out
    assert [mark.event for mark in recorded.trace.marks()] == ["told", "also told"]


def test_who_dies_writes_nothing_more(python):
    recorded = python(
        "f = open('f', 'w')\nf.write('buffered')\ntry:\n    os.mkdir('d')\nfinally:\n    f.close(); os.mkdir('e')",
        dies_before=1,
    )
    assert recorded.trace.items == [Create(2, 1, "f")]
    assert [path for path, _, _ in recorded.image.walk()] == ["/", "/f"]


def test_a_death_takes_all_processes_along(root):
    recorded = record(Run(root, (sys.executable, "-S", "-c", BUSY), time_limit_s=60), dies_before=40)
    assert recorded.trace.operation_count == 40
    assert not left_of(root)


def left_of(root: Path) -> list[str]:
    """Mounts on the folder, and processes with its path in their environment or command line."""
    with open("/proc/self/mountinfo") as table:
        found = [line for line in table if line.split()[4] == str(root)]
    for pid in os.listdir("/proc"):
        if pid.isdigit() and int(pid) != os.getpid():
            try:
                known = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if str(root).encode() in known:
                found.append(f"{pid}: {Path(f'/proc/{pid}/cmdline').read_bytes()!r}")
    return found


def await_nothing_left(root: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while left := left_of(root):
        assert time.monotonic() < until, left
        os.sched_yield()


def harness(root: Path, trace: Path, *words: str) -> "subprocess.Popen[bytes]":
    """A recording in a process of its own, whose standard output ends with the last process that holds it."""
    command = [sys.executable, "-m", "harness.cli", "record", "--root", str(root), "-o", str(trace), "--", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_left_when_the_harness_is_killed(root, tmp_path, seed):
    """Killed at a moment drawn from the seed: while it starts, mounts, runs; alone or with its process group."""
    choice = random.Random(seed)
    running = harness(root, tmp_path / "trace", sys.executable, "-S", "-c", BUSY)
    until = time.monotonic() + choice.uniform(0.0, 1.5)
    while time.monotonic() < until and running.poll() is None:
        os.sched_yield()
    kill = os.killpg if choice.random() < 0.5 else os.kill
    kill(running.pid, signal.SIGKILL)
    running.communicate()
    await_nothing_left(root)


@pytest.mark.slow
def test_two_hundred_runs_leave_nothing(root, tmp_path):
    """One after the other on one folder; every third is killed at a random moment, alone or with its process group."""
    choice = random.Random(200)
    for number in range(200):
        text = BUSY if number % 3 == 0 else "import os; os.mkdir(os.environ['HARNESS_ROOT'] + '/d')"
        running = harness(root, tmp_path / "trace", sys.executable, "-S", "-c", text)
        if number % 3 == 0:
            until = time.monotonic() + choice.uniform(0.0, 1.5)
            while time.monotonic() < until and running.poll() is None:
                os.sched_yield()
            kill = os.killpg if choice.random() < 0.5 else os.kill
            kill(running.pid, signal.SIGKILL)
        _, said = running.communicate()
        assert running.returncode == (-signal.SIGKILL if number % 3 == 0 else 0), said
        await_nothing_left(root)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_and_keeps_the_trace(root, tmp_path, number):
    script = "import os, time; open(os.environ['HARNESS_ROOT'] + '/f', 'w').close(); print('up', flush=True); time.sleep(600)"
    running = harness(root, tmp_path / "trace", sys.executable, "-S", "-c", script)
    assert running.stdout is not None
    assert running.stdout.readline() == b"up\n"
    running.send_signal(number)
    _, said = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 130, said
    assert b'"create"' in (tmp_path / "trace").read_bytes()
    await_nothing_left(root)


def test_a_killed_guardian_is_told_and_leaves_nothing(root, tmp_path):
    running = harness(root, tmp_path / "trace", sys.executable, "-S", "-c", BUSY)
    until = time.monotonic() + PATIENCE_S
    while not (pid := _guardian_of(running.pid)):
        assert time.monotonic() < until
    while not any(str(root) in line for line in Path("/proc/self/mountinfo").read_text().splitlines()):
        assert time.monotonic() < until
    os.kill(pid, signal.SIGKILL)
    _, said = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 2 and b"guardian process is gone" in said
    await_nothing_left(root)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_a_sweep_that_is_ended_leaves_nothing(root, tmp_path, number, code):
    """With workers, each of which has a mount, a guardian and a program under way."""
    words = ["fault", "--root", str(root), "--check", "true", "--jobs", "2", "--out", str(tmp_path / "out"), "--"]
    command = [sys.executable, "-m", "harness.cli", *words, sys.executable, "-S", "-c", MANY]
    with (tmp_path / "said").open("wb") as said:
        running = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
    until = time.monotonic() + PATIENCE_S
    while len(_below(running.pid)) < 6 and running.poll() is None:  # two workers, two guardians, two programs
        assert time.monotonic() < until
    running.send_signal(number)
    assert running.wait(PATIENCE_S) == code, (tmp_path / "said").read_text()
    await_nothing_left(root)


MANY = """
import os
for n in range(100):
    with open(os.environ["HARNESS_ROOT"] + "/log", "a") as log:
        log.write("x")
"""


def _below(pid: int) -> set[int]:
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = set(children_of(waiting.pop())) - found
        found |= below
        waiting += below
    return found


def _guardian_of(harness_pid: int) -> int:
    try:
        children = Path(f"/proc/{harness_pid}/task/{harness_pid}/children").read_text().split()
    except OSError:
        return 0
    for pid in children:
        try:
            if b".guardian import main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
        except OSError:
            continue
    return 0
