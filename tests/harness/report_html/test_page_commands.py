"""`--html` where it is an option: of a run, of a saved case, of the hunt for bugs."""

import contextlib
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
import command_line
import markup
import subject_files


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ran")
    with contextlib.chdir(folder):
        result, document = command_line.run_asked(folder, subject_files.LOSES, "--html", "run.html")
    assert result.exit_code == 1
    return folder, document


@pytest.fixture
def run(here, ran):
    """The JSON of a run that has lost something; the working folder is a copy of what it left."""
    shutil.copytree(ran[0], here, dirs_exist_ok=True)
    return ran[1]


def test_a_run_writes_its_page_and_a_bundle_beside_each_case(here, run):
    root = markup.assert_closed((here / "run.html").read_text())
    violations = run["scenarios"][0]["violations"]
    text = " ".join(markup.text_of(root).split())
    for violation in violations:
        assert f"harness replay {violation['repro']}" in text
        bundle = here / violation["repro"].removesuffix(".repro.json")
        assert (bundle / "repro.json").read_bytes() == (here / violation["repro"]).read_bytes()
        assert (bundle / "timeline.txt").read_text().splitlines()[0].startswith(violation["verdict"])


def test_a_bundle_of_a_run_can_be_shown_and_judged(here, run):
    bundle = run["scenarios"][0]["violations"][0]["repro"].removesuffix(".repro.json")
    assert command_line.asked("show", bundle).exit_code == 0
    judged = command_line.asked("judge", bundle)
    assert judged.exit_code == 1 and "check-failed; as saved" in judged.output


def test_something_else_with_the_name_of_a_bundle_is_left_alone_and_the_result_stays(here):
    _, first = command_line.run_asked(here, subject_files.LOSES)
    repro = here / first["scenarios"][0]["violations"][0]["repro"]
    bundle = repro.with_name(repro.name.removesuffix(".repro.json"))
    shutil.rmtree(bundle)
    bundle.mkdir()
    (bundle / "thesis.tex").write_text("mine")
    result, document = command_line.run_asked(here, subject_files.LOSES)
    assert result.exit_code == 1 and document["outcome"] == "violation"
    assert (
        "error: cannot write a bundle into --out .harness: something that is no bundle has this name" in result.stderr
    )
    assert [path.name for path in bundle.iterdir()] == ["thesis.tex"]


def test_a_saved_case_gets_a_page(here, run):
    repro = run["scenarios"][0]["violations"][0]["repro"]
    result = command_line.asked("replay", repro, "--quiet", "--html", "pages/case.html")
    assert result.exit_code == 1
    assert "power cut" in markup.text_of(markup.assert_closed((here / "pages" / "case.html").read_text()))


def test_the_hunt_gets_a_page(here):
    result = command_line.asked("bugs", "close-error-ignored", "--jobs", "1", "--html", "bugs.html", "--quiet")
    assert result.exit_code == 0, result.output
    text = markup.text_of(markup.assert_closed((here / "bugs.html").read_text()))
    assert "1 of 1" in text and "close-error-ignored" in text


@pytest.mark.parametrize("command", [("run", "subject.py"), ("replay", "x.repro.json"), ("bugs",)])
def test_a_page_that_cannot_be_written_is_said_before_the_work(here, command):
    (here / "subject.py").write_text(subject_files.LOSES)
    result = command_line.asked(*command, "--html", str(here))
    assert result.exit_code == 2 and "--html" in result.output
    assert not (here / ".harness").exists()
