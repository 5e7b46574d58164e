"""A checker is a program of somebody else: what it says is told, what it does wrong is bounded."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.anyprogram.checker import OUTPUT_KEPT, CheckCancelled, CheckerError, checker, input_of
from harness.trace import Mark

PYTHON = sys.executable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def python(code: str, *, time_limit_s: float = 10.0):
    return checker(f"{PYTHON} -S -c {_quoted(code)}", time_limit_s=time_limit_s)


def _quoted(code: str) -> str:
    return "'" + code.replace("'", "'\"'\"'") + "'"


def gone(pid: int) -> bool:
    """Whether the process is over; a zombie that waits for its parent is."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_exit_zero_is_held(root: Path) -> None:
    answer = checker("true").check(root)
    assert (answer.verdict, answer.exit_code, answer.held) == ("held", 0, True)


def test_any_other_exit_is_a_violation_summed_up_by_the_last_line(root: Path) -> None:
    answer = checker("sh -c 'echo looking; echo record 3 is lost; echo; exit 7'").check(root)
    assert (answer.verdict, answer.exit_code, answer.summary) == ("check-failed", 7, "record 3 is lost")
    assert answer.output == "looking\nrecord 3 is lost\n\n"


def test_the_last_line_may_be_on_standard_error(root: Path) -> None:
    assert python("raise AssertionError('2 is missing')").check(root).summary == "AssertionError: 2 is missing"


def test_a_silent_failure_and_a_crash_are_told_in_words(root: Path) -> None:
    assert checker("false").check(root).summary == "the checker exited with 1 and said nothing"
    crashed = checker("sh -c 'echo half; kill -SEGV $$'").check(root)
    assert (crashed.verdict, crashed.summary) == (
        "check-failed",
        "the checker was ended by SIGSEGV; its last line: half",
    )


def test_it_runs_in_the_folder_which_it_finds_in_three_ways(root: Path) -> None:
    (root / "here").write_text("x")
    answer = checker(
        f"{PYTHON} -c 'import os, sys; print(os.getcwd(), os.environ[\"HARNESS_ROOT\"], sys.argv[1])' {{root}}"
    )
    assert answer.check(root).summary == f"{root} {root} {root}"
    assert checker("test -f here").check(root).held
    assert checker("cat {root}/here && test -s $HARNESS_ROOT/here").check(root).held


def test_a_shell_sees_a_root_with_spaces_as_one_word(tmp_path: Path) -> None:
    root = tmp_path / "with a space; and $more"
    root.mkdir()
    (root / "f").write_text("content")
    assert checker("cat {root}/f | grep content").check(root).held
    assert checker("cat {root}/f").check(root).held


def test_marks_are_lines_on_standard_input(root: Path) -> None:
    told = input_of([Mark("printed", "stored 1"), Mark("acknowledged", "e1"), Mark("printed", "two\nlines")])
    assert told == b"stored 1\nacknowledged e1\ntwo\\nlines\n"
    assert python("import sys; print(sys.stdin.read().split(chr(10)))").check(root, told).summary == (
        r"['stored 1', 'acknowledged e1', 'two\\nlines', '']"
    )


def test_a_checker_that_never_reads_megabytes_of_marks_is_fine(root: Path) -> None:
    assert checker("true").check(root, b"a line\n" * 500_000).held


def test_all_marks_arrive_however_many(root: Path) -> None:
    assert checker("wc -l").check(root, b"a line\n" * 500_000).summary == "500000"


def test_one_that_hangs_is_unavailable_after_the_time_limit(root: Path) -> None:
    began = time.monotonic()
    answer = checker("sh -c 'echo waiting for a lock; sleep 600'", time_limit_s=0.3).check(root)
    assert time.monotonic() - began < 5
    assert (answer.verdict, answer.exit_code) == ("unavailable", None)
    assert answer.summary == "the checker did not end within 0.3 s; its last line: waiting for a lock"


