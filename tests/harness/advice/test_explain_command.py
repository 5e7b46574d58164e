"""`harness explain` from outside: what it names, its JSON, its exit codes."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.advice.advice import Advice, Answer
from harness.cli import main
from harness.report.advice import headline
from harness.trace import Create, Fsync, Item, Mark, Source, Trace, Write, encode

HERE = Path(__file__).parent

LOGS = f"""
import sys
sys.path.insert(0, {str(HERE.parent)!r})
from harness import crash_test
from job_logs import JobLog, NamelessLog, UnsyncedLog

PATH = "/data/jobs.jsonl"

class NoSyncLog(UnsyncedLog, NamelessLog):
    pass

def explore(log):
    def workload(mark):
        jobs = log(PATH)
        for n in range(3):
            jobs.append(n)
            mark(n)

    def recovered(marks):
        assert set(marks) <= set(log(PATH)), "lost"

    crash_test(workload, recovered)

def test_good():
    explore(JobLog)

def test_unsynced():
    explore(UnsyncedLog)

def test_nameless():
    explore(NamelessLog)

def test_nothing():
    explore(NoSyncLog)

def test_idle():
    crash_test(lambda mark: mark(1), lambda marks: None)

def test_acknowledged_too_early():
    def workload(mark):
        mark(1)
        with open("/data/late", "w") as file:
            file.write("1")

    def recovered(marks):
        assert not marks or open("/data/late").read() == "1"

    crash_test(workload, recovered)
