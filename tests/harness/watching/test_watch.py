"""`harness watch` as a person starts it: it tells what shows, sees an edit, and leaves when it is asked to."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.watching.errands import Errand, errands, newest_cases
from harness.watching.process import Process
from harness.watching.sources import Sources
from harness.watching.watch import watch

sys.path.insert(0, str(Path(__file__).parents[1]))
import subject_files
from command_line import SUBJECT, asked, written


@contextlib.contextmanager
def watching(*arguments):
    """The process, its output as lines; gone at the end, whatever happened."""
    command = [sys.executable, "-u", "-m", "harness.cli", "watch", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def said_until(process, words):
    """All lines up to the one with these words."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError(f"it ended without {words!r}: {''.join(lines)}")


def test_a_saved_case_and_a_quick_sweep_before_and_after_the_fix(saved):
    with watching(SUBJECT) as process:
        first = said_until(process, "waiting for a change")
        assert f"{saved}  still shows" in first and "VIOLATION" in first
        written(Path.cwd(), subject_files.LOSES.replace("sync=False", "sync=True"))
        second = said_until(process, "waiting for a change")
        assert f"{SUBJECT} changed" in second
        assert f"{saved}  does not show any more" in second and "VIOLATION" not in second
        process.send_signal(signal.SIGINT)
        assert said_until(process, "left") and process.wait(20) == 130


def test_a_termination_in_the_middle_leaves_no_process(here, tmp_path):
    endless = tmp_path / "child.pid"
    code = f"import os, time; open({str(endless)!r}, 'w').write(str(os.getpid()))\nwhile True: time.sleep(60)"
    errand = Errand("endless", (sys.executable, "-c", code), spoken=True)

    class Once:
        def begins(self, files, errands): ...
        def starts(self, errand): ...
        def ended(self, errand, exit_code, said): ...
        def waits(self, finished): ...

    class UntilItRuns(Sources):
        def look(self):
            if endless.exists() and endless.read_text():
                raise KeyboardInterrupt
            return {}

    with pytest.raises(KeyboardInterrupt):
        watch(UntilItRuns([]), lambda: [errand], Once(), pause_s=0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(int(endless.read_text()), 0)


def test_a_change_in_the_middle_begins_the_round_anew():
    told = []
    looks = iter([{}, {}, {}, {"a.py": (1, 1)}, {"a.py": (1, 1)}, {"a.py": (1, 1)}])

    class Changing(Sources):
        def look(self):
            return next(looks, {"a.py": (1, 1)})

    class Telling:
        def begins(self, files, errands):
            told.append(("begins", tuple(files)))
            if files:
                raise KeyboardInterrupt

        def starts(self, errand): ...

        def ended(self, errand, exit_code, said):
            told.append(("ended", exit_code))

        def waits(self, finished):
            told.append(("waits", finished))

    endless = Errand("endless", (sys.executable, "-c", "while True: pass"), spoken=False)
    with pytest.raises(KeyboardInterrupt):
        watch(Changing([]), lambda: [endless], Telling(), pause_s=0.01)
    assert told == [("begins", ()), ("waits", False), ("begins", ("a.py",))]


def test_a_process_that_does_not_end_when_asked_is_killed(monkeypatch):
    monkeypatch.setattr("harness.watching.process.ENDS_WITHIN_S", 0.05)
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True)\nwhile True: pass"
    with Process(Errand("deaf", (sys.executable, "-c", code), spoken=False)) as process:
        pid = process._process.pid
        process._process.stdout.readline()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_newest_cases_come_first_and_no_more_than_asked(tmp_path):
    for number in range(3):
        file = tmp_path / f"lost-{number}.repro.json"
        file.write_text("{}")
        os.utime(file, (number, number))
    assert [file.name for file in newest_cases(tmp_path, 2)] == ["lost-2.repro.json", "lost-1.repro.json"]
    assert len(errands(tmp_path, 2, ("voice_call",))) == 3


def test_a_case_of_a_test_with_fixtures_is_replayed_by_pytest(losing, here):
    (file,) = losing.folder.glob(".harness/*.repro.json")
    case = Path(shutil.copy(file, here))
    case.write_text(case.read_text().replace('"test": ""', '"test": "test_a.py::test_b"'))
    (errand,) = errands(here, 9, ())
    assert "pytest" in errand.command and errand.command[-1] == "test_a.py::test_b"


def test_nothing_to_run_is_a_usage_error(here, monkeypatch):
    monkeypatch.setattr("harness.subjects.known_names", list)
    result = asked("watch")
    assert result.exit_code == 2 and "nothing to run" in result.stderr
