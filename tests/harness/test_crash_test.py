"""`crash_test` on programs with known right answers: held, or violated at the line that is to blame."""

import json
import os
import sys
from pathlib import Path

import pytest

from harness import crash_test

sys.path.insert(0, str(Path(__file__).parent))
import job_logs
from job_logs import JobLog, NamelessLog, UnsyncedLog

PATH = "/data/jobs.jsonl"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def line_of(text):
    """`job_logs.py:N` of the line that holds `text`."""
    lines = Path(job_logs.__file__).read_text().splitlines()
    return f"job_logs.py:{next(n for n, line in enumerate(lines, 1) if text in line)}"


def explore(log, **options):
    def workload(mark):
        jobs = log(PATH)
        for n in range(3):
            jobs.append(n)
            mark(n)

    def recovered(marks):
        assert set(marks) <= set(log(PATH)), f"lost {sorted(set(marks) - set(log(PATH)))}"

    crash_test(workload, recovered, **options)


def test_a_synced_log_in_a_synced_folder_holds():
    explore(JobLog)


@pytest.mark.parametrize("profile", ["process", "ext4", "xfs", "btrfs", "ext2", "ext3"])
def test_it_holds_under_other_profiles(profile):
    explore(JobLog, profile=profile, faults=False)


def test_without_fsync_the_append_is_to_blame():
    with pytest.raises(AssertionError) as failure:
        explore(UnsyncedLog, faults=False)
    first = str(failure.value).splitlines()
    assert first[0].startswith("check-failed: AssertionError: lost ")
    text = str(failure.value)
    assert f"issued by {line_of('self.file.flush()')}" in text
    assert "power cut at kill-point" in text
    assert "replay    pytest --harness-replay " in text  # the fixture of this file keeps it from being called alone


def test_without_the_folder_sync_the_missing_name_is_to_blame():
    with pytest.raises(AssertionError) as failure:
        explore(NamelessLog, faults=False)
    text = str(failure.value)
    assert "the entry jobs.jsonl in /data" in text
    assert f"issued by {line_of('self.file = open(path')}" in text


def test_a_kill_alone_loses_nothing_that_was_written():
    explore(UnsyncedLog, profile="process", faults=False)


def test_the_folder_sync_is_not_needed_where_fsync_brings_the_name_along():
    explore(NamelessLog, profile="ext4", faults=False)


def test_an_error_that_is_swallowed_is_a_violation_of_its_own():
    def workload(mark):
        for n in range(2):
            try:
                with open(PATH, "a") as file:
                    file.write(f"{n}\n")
                    file.flush()
                    os.fsync(file.fileno())
                folder = os.open("/data", os.O_RDONLY)
                os.fsync(folder)
                os.close(folder)
            except OSError:
                pass
            mark(n)

    def recovered(marks):
        found = Path(PATH).read_text().splitlines() if os.path.exists(PATH) else []
        assert all(str(n) in found for n in marks)

    with pytest.raises(AssertionError, match="swallowed-error"):
        crash_test(workload, recovered)


def test_a_workload_that_raises_by_itself_is_no_verdict():
    def workload(mark):
        raise KeyError("configuration")

    with pytest.raises(RuntimeError, match=r"KeyError.*configuration"):
        crash_test(workload, lambda marks: None)


def test_a_workload_without_io_proves_nothing():
    with pytest.raises(RuntimeError, match="did no I/O"):
        crash_test(lambda mark: mark(1), lambda marks: None)


def test_a_workload_that_differs_from_run_to_run_is_told_so():
    runs = []

    def workload(mark):
        runs.append(1)
        Path(PATH).write_text("x" * len(runs))

    with pytest.raises(RuntimeError, match="not deterministic"):
        crash_test(workload, lambda marks: None)


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(ValueError, match="strict"):
        crash_test(lambda mark: None, lambda marks: None, profile="zfs")


def test_a_coroutine_may_be_a_workload():
    import asyncio

    async def workload(mark):
        with open(PATH, "w") as file:
            file.write("1")
            file.flush()
            os.fsync(file.fileno())
        await asyncio.sleep(3600)
        folder = os.open("/data", os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        mark(1)

    def recovered(marks):
        if marks:
            assert Path(PATH).read_text() == "1"

    crash_test(workload, recovered)


def test_a_workload_may_run_a_loop_of_its_own():
    import asyncio

    async def write(mark):
        await asyncio.sleep(10)
        Path(PATH).write_text("1")
        mark(1)

    def recovered(marks):
        if marks:
            assert Path(PATH).read_text() == "1"

    with pytest.raises(AssertionError):
        crash_test(lambda mark: asyncio.run(write(mark)), recovered, faults=False)


def test_sqlite_is_refused_by_name():
    import sqlite3

    def workload(mark):
        sqlite3.connect("/data/x.db").execute("create table t(x)")

    with pytest.raises(RuntimeError, match="sqlite3"):
        crash_test(workload, lambda marks: None)


def test_a_recovery_that_is_right_unless_it_is_killed_itself():
    """It takes the old file away before the new one is safe."""

    def workload(mark):
        with open(PATH, "w") as file:
            file.write("1")
            file.flush()
            os.fsync(file.fileno())
        folder = os.open("/data", os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        mark(1)

    def recovered(marks):
        found = Path(PATH).read_text() if os.path.exists(PATH) else ""
        assert found == "1" or not marks
        os.truncate(PATH, 0) if found else None
        Path(PATH).write_text(found)

    with pytest.raises(AssertionError, match=r"process killed at kill-point .*, then process killed"):
        crash_test(workload, recovered, profile="process", faults=False)


def test_the_saved_case_is_json(tmp_path):
    with pytest.raises(AssertionError):
        explore(UnsyncedLog, faults=False)
    (file,) = tmp_path.glob(".harness/*.repro.json")
    document = json.loads(file.read_text())
    assert document["schema"] == 1
    assert document["case"]["verdict"] == "check-failed"
    assert file.name.startswith("check-failed-")
