"""The plugin as a test suite meets it: options, replays that work as printed, xdist, laziness."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import subject_files

pytest_plugins = ["pytester"]


@pytest.fixture
def suite(pytester):
    def make(source):
        pytester.makepyfile(test_subject=source)
        return pytester

    return make


def printed_commands(result):
    found = re.findall(r"replay\s+((?:harness replay|pytest --harness-replay) .*)", result.stdout.str())
    return list(dict.fromkeys(command.strip() for command in found))


def typed(command):
    """The command, as a person types it in the folder where the tests ran."""
    program, *arguments = shlex.split(command)
    module = {"harness": "harness.cli", "pytest": "pytest"}[program]
    return subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=120)


def test_a_violation_says_what_where_which_line_and_the_command(suite):
    result = suite(subject_files.LOSES).runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*check-failed: AssertionError: lost [[]'1'[]]*",
            "*died      power cut at kill-point *",
            "*missing   2 of 2 bytes of the write to /data/log*",
            "*issued by test_subject.py:*",
            "*replay    harness replay *",
        ]
    )


def test_every_printed_command_works_as_printed(suite):
    result = suite(subject_files.FACES).runpytest_subprocess()
    result.assert_outcomes(failed=3, passed=1)
    commands = printed_commands(result)
    assert sorted(command.split()[0] for command in commands) == ["harness", "harness", "pytest"]
    for command in commands:
        again = typed(command)
        assert again.returncode == 1, command + again.stdout + again.stderr
        assert "lost ['1']" in again.stdout


def test_a_case_that_does_not_show_any_more_passes(suite):
    pytester = suite(subject_files.FACES)
    (command,) = (c for c in printed_commands(pytester.runpytest_subprocess()) if c.startswith("pytest"))
    pytester.makepyfile(test_subject=subject_files.FACES.replace("sync=False", "sync=True"))
    again = typed(command)
    assert again.returncode == 0 and "1 passed" in again.stdout, again.stdout


def test_a_case_of_another_test_is_a_usage_error(suite):
    pytester = suite(subject_files.LOSES)
    pytester.runpytest_subprocess()
    (repro,) = pytester.path.glob(".harness/*.repro.json")
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
def test_what_is_unknown_is_a_usage_error(suite, arguments, says):
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


def test_a_scenario_class_is_one_test(suite):
    result = suite(subject_files.SCENARIO).runpytest_subprocess("-v", "--harness-profile", "strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_subject.py::Notes FAILED*", "*lost: note 1 is gone*"])
    (command,) = printed_commands(result)
    assert typed(command).returncode == 1


def test_findings_are_report_sections(suite):
    result = suite(subject_files.LOSES).runpytest_subprocess()
    result.stdout.fnmatch_lines(["*harness strict finding 1*"])


def test_under_xdist(suite):
    result = suite(subject_files.FACES).runpytest_subprocess("-n", "2")
    result.assert_outcomes(failed=3, passed=1)
    assert len(printed_commands(result)) == 3


def test_with_strict_markers_and_without_the_plugin(suite):
    pytester = suite(subject_files.LOSES)
    pytester.runpytest_subprocess("--strict-markers", "--strict-config").assert_outcomes(failed=1)
    result = pytester.runpytest_subprocess("-p", "no:harness")
    result.assert_outcomes(failed=1)
    assert printed_commands(result)


def test_the_plugin_costs_nothing_until_it_is_used():
    code = (
        "import sys, harness.pytest_plugin\n"
        "heavy = {'hypothesis', 'pyfakefs', 'freezegun', 'rich', 'click', 'harness.explore', 'harness.durability'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
