"""The gate on subjects that must never count as held, and on those that end themselves."""

import asyncio
import mmap
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness import crash_test

PATH = "/data/x"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def save(text="1"):
    with open(PATH, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def mapped():
    save()
    with open(PATH, "r+b") as file:
        mmap.mmap(file.fileno(), 0)


def threaded():
    thread = threading.Thread(target=save)
    thread.start()
    thread.join()


def hidden():
    try:
        subprocess.run(["touch", PATH], check=False)
    except BaseException:
        save()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    "escape, call",
    [
        (lambda: sqlite3.connect(PATH), "sqlite3.connect"),
        (mapped, "mmap.mmap"),
        (lambda: subprocess.run(["touch", PATH], check=False), "subprocess.Popen"),
        (threaded, "second thread"),
        (hidden, "subprocess.Popen"),
    ],
    ids=["sqlite3", "mmap", "subprocess", "thread", "swallowed"],
)
def test_what_leaves_the_closed_world_is_named_with_the_frontend_to_use(escape, call):
    with pytest.raises(RuntimeError, match=f"{call}.*mounted frontend"):
        crash_test(lambda mark: escape(), lambda marks: None)


@pytest.mark.parametrize(
    "ending, says",
    [
        (lambda: sys.exit(0), "SystemExit"),
        (lambda: os._exit(0), r"os\._exit"),
        (lambda: os.kill(os.getpid(), 9), "SIGKILL"),
    ],
    ids=["sys.exit", "os._exit", "kill"],
)
def test_a_workload_that_ends_itself_is_told_so(ending, says):
    def workload(mark):
        save()
        ending()

    with pytest.raises(RuntimeError, match=f"in a clean run.*{says}"):
        crash_test(workload, lambda marks: None)


def test_a_cancelled_workload_is_told_so():
    def workload(mark):
        save()
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="CancelledError"):
        crash_test(workload, lambda marks: None)


@pytest.mark.parametrize(
    "objection, says",
    [
        (lambda marks: sys.exit(0), "SystemExit"),
        (lambda marks: pytest.fail("gone"), "gone"),
        (lambda marks: False, "returned False"),
    ],
    ids=["sys.exit", "pytest.fail", "False"],
)
def test_every_way_to_object_is_an_objection(objection, says):
    with pytest.raises(AssertionError, match=f"check-failed: .*{says}"):
        crash_test(lambda mark: save(), objection, faults=False)


def test_what_was_marked_is_what_it_was_then():
    def workload(mark):
        save()
        order = {"items": []}
        mark(order)
        order["items"].append("later")

    def recovered(marks):
        assert all(order == {"items": []} for order in marks)

    crash_test(workload, recovered, faults=False)


def test_retrying_for_ever_is_hung():
    def workload(mark):
        while True:
            try:
                save()
                break
            except OSError:
                pass

    with pytest.raises(AssertionError, match=r"^hung: ") as failure:
        crash_test(workload, lambda marks: None)
    assert "for good" in str(failure.value)


def test_a_budget_is_kept_inside_a_piece_of_work():
    def workload(mark):
        for number in range(100):
            Path(f"/data/{number}").write_text("x" * 5_000)

    with pytest.raises(RuntimeError, match="ended before the floor"):
        crash_test(workload, lambda marks: None, budget=0.3)
