"""The command line from outside: exit codes, JSON, messages, interruption."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import COMMANDS, main

sys.path.insert(0, str(Path(__file__).parent))
import subject_files
from command_line import SUBJECT, asked, await_states, check_shape, run_asked, run_typed, talking, typed, written


@pytest.mark.parametrize(
    "source, code, outcome, says",
    [
        ("HOLDS", 0, "held", "exhaustive"),
        ("IDLE", 3, "inconclusive", "did no I/O"),
        ("RAISES", 4, "error", "KeyError: 'configuration'"),
        ("HASHED", 4, "error", "hash(), or the order of a set"),
    ],
)
def test_exit_codes_and_json(here, source, code, outcome, says):
    result, document = run_asked(here, getattr(subject_files, source))
    check_answer(result.exit_code, result.stdout, document, code, outcome, says)
    if code in (3, 4) and source != "IDLE":
        assert not document["scenarios"][0]["crash_states"]["exhaustive"]


def test_exit_code_and_json_of_a_process_that_finds_a_violation(losing):
    check_answer(losing.result.returncode, losing.result.stdout, losing.document, 1, "violation", "lost ['1']")


def check_answer(exit_code, stdout, document, code, outcome, says):
    assert (exit_code, document["outcome"]) == (code, outcome), stdout
    assert says in " ".join(stdout.split())
    check_shape(document)
    assert document["scenarios"][0]["name"].startswith("subject_under_test.py::test_")


def test_a_quick_run_is_never_green(here):
    result, document = run_asked(here, subject_files.HOLDS, "--quick", "-x")
    assert (result.exit_code, document["outcome"]) == (3, "inconclusive"), result.output
    assert not document["scenarios"][0]["crash_states"]["exhaustive"]


@pytest.mark.parametrize("option", ["-x", "--first", "--exitfirst"])
def test_the_first_violation_ends_a_run(here, option):
    result, document = run_asked(here, subject_files.LOSES, "--quick", option)
    assert (result.exit_code, document["outcome"]) == (1, "violation"), result.output
    (violation,) = (found for scenario in document["scenarios"] for found in scenario["violations"])
    assert violation["verdict"] == "check-failed"


def test_a_violation_names_line_profiles_and_repro(losing, saved):
    (violation,) = losing.document["scenarios"][0]["violations"]
    assert violation["verdict"] == "check-failed"
    assert violation["source"].startswith("subject_under_test.py:")
    assert "strict" in violation["profiles"] and "process" not in violation["profiles"]
    assert Path(saved).name.startswith("check-failed-")
    assert Path(saved).exists()


def test_a_budget_that_ends_before_the_floor_is_inconclusive(here):
    result, document = run_asked(here, subject_files.HOLDS, "--budget", "0.0001")
    assert (result.exit_code, document["outcome"]) == (3, "inconclusive"), result.output
    assert "ended before the floor" in result.stdout


def test_a_bound_is_said(here):
    result, document = run_asked(here, subject_files.LOSES, "--bound", "3")
    assert "bounded" in result.stdout
    assert not document["scenarios"][0]["crash_states"]["exhaustive"]


def test_two_workers_find_what_one_finds(here, losing):
    def counted(document):
        timeless = {"wall_s", "states_per_s"}
        return [{key: scenario[key] for key in set(scenario) - timeless} for scenario in document["scenarios"]]

    _, document = run_typed(here, subject_files.LOSES, "--jobs", "2")
    assert counted(losing.document) == counted(document)


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["run", "no_such_scenario"], "no_such_scenario"),
        (["run", "missing.py"], "missing.py"),
        (["run", "no.such.module:Thing"], "no.such.module"),
        (["run", "json:Nothing"], "Nothing"),
        (["run", "json:JSONDecoder"], "not a harness.Scenario"),
        (["run", "json:"], "module:Class"),
        (["run", "tests/"], "tests"),
        (["run", "voice_call/no-such-bug"], "no-such-bug"),
        (["run", "voice_call", "--profile", "zfs"], "zfs"),
        (["run", "voice_call", "--budget", "-1"], "--budget"),
        (["run", "voice_call", "--json", "."], "folder"),
        (["bugs", "no-such-bug"], "harness list"),
        (["replay", "missing.repro.json"], "missing.repro.json"),
        (["replay", "."], "."),
        (["run", "--no-such-option"], "--no-such-option"),
        (["no-such-command"], "no-such-command"),
    ],
)
def test_what_is_unknown_is_a_usage_error_with_a_sentence(here, arguments, says):
    result = asked(*arguments)
    assert result.exit_code == 2, result.output
    assert says in result.output


@pytest.mark.parametrize(
    "source, says",
    [("x = 1", "no test_"), ("def (", "SyntaxError"), ("1 / 0", "ZeroDivisionError"), ("raise SystemExit(0)", "")],
)
def test_a_file_without_subjects_is_a_usage_error(here, source, says):
    result = asked("run", written(here, source))
    assert result.exit_code == 2 and says in result.output


def test_module_and_class_are_found_in_the_working_folder(here):
    written(here, subject_files.SCENARIO, "own_notes.py")
    result = typed("run", "own_notes:Notes", "--jobs", "1", "--profile", "strict", "--no-faults")
    assert result.returncode == 1 and "lost: note 1 is gone" in result.stdout, result.stdout + result.stderr


def test_methods_and_second_calls_are_run_and_what_only_pytest_can_run_is_said(here):
    result, document = run_asked(here, subject_files.FACES)
    names = [scenario["name"].partition("::")[2] for scenario in document["scenarios"]]
    assert names == ["TestIt::test_method", "test_twice", "test_twice#2"]
    assert "test_with needs fixtures or parameters" in result.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_sweep_keeps_what_it_found_and_leaves_no_worker(here, jobs, number):
    written(here, subject_files.LONG)
    marker = f"harness-test-{os.getpid()}-{jobs}-{number}"
    process = talking(
        *("run", SUBJECT, "--profile", "strict", "--jobs", jobs, "--json", "out.json"),
        env={**os.environ, "HARNESS_TEST_MARKER": marker},
    )
    await_states(process, 100)  # the first kill-points are those that show the violation
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    document = json.loads((here / "out.json").read_text())
    check_shape(document)
    assert document["outcome"] == "interrupted"
    assert document["scenarios"][0]["violations"], out
    assert not [entry for entry in Path("/proc").glob("[0-9]*/environ") if marker.encode() in read(entry)]


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_help_names_every_command():
    result = asked("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in result.output


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_has_examples(command):
    result = asked(command, "--help")
    assert result.exit_code == 0 and "Example" in result.output


def test_list_names_scenarios_bugs_and_profiles(here):
    result = asked("list", "--json", "list.json")
    listed = json.loads((here / "list.json").read_text())
    assert result.exit_code == 0 and "voice_call" in result.output
    assert {"name", "workloads"} <= set(listed["scenarios"][0]) and len(listed["bugs"]) >= 20
    assert "strict" in {profile["name"] for profile in listed["profiles"]}


def test_the_command_line_costs_little_until_a_command_is_named():
    code = (
        "import sys, harness.cli\n"
        "heavy = {'hypothesis', 'pyfakefs', 'freezegun', 'rich', 'asyncio', 'harness.clock', 'harness.commands.run'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


@pytest.mark.parametrize(
    "words, proposed",
    [
        ("harness re", {"record", "replay"}),
        ("harness run --prof", {"--profile"}),
        ("harness run --profile xf", {"xfs"}),
    ],
)
def test_a_shell_completes_commands_options_and_profiles(words, proposed):
    environment = {"_HARNESS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    answer = CliRunner().invoke(main, prog_name="harness", env=environment)
    assert {line.partition(",")[2] for line in answer.output.split()} == proposed