def test_one_that_ignores_signals_or_stops_itself_ends_too(root: Path) -> None:
    assert checker("trap '' TERM INT HUP; while :; do sleep 600; done", time_limit_s=0.3).check(root).exit_code is None
    assert checker("kill -STOP $$", time_limit_s=0.3).check(root).verdict == "unavailable"


def test_a_child_that_stays_is_killed_and_not_waited_for(root: Path) -> None:
    began = time.monotonic()
    answer = checker("sleep 600 & echo $!").check(root)
    assert answer.held and time.monotonic() - began < 5
    assert gone(int(answer.summary))


def test_a_child_that_prints_for_ever_does_not_keep_us(root: Path) -> None:
    began = time.monotonic()
    assert checker("yes & exit 0").check(root).held
    assert time.monotonic() - began < 5


def test_of_megabytes_of_output_only_the_end_is_kept(root: Path) -> None:
    answer = python("print(('x' * 99 + chr(10)) * 200_000); print('the end'); raise SystemExit(1)").check(root)
    assert answer.summary == "the end"
    assert len(answer.output) == OUTPUT_KEPT


def test_a_summary_is_one_short_clean_line(root: Path) -> None:
    answer = python("print(chr(27) + '[31mred' + chr(27) + '[0m' + chr(7) + 'y' * 5000); raise SystemExit(1)").check(
        root
    )
    assert answer.summary.startswith("redyyy") and len(answer.summary) <= 300
    assert checker("printf '\\377\\376broken\\n'; exit 1").check(root).summary == "\ufffd\ufffdbroken"


def test_a_check_can_be_cancelled_from_outside(root: Path) -> None:
    read, write = os.pipe()
    threading.Timer(0.2, os.write, (write, b"x")).start()
    with pytest.raises(CheckCancelled):
        checker("sleep 600").check(root, cancelled_by=read)
    os.close(read)
    os.close(write)


def test_threads_share_a_checker(root: Path) -> None:
    shared = checker("cat")
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(shared.check(root, b"%d\n" % n).summary)) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [str(n) for n in range(8)]


def test_no_descriptor_is_left_open(root: Path) -> None:
    def open_now() -> int:
        return len(os.listdir("/proc/self/fd"))

    checker("true").check(root)
    before = open_now()
    for _ in range(5):
        checker("echo x; exit 1").check(root, b"m\n")
        checker("sleep 60", time_limit_s=0.05).check(root)
    assert open_now() == before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the command is empty"),
        ("no-such-program-anywhere x", "no program 'no-such-program-anywhere' on the PATH"),
        ("./absent.sh", "absent.sh does not exist"),
        ("./plain.txt", "plain.txt is not executable: chmod +x it"),
        ("plain.txt", "write ./plain.txt"),
        ("./folder", "is no file that could be started"),
        ("'unclosed", "cannot be split into words"),
    ],
)
def test_what_cannot_be_started_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "plain.txt").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckerError, match="--check: ") as told:
        checker(text, typed_in=tmp_path)
    assert sentence in str(told.value)


def test_an_executable_without_an_interpreter_line_is_told_when_started(tmp_path: Path, root: Path) -> None:
    script = tmp_path / "noline"
    script.write_text("echo hello\n")
    script.chmod(0o755)
    with pytest.raises(CheckerError, match="neither a program nor a script that begins with #!"):
        checker(str(script)).check(root)


def test_words_that_name_files_where_the_line_was_typed_are_found_from_the_folder(tmp_path: Path, root: Path) -> None:
    (tmp_path / "check.py").write_text("print('found')")
    assert checker(f"{PYTHON} check.py", typed_in=tmp_path).check(root).summary == "found"
    script = tmp_path / "check.sh"
    script.write_text("#!/bin/sh\necho script\n")
    script.chmod(0o755)
    assert checker("./check.sh", typed_in=tmp_path).check(root).summary == "script"


def test_syntax_inside_quotes_needs_no_shell() -> None:
    assert not checker("true 'a; b > $c' \"d | e\"").command.by_shell
    assert checker('true "$HOME"').command.by_shell
    assert checker("A=1 true").command.by_shell
    assert checker("cd x").command.by_shell
