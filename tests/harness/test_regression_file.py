"""`harness replay --pytest OUT.py`: the test it writes fails on the bug, passes without it, and reads like one of ours."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness import regression_test, step
from harness.explore.saved_case import SavedCase, Step
from harness.gate.hunt import hunt
from harness.gate.options import DEFAULT_PROFILES
from harness.regression import RegressionError
from harness.report.regression_file import regression_file
from harness.repro import REPRO_SCHEMA, ReproError, ReproFile
from harness.subjects import find_one

sys.path.insert(0, str(Path(__file__).parent))
from command_line import asked

BUGS = [f"voice_call/{bug.id}" for bug in find_one("voice_call").bugs()]
ONE_OF_EACH_KIND = ["voice_call/pre-18852", "failed_sync/close-error-ignored"]


def source_for(bug: str) -> tuple[str, str]:
    finding = hunt(bug, 0, DEFAULT_PROFILES).finding
    assert finding is not None
    repro = ReproFile("crash-harness repro", REPRO_SCHEMA, finding.case, finding.operation, finding.source)
    return regression_file(repro, "1.0"), finding.verdict


def run_test_in(source: str) -> None:
    module: dict[str, object] = {}
    exec(compile(source, "test_exported.py", "exec"), module)
    (test,) = [value for name, value in module.items() if name.startswith("test_")]
    test()  # type: ignore[operator]  # a test function


def check_exported(bug: str) -> None:
    source, verdict = source_for(bug)
    with pytest.raises(AssertionError, match=f"^{verdict}: "):
        run_test_in(source)
    run_test_in(source.replace(f'"{bug}"', f'"{bug.partition("/")[0]}"'))


@pytest.mark.parametrize("bug", ONE_OF_EACH_KIND)
def test_an_exported_test_fails_on_the_bug_and_passes_without_it(bug, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_exported(bug)


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_each_seeded_bug_can_be_exported(bug, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_exported(bug)


def test_a_test_of_ten_lines_is_exported_from_the_command_line(losing, monkeypatch):
    monkeypatch.chdir(losing.folder)
    (repro, *_) = [one["repro"] for run in losing.document["scenarios"] for one in run["violations"]]
    result = asked("replay", repro, "-q", "--pytest", "test_kept.py", "--export-dir", "found")
    assert result.exit_code == 1
    assert "pytest test_kept.py" in result.output
    assert (losing.folder / "found" / "data").is_dir()
    kept = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_kept.py"], capture_output=True, text=True
    )
    assert kept.returncode == 1 and "1 failed" in kept.stdout, kept.stdout
    again = asked("replay", repro, "-q", "--pytest", "test_kept.py")
    assert again.exit_code == 2 and "nothing is written over" in again.output
    nowhere = asked("replay", repro, "-q", "--export-dir", "no/where")
    assert nowhere.exit_code == 2 and "there is no folder no" in nowhere.output


HOSTILE = "\"\"\"\n'''\\N{BULLET}\\\n#{__import__('os')}\x00\u202e{0}%s"


def test_a_hostile_repro_becomes_text(tmp_path):
    marker = tmp_path / "marker"
    payload = HOSTILE + f'");open({str(marker)!r},"w");("'
    case = SavedCase(payload, payload, 0, payload, payload, payload, payload, "restarted", steps=(
        Step(payload, {payload: payload}), Step("act", {"action": payload, "n": 1.5, "deep": [payload]}),
    ))  # fmt: skip
    source = regression_file(ReproFile("crash-harness repro", 1, case, payload, payload), "1.0")
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert {call.func.id for call in calls} == {"regression_test", "step"}
    assert "\x00" not in source and "\u202e" not in source
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert values.count(payload) == 4 + 1 + 2 + 2
    assert not marker.exists()


def test_what_only_pytest_can_run_needs_no_other_test():
    case = SavedCase("test_x.py::test_one[3]", "workload", 0, "strict", "lost", "", "", "restarted")
    with pytest.raises(ReproError, match=r"belongs to test_x.py::test_one\[3\]: that test fails on it already"):
        regression_file(ReproFile("crash-harness repro", 1, case, test="test_x.py::test_one[3]"), "1.0")


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"workload": "nothing"}, ValueError, "no workload 'nothing' in voice_call: it has "),
        ({"workload": "inbound", "profile": "zfs"}, ValueError, "no durability profile 'zfs'"),
        ({"workload": "inbound", "kind": "luck"}, ValueError, "kind 'luck' is none of deaths, faults"),
        ({"workload": "inbound", "kind": "history", "steps": [step("act", action="fly")]}, RegressionError, "fly"),
    ],
)
def test_what_cannot_be_said_is_an_error(arguments, error, says):
    with pytest.raises(error, match=says):
        regression_test("voice_call", verdict="lost", **arguments)


def test_a_history_is_played_step_by_step():
    steps = [step("wait", seconds=1.0), step("die", how="strict", state=3, after=0), step("settle")]
    regression_test("voice_call", verdict="lost", workload="inbound", kind="history", steps=steps)
    case = SavedCase("voice_call", "inbound", 0, "strict", "lost", "", "", "restarted", steps=tuple(steps))
    source = regression_file(ReproFile("crash-harness repro", 1, case), "1.0")
    assert 'step("die", how="strict", state=3, after=0),' in source
    assert json.loads(msgspec.json.encode(case))["steps"][0]["do"] == "wait"
    run_test_in(source)
