"""References: names, files, methods, second calls, module:Class; and what is said when nothing is found."""

import sys
from pathlib import Path

import pytest

from harness.scenario import Scenario
from harness.subjects import UnknownSubject, find, find_one, known_names, only_in_pytest

sys.path.insert(0, str(Path(__file__).parent))
import subject_files


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(source):
        Path("faces.py").write_text(source)
        return "faces.py"

    return write


def test_installed_scenarios_are_found_by_name_and_keep_it_as_their_reference():
    assert "voice_call" in known_names()
    assert find_one("voice_call").reference == "voice_call"


def test_a_file_gives_one_scenario_a_call_in_order(file):
    name = file(subject_files.FACES)
    assert [one.reference for one in find(name)] == [
        f"{name}::{test}" for test in ("TestIt::test_method", "test_twice", "test_twice#2")
    ]
    assert only_in_pytest(name) == ["test_with"]


@pytest.mark.parametrize("test", ["TestIt::test_method", "test_twice", "test_twice#2"])
def test_each_reference_finds_exactly_itself(file, test):
    name = file(subject_files.FACES)
    assert find_one(f"{name}::{test}").reference == f"{name}::{test}"


def test_a_scenario_class_in_a_file(file):
    name = file(subject_files.SCENARIO)
    one = find_one(f"{name}::Notes")
    assert isinstance(one, Scenario) and one.name == "notes"


def test_a_test_that_is_skipped_gives_nothing_and_one_that_expects_the_failure_is_taken(file):
    name = file(
        subject_files.HEAD
        + "import pytest\n"
        + "def test_skipped(): pytest.skip('not here')\n"
        + "def test_expects():\n"
        + "    with pytest.raises(AssertionError): crash_test(bad, recovered)\n"
    )
    assert [one.name for one in find(name)] == [f"{name}::test_expects"]


@pytest.mark.parametrize(
    "test, says",
    [
        ("test_gone", "test_gone"),
        ("test_with", "pytest"),
        ("test_with[bad]", "pytest"),
        ("test_twice#3", "test_twice#3"),
        ("TestIt::test_gone", "test_gone"),
    ],
)
def test_what_a_file_has_not_is_named(file, test, says):
    with pytest.raises(UnknownSubject, match=says):
        find(f"{file(subject_files.FACES)}::{test}")


def test_a_class_that_needs_arguments_is_named(file):
    Path("needy.py").write_text(
        "from harness import Scenario\nclass Needy(Scenario):\n    def __init__(self, size): pass\n"
    )
    with pytest.raises(UnknownSubject, match=r"Needy.*without arguments"):
        find("needy:Needy")


@pytest.mark.parametrize("reference", ["subprocess:Popen", "os:abort", "os:system"])
def test_a_repro_of_a_stranger_calls_nothing_but_scenarios(reference):
    with pytest.raises(UnknownSubject, match=r"not a harness\.Scenario"):
        find(reference)
