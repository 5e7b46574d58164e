"""Pages of any program: of `harness crash`, and of a case that it saved."""

import json
import sys
from pathlib import Path

import pytest

from harness.disk import DiskImage
from harness.trace import Create, Mark, Program, Source, Trace, Write, encode

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
import command_line
import markup
import report_samples as samples

CHECK = """\
#!/bin/sh
while read -r line; do
  grep -qxF "$line" log || { echo "</script><img src=x onerror=alert(1)> is lost"; exit 1; }
done
"""


@pytest.fixture
def crashed(here):
    """The run of a program that never syncs, with a file whose name means harm, after `harness crash`."""
    trace = Trace(program=Program(("./program",), 0))
    source = Source("program", 0, "1st write to log")
    root = DiskImage().next_ino
    for item in (
        Create(root, 1, "log"),
        Create(root + 1, 1, samples.HOSTILE[0].replace("/", "")),
        Write(root, 0, b"one\n"),
        Mark("printed", "one"),
    ):
        trace.record(item, source, 1e9)
    (here / "run.trace").write_bytes(encode(trace))
    (here / "check.sh").write_text(CHECK)
    return command_line.asked(
        "crash", "run.trace", "--check", "sh check.sh", "--jobs", "1", "--profile", "strict", "--profile", "process",
        "--html", "crash.html", "--json", "crash.json",
    )  # fmt: skip


def test_a_sweep_of_any_program_gets_a_page_with_lanes(here, crashed):
    assert crashed.exit_code == 1, crashed.output
    root = markup.assert_closed((here / "crash.html").read_text())
    text = " ".join(markup.text_of(root).split())
    assert "<img src=x onerror=alert(1)> is lost" in text and "power cut (strict)" in text
    assert "printed one" in text and "did not survive" in text
    assert len(list(root.iter("article"))) == sum(
        len(one["violations"]) for one in json.loads((here / "crash.json").read_text())["scenarios"]
    )


def test_its_saved_case_gets_a_page_with_the_new_answer(here, crashed):
    document = json.loads((here / "crash.json").read_text())
    repro = next(found["repro"] for one in document["scenarios"] for found in one["violations"])
    assert command_line.asked("replay", repro, "--html", "case.html").exit_code == 1
    assert "it shows again" in markup.text_of(markup.assert_closed((here / "case.html").read_text()))
    (here / "check.sh").write_text("exit 0\n")
    assert command_line.asked("replay", repro, "--html", "case.html").exit_code == 0
    assert "it holds now" in markup.text_of(markup.assert_closed((here / "case.html").read_text()))


def test_its_saved_case_is_shown_without_running_the_checker(here, crashed):
    document = json.loads((here / "crash.json").read_text())
    repro = next(found["repro"] for one in document["scenarios"] for found in one["violations"])
    (here / "check.sh").write_text("touch ran\n")
    result = command_line.asked("show", repro)
    assert result.exit_code == 0, result.output
    for said in (
        "== timeline",
        "== diff",
        "checker   sh check.sh",
        "--- power cut (strict)",
        "  - 00000000  6f 6e 65 0a",
    ):
        assert said in result.output
    assert not list(here.rglob("ran"))
    assert "== diff" not in command_line.asked("show", repro, "--part", "timeline").output
    assert command_line.asked("show", repro, "--part", "ledger").exit_code == 2