"""

ADVICE_KEYS = {
    "name", "answer", "exit_code", "profiles", "panel", "workloads", "violations", "counted", "complaints", "lacking", "missing",
    "verified", "smallest", "complete", "unmendable", "syncs", "superfluous", "notes", "errors", "restarts", "wall_s",
}  # fmt: skip
PURPOSE = {"source", "file", "line", "paths", "executions", "matters_under", "nothing_under", "unknown_under"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs_under_test.py").write_text(LOGS)
    return tmp_path


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", "--jobs", "1", *arguments], catch_exceptions=False)


def told(*arguments: str) -> dict:
    result = explain(*arguments, "--json", "out.json")
    assert result.exit_code in (0, 1, 3), result.output
    document = json.loads(Path("out.json").read_text())
    assert set(document) == {"schema", "version", "scenarios"}
    for advice in document["scenarios"]:
        assert set(advice) == ADVICE_KEYS
        assert all(set(one) == PURPOSE | {"text", "when", "what"} for one in advice["missing"])
        assert all(set(one) == PURPOSE | {"folder", "workloads", "superfluous"} for one in advice["syncs"])
    assert result.exit_code == max(advice["exit_code"] for advice in document["scenarios"])
    return document["scenarios"][0]


def line_of(text: str) -> str:
    lines = (HERE.parent / "job_logs.py").read_text().splitlines()
    return f"job_logs.py:{next(n for n, line in enumerate(lines, 1) if text in line)}"


OPENED = line_of('open(path, "ab+")')
FLUSHED = line_of("self.file.flush()")


@pytest.mark.parametrize(
    "test, missing",
    [
        ("test_good", []),
        ("test_unsynced", [f"fsync jobs.jsonl after {FLUSHED}"]),
        ("test_nameless", [f"fsync the directory of jobs.jsonl (/data) after {OPENED}"]),
        (
            "test_nothing",
            [
                f"fsync the directory of jobs.jsonl (/data) after {OPENED}",
                f"fsync jobs.jsonl after {FLUSHED}",
            ],
        ),
    ],
)
def test_the_missing_syncs_are_named_by_line(here, test, missing):
    advice = told(f"logs_under_test.py::{test}")
    assert [one["text"] for one in advice["missing"]] == missing
    assert advice["verified"] and advice["smallest"] and advice["complete"]
    assert advice["exit_code"] == bool(missing)
    assert bool(advice["lacking"]) is bool(missing)
    assert all("strict" in one["matters_under"] for one in advice["missing"])


def test_a_sync_that_buys_nothing_is_named_with_the_profiles_under_which_it_matters(here):
    advice = told("logs_under_test.py::test_good", "--profile", "ext4")
    (idle,) = [one for one in advice["syncs"] if one["superfluous"]]
    assert (idle["source"], idle["folder"]) == (line_of("os.fsync(folder)"), "/data")
    assert set(idle["matters_under"]) == {"strict"}
    assert set(idle["nothing_under"]) == {"ext4", "ext4-documented", "xfs", "btrfs"}
    assert advice["superfluous"] == [f"{idle['source']} for /data"]
    assert advice["exit_code"] == 0


def test_an_acknowledgement_before_the_write_is_said_to_be_beyond_syncs(here):
    advice = told("logs_under_test.py::test_acknowledged_too_early")
    assert advice["missing"] == []
    assert advice["exit_code"] == 1
    assert "acknowledged before it was written" in advice["unmendable"][0]["why"]


def test_no_sync_helps_against_kill_9(here):
    advice = told("logs_under_test.py::test_acknowledged_too_early", "--profile", "process")
    assert advice["missing"] == []
    assert "kill -9" in advice["unmendable"][0]["why"]


def test_where_a_sync_makes_nothing_durable_none_is_advised(here):
    advice = told("logs_under_test.py::test_unsynced", "--profile", "apfs")
    assert advice["missing"] == []
    assert "a sync makes nothing durable" in advice["unmendable"][0]["why"]


def test_a_violation_ends_with_the_syncs_that_mend_it(here):
    result = CliRunner().invoke(main, ["run", "logs_under_test.py::test_nameless", "--jobs", "1", "--json", "run.json"])
    assert result.exit_code == 1
    assert f"fsync the directory of jobs.jsonl (/data) after {OPENED}" in result.output
    (strict,) = [one for one in json.loads(Path("run.json").read_text())["scenarios"] if one["profile"] == "strict"]
    assert strict["violations"][0]["mend"][-1] == f"fsync the directory of jobs.jsonl (/data) after {OPENED}"


def test_what_cannot_be_asked_is_a_usage_error(here):
    for arguments in (
        ["logs_under_test.py::test_good", "--profile", "nosuch"],
        ["logs_under_test.py::test_good", "--workload", "nosuch"],
        ["logs_under_test.py::test_good", "--budget", "0"],
        ["nosuch"],
    ):
        assert explain(*arguments).exit_code == 2


def test_a_budget_that_ends_too_early_is_inconclusive(here):
    advice = told("logs_under_test.py::test_good", "--budget", "0.000001")
    assert advice["exit_code"] == 3
    assert not advice["complete"] and not advice["verified"]


def test_a_program_without_io_is_inconclusive(here):
    advice = told("logs_under_test.py::test_idle")
    assert advice["exit_code"] == 3
    assert any("did no I/O" in note for note in advice["notes"])


def test_an_interrupted_answer_is_none():
    advice = Advice(scenario="jobs", profiles=("strict",), panel=(), interrupted=True, complete=False)
    assert advice.answer == Answer.INTERRUPTED
    assert headline(advice) == "jobs under strict: interrupted before there was an answer"


@pytest.mark.slow
def test_workers_come_to_the_same_advice(here):
    asked = ["voice_call/pr-18852", "--workload", "busy", "--workload", "notify", "--workload", "at-once"]
    alone = told(*asked)
    together = told(*asked, "--jobs", "2")
    for key in ADVICE_KEYS - {"wall_s", "restarts"}:
        assert together[key] == alone[key], key


def save(folder: Path, items: list[Item]) -> str:
    trace = Trace()
    for line, item in enumerate(items, 1):
        trace.record(item, Source("job.py", line), 0.0)
    (folder / "run.trace").write_bytes(encode(trace))
    return "run.trace"


def test_a_trace_tells_what_was_not_durable_at_its_marks(here):
    file = save(here, [Create(3, 2, "log"), Write(3, 0, b"one"), Fsync(3), Mark("printed", "one")])
    result = explain(file, "--json", "out.json")
    assert result.exit_code == 1
    (advice,) = json.loads(Path("out.json").read_text())["traces"]
    assert [debt["operations"] for debt in advice["debts"]] == [
        [{"operation": "the entry log in /data", "source": "job.py:1"}]
    ]
    assert [one["text"] for one in advice["missing"]] == ["fsync the directory of log (/data) after job.py:1"]
    assert explain(file, "--profile", "ext4").exit_code == 0


def test_a_trace_in_which_all_is_durable_names_the_syncs_that_did_nothing_for_it(here):
    items: list[Item] = [Create(3, 2, "log"), Fsync(2), Write(3, 0, b"one"), Fsync(3), Fsync(3), Mark("printed", "one")]
    result = explain(save(here, items), "--json", "out.json")
    assert result.exit_code == 0
    (advice,) = json.loads(Path("out.json").read_text())["traces"]
    assert advice["superfluous"] == ["job.py:4", "job.py:5"]


def test_a_file_that_is_no_trace_and_a_trace_of_other_folders_are_usage_errors(here):
    (here / "noise.trace").write_text("noise")
    assert explain("noise.trace").exit_code == 2
    assert explain(save(here, [Write(9, 0, b"x")])).exit_code == 2


def test_the_fix_that_was_proposed_is_missing_two_directory_syncs_and_nothing_else(here):
    sys.path.insert(0, str(HERE.parents[2]))
    advice = told("voice_call/pr-18852", "--workload", "inbound", "--workload", "full-disk", "--missing-only")
    assert [(one["text"].split(" after ")[0], one["source"].split(":")[0]) for one in advice["missing"]] == [
        ("fsync the directory of calls.jsonl (/data/calls)", "pr_18852.py"),
        ("fsync the directory of calls (/data)", "snapshot_log.py"),
    ]
    assert advice["verified"] and advice["smallest"]


def test_the_reference_manager_is_missing_no_sync(here):
    advice = told("voice_call", "--workload", "compaction")
    assert advice["answer"] == "nothing-missing"
    assert advice["violations"] == 0
    assert all(one["matters_under"] for one in advice["syncs"] if one["folder"] != "/")
