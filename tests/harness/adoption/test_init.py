"""`harness init` on programs of several kinds: what it writes is run as it was written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
import sample_programs as samples
from command_line import asked, typed

import harness.adoption
from harness.adoption.plan import NothingToTest, plan_for
from harness.adoption.subject import look_at

WORKFLOW = ".github/workflows/crash.yml"


def placed(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run_lines(folder):
    """The commands of the workflow, without those that fetch something."""
    steps = yaml.safe_load((folder / WORKFLOW).read_text())["jobs"]["crash"]["steps"]
    lines = [step["run"] for step in steps if "run" in step]
    return [line for line in lines if not line.startswith(("pip ", "sudo "))]


@pytest.mark.parametrize(
    "files, test_file, exit_code, says",
    [
        ({"jobs.py": samples.JOB_LOG}, "test_crash_jobs.py", 1, "lost: ['item-1']"),
        (
            {"src/kv/__init__.py": "", "src/kv/store.py": samples.KEY_VALUE, "tests/test_store.py": ""},
            "tests/test_crash_store.py",
            0,
            "held",
        ),
        ({"session.py": samples.SESSION}, "test_crash_session.py", 1, "issued by session.py:"),
        ({"counting/counter.py": samples.COUNTER}, "test_crash_counter.py", 1, "short write of 1 byte"),
    ],
)
def test_what_is_written_runs_as_it_is(here, files, test_file, exit_code, says):
    placed(here, files)
    result = asked("init")
    assert result.exit_code == 0, result.output
    assert f"wrote {test_file}" in result.stdout and f"wrote {WORKFLOW}" in result.stdout
    assert result.stdout.endswith(f"now:  harness run {test_file}\n")
    assert run_lines(here) == [f"harness run {test_file} --github"]
    ran = typed("run", test_file, "--github", "--jobs", "1")
    assert ran.returncode == exit_code, ran.stdout + ran.stderr
    assert says in ran.stdout


def test_what_is_written_is_a_pytest_file_as_well(here):
    placed(here, {"src/kv/__init__.py": "", "src/kv/store.py": samples.KEY_VALUE, "tests/conftest.py": ""})
    asked("init", "src")
    command = [sys.executable, "-m", "pytest", "-q", "tests/test_crash_store.py"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=here)
    assert ran.returncode == 0 and "1 passed" in ran.stdout, ran.stdout


def test_nothing_that_exists_is_written_over(here):
    placed(here, {"session.py": samples.SESSION, WORKFLOW: "mine"})
    result = asked("init", "session.py")
    assert result.exit_code == 2 and WORKFLOW in result.stderr
    assert (here / WORKFLOW).read_text() == "mine" and not (here / "test_crash_session.py").exists()


def test_the_program_is_read_and_not_run(here):
    placed(here, {"session.py": samples.SESSION + "\nraise SystemExit('run')\n"})
    assert asked("init").exit_code == 0


def test_another_program_gets_scripts(here):
    placed(here, {"save.sh": samples.SHELL})
    result = asked("init", "save.sh")
    assert result.exit_code == 0 and result.stdout.endswith("now:  sh crash/record.sh\n"), result.output
    assert run_lines(here) == ["sh crash/record.sh"]
    for script in ("crash/record.sh", "crash/check.sh"):
        assert subprocess.run(["sh", "-n", script], cwd=here).returncode == 0
    state = here / "state"
    state.mkdir()
    check = ["sh", str(here / "crash/check.sh")]
    environment = {**os.environ, "HARNESS_ROOT": str(state)}
    assert subprocess.run(check, cwd=state, env=environment, input=b"saved 1\n").returncode == 0
    placed(here, {"save.sh": "exit 3\n"})
    refused = subprocess.run(check, cwd=state, env=environment, input="", capture_output=True, text=True)
    assert refused.returncode == 1 and "does not start again: exit code 3" in refused.stdout


@pytest.mark.fuse
def test_the_scripts_record_and_sweep_as_they_are(here):
    placed(here, {"save.sh": samples.SHELL})
    asked("init", "save.sh")
    harness = here / "bin" / "harness"
    placed(here, {"bin/harness": f'#!/bin/sh\nexec {sys.executable} -m harness.cli "$@"\n'})
    harness.chmod(0o755)
    environment = {**os.environ, "PATH": f"{harness.parent}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["sh", "crash/record.sh", "--jobs", "1"], cwd=here, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0 and "held" in ran.stdout, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "files, asked_for, says",
    [
        ({}, ".", "no Python file"),
        ({"a.py": "x = 1\n"}, ".", "README"),
        ({"a.py": "import sqlite3\n" + samples.SESSION}, ".", "it uses sqlite3"),
        ({"a.py": samples.SESSION + "if __name__ == '__main__': pass\nimport mmap\n"}, ".", "harness init a.py"),
        ({"a.py": "def f(:\n"}, "a.py", "cannot be read as Python"),
        ({"a.bin": ""}, "a.bin", "chmod +x a.bin"),
        ({}, "gone.py", "there is no gone.py"),
    ],
)
def test_a_program_that_cannot_be_tested_is_told_so(here, files, asked_for, says):
    placed(here, files)
    result = asked("init", asked_for)
    assert result.exit_code == 2 and says in result.stderr, result.output
    assert not (here / ".github").exists()


def test_a_script_that_a_simulated_disk_cannot_hold_is_recorded(here):
    placed(here, {"a.py": "import sqlite3\n" + samples.SESSION + "if __name__ == '__main__': pass\n"})
    assert set(plan_for(Path("a.py"), here).files) == {"crash/record.sh", "crash/check.sh", WORKFLOW}


@pytest.mark.parametrize(
    "source, called, shown, replaces",
    [
        (samples.JOB_LOG, "JobLog.append", "list({self})", False),
        (samples.KEY_VALUE, "Store.put", '{self}.get(f"key-{item}")', False),
        (samples.SESSION, ".save_session", "load_session({place})", True),
        (samples.COUNTER, "Counter.record", None, False),
        (
            "class Notes:\n"
            "    def __init__(self, path):\n        self.entries = open(path).read().splitlines()\n"
            "    def add(self, text): open(self.path, 'a').write(text)\n",
            "Notes.add",
            "{self}.entries",
            False,
        ),
        (
            "from dataclasses import dataclass\nimport pathlib\n"
            "@dataclass\nclass Flag:\n    place: pathlib.Path\n"
            "    def set(self, value: bytes): self._write(value)\n"
            "    def _write(self, value): self.place.write_bytes(value)\n"
            "    @property\n    def state(self): return self.place.read_bytes()\n",
            "Flag.set",
            "{self}.state",
            True,
        ),
        (
            "class Session:\n"
            "    def __init__(self, folder: str): ...\n"
            "    def path(self): return self.folder\n"
            "    @property\n    def user(self) -> str | None: return self.file.read_text()\n"
            "    def begin(self, user: str): self.file.write_text(user)\n",
            "Session.begin",
            "{self}.user",
            True,
        ),
        (
            "def put(path, key, value):\n    open(path, 'a').write(value)\ndef get(path, key):\n    return open(path).read()\n",
            ".put",
            'get({place}, f"key-{item}")',
            False,
        ),
    ],
)
def test_who_writes_and_who_shows(tmp_path, source, called, shown, replaces):
    file = tmp_path / "program.py"
    file.write_text(source)
    found = look_at(file).subject
    assert f"{found.owner}.{found.writer}" == called
    assert (found.reader.shown if found.reader else None) == shown
    assert found.replaces is replaces


@pytest.mark.parametrize(
    "source",
    [
        "class Log:\n    def __init__(self, path, clock: Clock): ...\n    def add(self, x): open(self.path, 'w')\n",
        "class Log:\n    def __init__(self): ...\n    def add(self, x): open('fixed', 'w')\n",
        "def show(path): return open(path).read()\n",
        "def save(path, events: list[Event]): open(path, 'w').write(events)\n",
        "def write(path, value): print(value)\n",
    ],
)
def test_what_only_its_author_can_call_is_no_subject(tmp_path, source):
    file = tmp_path / "program.py"
    file.write_text(source)
    assert look_at(file).subject is None


def test_any_module_can_be_looked_at():
    files = list(Path(harness.adoption.__file__).parents[1].rglob("*.py"))
    assert len([look_at(file) for file in files]) == len(files) > 100


def test_a_folder_with_nothing_is_named(tmp_path):
    with pytest.raises(NothingToTest, match=f"{tmp_path} has no Python file"):
        plan_for(tmp_path, Path())
