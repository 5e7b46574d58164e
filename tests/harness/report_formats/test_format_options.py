"""The options that write other forms of a result, and the baseline of known findings, as a person types them."""

import json
import sys
from pathlib import Path

import junitparser
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from command_line import asked, typed

APP = """
import os
from harness import crash_test

def workload(mark):
    descriptor = os.open("/data/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, b"one" + os.linesep.encode())
{sync}
    mark("one")

def recovered(marks):
    found = open("/data/log").read() if os.path.exists("/data/log") else ""
    assert not marks or "one" in found

def test_log():
    crash_test(workload, recovered, faults=False)
"""

SYNC = """    os.fsync(descriptor)
    folder = os.open("/data", os.O_RDONLY)
    os.fsync(folder)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder, source, *options):
    """In a process of its own: a source that changes is another program."""
    (folder / "test_app.py").write_text(source)
    return typed("run", "test_app.py", "--jobs", "1", *options)


def test_each_form_is_written(folder, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "steps.md")
    (folder / "steps.md").write_text("before\n")
    result = run(
        folder, APP.format(sync=""), "--junit", "a/j.xml", "--sarif", "s.json", "--markdown", "m.md", "--github"
    )
    assert result.returncode == 1
    suites = list(junitparser.JUnitXml.fromfile("a/j.xml"))
    assert sum(suite.failures for suite in suites) == 2
    (found, _) = json.loads((folder / "s.json").read_text())["runs"][0]["results"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "test_app.py"
    assert "::error file=test_app.py,line=" in result.stderr
    steps = (folder / "steps.md").read_text()
    assert steps.startswith("before\n") and steps.removeprefix("before\n") == (folder / "m.md").read_text()


def test_a_known_finding_does_not_fail_and_a_new_one_does(folder):
    written = run(folder, APP.format(sync=""), "--baseline", "known.json", "--update-baseline")
    assert (written.returncode, "now knows 2 causes" in written.stdout) == (0, True)
    moved = "# a line more\n" + APP.format(sync="")
    known = run(folder, moved, "--baseline", "known.json", "--json", "out.json")
    assert (known.returncode, "but for 2 known" in known.stdout) == (0, True)
    document = json.loads((folder / "out.json").read_text())
    assert [len(one["known"]) for one in document["scenarios"]] == [2]
    assert [one["violations"] for one in document["scenarios"]] == [[]]
    another = run(
        folder,
        moved.replace('os.write(descriptor, b"one"', 'os.write(descriptor, b"" + b"one"'),
        "--baseline",
        "known.json",
    )
    assert another.returncode == 1


def test_what_is_mended_is_reported_for_removal(folder):
    run(folder, APP.format(sync=""), "--baseline", "known.json", "--update-baseline")
    mended = run(folder, APP.format(sync=SYNC), "--baseline", "known.json")
    assert mended.returncode == 0, mended.stdout
    assert "was not found any more: remove it from known.json" in " ".join(mended.stdout.split())
    assert 'os.write(descriptor, b"one"' in mended.stdout
    emptied = run(folder, APP.format(sync=SYNC), "--baseline", "known.json", "--update-baseline")
    assert "now knows 0 causes" in emptied.stdout


def test_what_people_wrote_is_kept(folder):
    run(folder, APP.format(sync=""), "--baseline", "known.json", "--update-baseline")
    document = json.loads((folder / "known.json").read_text())
    document["known"][0]["why"] = "see ticket 12"
    (folder / "known.json").write_text(json.dumps(document))
    run(folder, APP.format(sync=""), "--baseline", "known.json", "--update-baseline")
    assert json.loads((folder / "known.json").read_text())["known"][0]["why"] == "see ticket 12"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--baseline", "none.json"], "cannot read none.json: No such file or directory; --update-baseline writes it"),
        (["--baseline", "test_app.py"], "test_app.py is no baseline"),
        (["--baseline", "other.json"], "other.json says 'eslint', schema 1"),
        (["--update-baseline"], "--update-baseline: name the file with --baseline FILE"),
        (["--baseline", "ours.json", "-x"], "choose one of them"),
        (["--junit", "."], "--junit: cannot write ."),
        (["--sarif", "test_app.py/x"], "--sarif: cannot write test_app.py/x"),
    ],
)
def test_what_cannot_work_is_said_before_the_work(folder, options, said):
    (folder / "other.json").write_text('{"format": "eslint", "schema": 1}')
    (folder / "ours.json").write_text('{"format": "crash-harness baseline", "schema": 1}')
    (folder / "test_app.py").write_text(APP.format(sync=""))
    result = asked("run", "test_app.py", *options)
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
