"""The plugin as a test suite meets it: options, replays that work as printed, xdist, laziness."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import subject_files

pytest_plugins = ["pytester"]


class Suite:
    """A folder with one test file, and what pytest said of it in a process of its own."""

    def __init__(self, folder, source, *options):
        self.folder = folder
        self.file = folder / "test_subject.py"
        self.file.write_text(source)
        self.result = self.typed("pytest", *options)
        assert self.result.returncode in (0, 1), self.result.stdout + self.result.stderr
        self.stdout = pytest.LineMatcher(self.result.stdout.splitlines())
        self.outcomes = pytest.RunResult.parse_summary_nouns(self.stdout.lines)

    def typed(self, program, *arguments):
        """The command, as a person types it in the folder where the tests ran."""
        command = [sys.executable, "-m", {"harness": "harness.cli", "pytest": "pytest"}[program], *arguments]
        environment = {**os.environ, "PYTEST_DEBUG_TEMPROOT": str(self.folder)}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120)

    def printed_commands(self):
        found = re.findall(r"replay\s+((?:harness replay|pytest --harness-replay) .*)", self.result.stdout)
        return [shlex.split(command) for command in dict.fromkeys(command.strip() for command in found)]


@pytest.fixture(scope="module")
def losing(tmp_path_factory):
    return Suite(tmp_path_factory.mktemp("losing"), subject_files.LOSES, "--strict-markers", "--strict-config")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return Suite(tmp_path_factory.mktemp("faces"), subject_files.FACES)


@pytest.fixture
def suite(pytester):
    """A folder with one test file, for several runs of pytest."""

    def make(source):
        pytester.makepyfile(test_subject=source)
        return pytester

    return make


def test_a_violation_says_what_where_which_line_and_the_command(losing):
    assert losing.outcomes == {"failed": 1}
    losing.stdout.fnmatch_lines(
        [
            "*check-failed: AssertionError: lost [[]'1'[]]*",
            "*died      power cut at kill-point *",
            "*missing   2 of 2 bytes of the write to /data/log*",
            "*issued by test_subject.py:*",
            "*replay    harness replay *",
        ]
    )


def test_findings_are_report_sections(losing):
    losing.stdout.fnmatch_lines(["*harness strict finding 1*"])


def test_every_printed_command_works_as_printed(faces):
    assert faces.outcomes == {"failed": 3, "passed": 1}
    commands = faces.printed_commands()
    assert sorted(program for program, *_ in commands) == ["harness", "harness", "pytest"]
    for command in commands:
        again = faces.typed(*command)
        assert again.returncode == 1, f"{command}{again.stdout}{again.stderr}"
        assert "lost ['1']" in again.stdout


def test_a_case_that_does_not_show_any_more_passes(faces):
    (command,) = (command for command in faces.printed_commands() if command[0] == "pytest")
    before = faces.file.read_text()
    faces.file.write_text(before.replace("sync=False", "sync=True"))
    try:
        again = faces.typed(*command)
    finally:
        faces.file.write_text(before)
    assert again.returncode == 0 and "1 passed" in again.stdout, again.stdout


def test_a_case_of_another_test_is_a_usage_error(losing, suite):
    (repro,) = losing.folder.glob(".harness/*.repro.json")
    pytester = suite(subject_files.LOSES)
    pytester.makepyfile(test_other="def test_nothing(): pass")
    result = pytester.runpytest_subprocess("--harness-replay", str(repro), "test_other.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_subject.py::test_bad*not collected*"])


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--harness-replay", "missing.json"], "missing.json"),
        (["--harness-profile", "zfs"], "zfs"),
    ],
)
def test_what_is_unknown_is_a_usage_error_without_a_traceback(suite, arguments, says):
    result = suite(subject_files.HOLDS).runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert says in result.stderr.str() and "Traceback" not in result.stderr.str()


def test_profile_on_the_command_line_and_in_the_ini_file(suite):
    pytester = suite(subject_files.LOSES)
    pytester.runpytest_subprocess("--harness-profile", "process").assert_outcomes(passed=1)
    pytester.makeini("[pytest]\nharness_profile = process\nharness_seed = 3\nharness_budget = 30\n")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    pytester.runpytest_subprocess("--harness-profile", "strict").assert_outcomes(failed=1)


def test_a_budget_that_ends_before_the_floor_fails_the_test(suite):
    result = suite(subject_files.HOLDS).runpytest_subprocess("--harness-budget", "0.0001")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*nothing is proved*"])


def test_a_scenario_class_is_one_test(tmp_path):
    suite = Suite(tmp_path, subject_files.SCENARIO, "-v", "--harness-profile", "strict")
    assert suite.outcomes == {"failed": 1}
    suite.stdout.fnmatch_lines(["*test_subject.py::Notes FAILED*", "*lost: note 1 is gone*"])
    (command,) = suite.printed_commands()
    assert suite.typed(*command).returncode == 1


def test_under_xdist(tmp_path):
    suite = Suite(tmp_path, subject_files.FACES, "-n", "2")
    assert suite.outcomes == {"failed": 3, "passed": 1}
    assert len(suite.printed_commands()) == 3


def test_without_the_plugin(tmp_path):
    suite = Suite(tmp_path, subject_files.LOSES, "-p", "no:harness")
    assert suite.outcomes == {"failed": 1}
    assert suite.printed_commands()


def test_the_plugin_costs_nothing_until_it_is_used():
    code = (
        "import sys, harness.pytest_plugin\n"
        "heavy = {'hypothesis', 'pyfakefs', 'freezegun', 'rich', 'click', 'harness.explore', 'harness.durability'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
