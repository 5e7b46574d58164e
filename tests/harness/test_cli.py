"""The command line from outside: exit codes, JSON, messages, replays, interruption."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main

sys.path.insert(0, str(Path(__file__).parent))
import subject_files

STATES = {"legal", "legal_exact", "distinct", "checked", "exhaustive"}
SCENARIO_KEYS = {
    "name", "profile", "operations", "kill_points", "crash_states", "workloads", "recovery_deaths", "faults",
    "histories", "probes", "wall_s", "states_per_s", "violations",
}  # fmt: skip
VIOLATION_KEYS = {"verdict", "summary", "kill_point", "operation", "source", "profiles", "repro"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, source, name="subject_under_test.py"):
    (folder / name).write_text(source)
    return name


def harness(*arguments, **environment):
    """A real process, as a person starts it."""
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )


def run(folder, source, *options):
    file = write(folder, source)
    result = harness("run", file, "--jobs", "1", "--json", "out.json", *options)
    assert "Traceback" not in result.stdout + result.stderr, result.stderr
    path = folder / "out.json"
    return result, json.loads(path.read_text()) if path.exists() else None


def check_shape(document):
    assert {"schema", "version", "seed", "profiles", "outcome", "scenarios"} <= set(document)
    assert document["schema"] == 1
    for scenario in document["scenarios"]:
        assert set(scenario) >= SCENARIO_KEYS
        assert set(scenario["crash_states"]) == STATES
        for workload in scenario["workloads"]:
            assert {"name", "operations", "kill_points", "crash_states"} <= set(workload)
            assert set(workload["crash_states"]) == STATES
        assert set(scenario["recovery_deaths"]) == {"kill_points", "checked"}
        assert set(scenario["faults"]) == {"planned", "fired", "told"}
        assert set(scenario["histories"]) == {"examples", "steps"}
        assert set(scenario["probes"]) == {"hit", "missed"}
        for violation in scenario["violations"]:
            assert set(violation) >= VIOLATION_KEYS


@pytest.mark.parametrize(
    "source, code, outcome, says",
    [
        ("HOLDS", 0, "held", "exhaustive"),
        ("LOSES", 1, "violation", "lost ['1']"),
        ("IDLE", 3, "inconclusive", "did no I/O"),
        ("RAISES", 4, "error", "KeyError: 'configuration'"),
        ("HASHED", 4, "error", "hash(), or the order of a set"),
    ],
)
def test_exit_codes_and_json(here, source, code, outcome, says):
    result, document = run(here, getattr(subject_files, source))
    assert (result.returncode, document["outcome"]) == (code, outcome), result.stdout + result.stderr
    assert says in " ".join(result.stdout.split())
    check_shape(document)
    assert document["scenarios"][0]["name"].startswith("subject_under_test.py::test_")
    if code in (3, 4) and source != "IDLE":
        assert not document["scenarios"][0]["crash_states"]["exhaustive"]


def test_a_quick_run_is_never_green(here):
    result, document = run(here, subject_files.HOLDS, "--quick", "-x")
    assert (result.returncode, document["outcome"]) == (3, "inconclusive"), result.stdout + result.stderr
    assert not document["scenarios"][0]["crash_states"]["exhaustive"]


@pytest.mark.parametrize("option", ["-x", "--first", "--exitfirst"])
def test_the_first_violation_ends_a_run(here, option):
    result, document = run(here, subject_files.LOSES, "--quick", option)
    assert (result.returncode, document["outcome"]) == (1, "violation"), result.stdout + result.stderr
    (violation,) = (found for scenario in document["scenarios"] for found in scenario["violations"])
    assert violation["verdict"] == "check-failed"


def test_a_violation_names_line_profiles_and_repro(here):
    _, document = run(here, subject_files.LOSES)
    (violation,) = document["scenarios"][0]["violations"]
    assert violation["verdict"] == "check-failed"
    assert violation["source"].startswith("subject_under_test.py:")
    assert "strict" in violation["profiles"] and "process" not in violation["profiles"]
    assert Path(violation["repro"]).name.startswith("check-failed-")
    assert Path(violation["repro"]).exists()


def test_a_budget_that_ends_before_the_floor_is_inconclusive(here):
    result, document = run(here, subject_files.HOLDS, "--budget", "0.0001")
    assert (result.returncode, document["outcome"]) == (3, "inconclusive"), result.stdout
    assert "ended before the floor" in result.stdout


def test_a_bound_is_said(here):
    result, document = run(here, subject_files.LOSES, "--bound", "3")
    assert "bounded" in result.stdout
    assert not document["scenarios"][0]["crash_states"]["exhaustive"]


def test_two_workers_find_what_one_finds(here):
    def counted(jobs):
        _, document = run(here, subject_files.LOSES, "--jobs", jobs)
        for scenario in document["scenarios"]:
            del scenario["wall_s"], scenario["states_per_s"]
        return document["scenarios"]

    assert counted("1") == counted("2")


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
    ],
)
def test_what_is_unknown_is_a_usage_error_with_a_sentence(here, arguments, says):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert says in result.output and "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    "source, says",
    [("x = 1", "no test_"), ("def (", "SyntaxError"), ("1 / 0", "ZeroDivisionError"), ("raise SystemExit(0)", "")],
)
def test_a_file_without_subjects_is_a_usage_error(here, source, says):
    result = CliRunner().invoke(main, ["run", write(here, source, f"file_{abs(hash(source))}.py")])
    assert result.exit_code == 2 and says in result.output


def test_module_and_class_are_found_in_the_working_folder(here):
    write(here, subject_files.SCENARIO, "own_notes.py")
    result = harness("run", "own_notes:Notes", "--jobs", "1", "--profile", "strict", "--no-faults")
    assert result.returncode == 1 and "lost: note 1 is gone" in result.stdout, result.stdout + result.stderr


def test_methods_and_second_calls_are_run_and_what_only_pytest_can_run_is_said(here):
    result, document = run(here, subject_files.FACES)
    names = [scenario["name"].partition("::")[2] for scenario in document["scenarios"]]
    assert names == ["TestIt::test_method", "test_twice", "test_twice#2"]
    assert "test_with needs fixtures or parameters" in result.stderr


def saved(here, source=subject_files.LOSES):
    _, document = run(here, source)
    return document["scenarios"][0]["violations"][0]["repro"]


def test_a_replay_shows_the_violation_ten_times_the_same_and_under_other_hash_seeds(here):
    repro = saved(here)
    from harness.repro import load, replay

    digests = {replay(load(Path(repro))).played.trace_digest for _ in range(10)}
    for seed in ("0", "1", "77"):
        result = harness("replay", repro, "--json", "-", PYTHONHASHSEED=seed)
        told = json.loads(result.stdout)
        assert (result.returncode, told["verdict"], told["matches"]) == (1, "check-failed", True), result.stderr
        digests.add(told["trace_digest"])
    assert len(digests) == 1


def test_a_timeline_shows_the_outside_the_operations_and_the_disk(here):
    result = harness("replay", saved(here))
    for text in ("acknowledged 1", "write 2 bytes at 0 to /data/log", "power cut (strict)", "before (page cache)"):
        assert text in result.stdout


def test_changed_source_is_a_warning_and_it_replays(here):
    repro = saved(here)
    write(here, subject_files.LOSES + "\n# a comment\n")
    result = harness("replay", repro)
    assert result.returncode == 1 and "has changed since" in result.stderr


def test_a_fixed_subject_replays_with_exit_code_0(here):
    repro = saved(here)
    write(here, subject_files.LOSES.replace("sync=False", "sync=True"))
    result = harness("replay", repro)
    assert result.returncode == 0, result.stderr
    assert "does not show any more" in result.stderr


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda text: "not json", "not a repro file"),
        (lambda text: "[1]", "not a repro file"),
        (lambda text: "{}", "kind"),
        (lambda text: text.replace('"schema": 1', '"schema": 99', 1), "upgrade"),
        (lambda text: text.replace("subject_under_test.py::test_bad", "gone_scenario"), "gone_scenario"),
        (lambda text: text.replace("test_bad", "test_gone"), "test_gone"),
        (lambda text: text.replace('"workload": "workload"', '"workload": "other"'), "other"),
        (lambda text: text.replace('"position": ', '"position": -'), ""),
        (lambda text: text.replace('"position": ', '"position": 99'), ""),
        (lambda text: text.replace('"profile": "strict"', '"profile": "zfs"'), ""),
        (lambda text: "[" * 100_000, "not a repro file"),
    ],
)
def test_a_repro_that_cannot_be_used_is_a_usage_error_with_a_sentence(here, change, says):
    path = Path(saved(here))
    path.write_text(change(path.read_text()))
    result = harness("replay", str(path))
    assert result.returncode == 2, result.stdout + result.stderr
    assert says in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_sweep_keeps_what_it_found_and_leaves_no_worker(here, jobs, number):
    file = write(here, subject_files.LONG)
    marker = f"harness-test-{os.getpid()}-{jobs}-{number}"
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "harness.cli", "run", file, "--jobs", jobs, "--json", "out.json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HARNESS_TEST_MARKER": marker},
    )
    # the first progress line says that states are being judged
    assert process.stdout is not None
    first = process.stdout.readline()
    assert "states checked" in first
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


@pytest.mark.parametrize("command", ["run", "bugs", "replay", "list"])
def test_help_has_examples(command):
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0 and "Example" in result.output


def test_list_names_scenarios_bugs_and_profiles(here):
    result = CliRunner().invoke(main, ["list", "--json", "list.json"])
    listed = json.loads((here / "list.json").read_text())
    assert result.exit_code == 0 and "voice_call" in result.output
    assert {"name", "workloads"} <= set(listed["scenarios"][0]) and len(listed["bugs"]) >= 20
    assert "strict" in {profile["name"] for profile in listed["profiles"]}
