"""Small programs whose right answer is known, swept and judged by a shell script."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.anyprogram.case_file import (
    CaseError,
    checker_of,
    is_case_file,
    load_case,
    play_case,
    save_case,
)
from harness.anyprogram.checker import CheckerError, checker
from harness.anyprogram.crash import Crashed, crash
from harness.anyprogram.recorded_run import RecordedRun, run_of
from harness.anyprogram.sweep import Request
from harness.cli import main
from harness.durability.crash_states import CrashStates
from harness.durability.profiles import profile
from harness.explore.tally import Finding
from harness.gate.outcome import Outcome
from harness.trace import (
    Create,
    Fsync,
    Item,
    Link,
    Mark,
    Program,
    Rename,
    Source,
    SyncAll,
    Trace,
    Truncate,
    Write,
    encode,
)

LOG_CHECK = """\
#!/bin/sh
# every line told is a line of the log
while read -r line; do
  grep -qx "$line" log 2>/dev/null || { echo "$line is lost"; exit 1; }
done
"""

STATE_CHECK = """\
#!/bin/sh
# the state is a whole value, and none older than the last one told
told=0
while read -r number; do told=$number; done
value=$(cat state) || exit 1
case $value in value[012]) ;; *) echo "the state is '$value'"; exit 1 ;; esac
[ "${value#value}" -ge "$told" ] || { echo "$value after $told was told"; exit 1; }
"""


def told(text: object) -> Mark:
    return Mark("printed", str(text))


def a_run(*items: Item, base: Sequence[Item] = (), name: str = "a.trace") -> RecordedRun:
    """Each item comes from a line of its own."""
    trace = Trace(base, Program(("./a",)))
    for number, item in enumerate(items):
        trace.record(item, None if isinstance(item, Mark) else Source("a.py", number + 1), float(number))
    return run_of(name, trace)


def appended(number: int, *, synced: bool, told_first: bool = False) -> list[Item]:
    write = Write(2, 5 * number, b"rec%d\n" % number)
    tail: list[Item] = [told(f"rec{number}")]
    if synced:
        tail.insert(1 if told_first else 0, Fsync(2))
    return [write, *tail]


def replaced(number: int, *, file: bool, folder: bool) -> list[Item]:
    ino = 2 + number
    items: list[Item] = [Create(ino, 1, "tmp"), Write(ino, 0, b"value%d" % number)]
    items += [Fsync(ino)] * file
    items.append(Rename(ino, 1, "tmp", 1, "state", ino - 1))
    items += [Fsync(1)] * folder
    return [*items, told(number)]


STATE = (Create(2, 1, "state"), Write(2, 0, b"value0"))


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    for name, text in (("log.sh", LOG_CHECK), ("state.sh", STATE_CHECK)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def swept(
    run: RecordedRun, folder: Path, command: str, profiles: tuple[str, ...] = ("process", "strict"), **more: object
) -> Crashed:
    used = checker(command, typed_in=folder, time_limit_s=float(str(more.pop("time_limit_s", 20.0))))
    return crash(run, used, Request(profiles=profiles, jobs=2, **more))  # type: ignore[arg-type]  # of the test's own


def findings(crashed: Crashed) -> list[Finding]:
    return [one for result in crashed.report.results for one in result.total.findings]


def test_an_append_that_is_synced_before_it_is_told_holds(scripts: Path) -> None:
    run = a_run(Create(2, 1, "log"), Fsync(1), *appended(0, synced=True), *appended(1, synced=True))
    crashed = swept(run, scripts, "./log.sh")
    assert crashed.report.outcome == Outcome.HELD and not findings(crashed)
    for result in crashed.report.results:
        assert result.total.exhaustive and result.total.complete
        assert result.total.checked == result.total.distinct > 0


def test_an_append_that_is_never_synced_is_lost(scripts: Path) -> None:
    run = a_run(Create(2, 1, "log"), Fsync(1), *appended(0, synced=False), *appended(1, synced=False))
    crashed = swept(run, scripts, "./log.sh")
    assert crashed.report.outcome == Outcome.VIOLATION
    first, second = findings(crashed)
    assert (first.verdict, first.summary) == ("check-failed", "rec0 is lost")
    assert (first.operation, first.source, first.kill_point) == ("5 of 5 bytes of the write to /log", "a.py:3", 4)
    assert (second.source, second.summary) == ("a.py:5", "rec1 is lost")
    assert "process" not in first.profiles and {"strict", "ext4", "xfs", "btrfs"} <= set(first.profiles)
    assert first.count > 1


def test_what_is_told_before_the_sync_is_lost_until_then(scripts: Path) -> None:
    run = a_run(Create(2, 1, "log"), Fsync(1), *appended(0, synced=True, told_first=True))
    (finding,) = findings(swept(run, scripts, "./log.sh"))
    assert (finding.summary, finding.source, finding.kill_point) == ("rec0 is lost", "a.py:3", 4)


def test_a_name_that_is_never_synced_is_a_cause_of_its_own(scripts: Path) -> None:
    run = a_run(Create(2, 1, "log"), *appended(0, synced=True))
    (finding,) = findings(swept(run, scripts, "./log.sh"))
    assert (finding.operation, finding.source) == ("the entry log in /", "a.py:1")
    assert "strict" in finding.profiles
    assert not {"process", "ext4", "xfs", "btrfs"} & set(finding.profiles)
    assert swept(run, scripts, "./log.sh", ("ext4", "xfs", "btrfs")).report.outcome == Outcome.HELD


def test_the_textbook_replacement_holds(scripts: Path) -> None:
    run = a_run(*replaced(1, file=True, folder=True), *replaced(2, file=True, folder=True), base=STATE)
    assert swept(run, scripts, "./state.sh").report.outcome == Outcome.HELD


def test_a_replacement_without_the_files_sync_is_torn(scripts: Path) -> None:
    run = a_run(*replaced(1, file=False, folder=True), base=STATE)
    found = findings(swept(run, scripts, "./state.sh", ("strict",)))
    assert {one.source for one in found} == {"a.py:2"}
    assert all("of the write to /" in one.operation for one in found)
    assert all("ext4-documented" not in one.profiles and "ext4" in one.profiles for one in found)
    assert swept(run, scripts, "./state.sh", ("ext4-documented",)).report.outcome == Outcome.HELD


def test_a_replacement_without_the_folders_sync_is_undone(scripts: Path) -> None:
    run = a_run(*replaced(1, file=True, folder=False), base=STATE)
    (finding,) = findings(swept(run, scripts, "./state.sh"))
    assert finding.summary == "value0 after 1 was told"
    assert finding.operation == "the rename of /tmp to /state"
    assert finding.source == "a.py:4"


def test_a_rewrite_in_place_does_not_even_survive_a_killed_process(scripts: Path) -> None:
    run = a_run(Truncate(2, 0), Write(2, 0, b"value1"), Fsync(2), told(1), base=STATE)
    crashed = swept(run, scripts, "./state.sh", ("process",))
    (finding,) = findings(crashed)
    assert finding.operation == "last before the death: truncate /state to 0 bytes"
    assert finding.kill_point == 1 and finding.source == "a.py:1"
    assert set(finding.profiles) >= {"process", "strict", "ext4", "ext4-journal"}


def test_one_bug_in_many_states_is_one_finding_with_a_count(scripts: Path) -> None:
    items = [item for number in range(5) for item in appended(number, synced=False)]
    trace = Trace((Create(2, 1, "log"),), Program(("./a",)))
    for number, item in enumerate(items):
        place = f"{number // 2 + 1}th write to log"
        trace.record(item, None if isinstance(item, Mark) else Source("a", 0, place), 0.0)
    crashed = swept(run_of("a.trace", trace), scripts, "./log.sh", ("ext4",))
    (finding,) = findings(crashed)
    assert finding.source == "a: 1th write to log"
    assert finding.count == len([*findings(crashed)]) * finding.count > 5


def test_a_disk_that_two_profiles_allow_is_checked_once(scripts: Path) -> None:
    run = a_run(Create(2, 1, "log"), Fsync(1), *appended(0, synced=True))
    both, strict = swept(run, scripts, "./log.sh"), swept(run, scripts, "./log.sh", ("strict",))
    assert both.checks == strict.checks == strict.report.results[0].total.checked
    assert [one.total.checked for one in both.report.results] == [one.total.distinct for one in both.report.results]


@pytest.mark.parametrize("name", ["process", "strict", "ext4", "btrfs"])
def test_the_counts_are_those_of_the_engine(scripts: Path, name: str) -> None:
    run = a_run(*replaced(1, file=False, folder=False), Link(3, 1, "more"), SyncAll(), told(2), base=STATE)
    total = swept(run, scripts, "true", (name,)).report.results[0].total
    walk = CrashStates(run.base, profile(name))
    legal, kill_points, pairs = 0, 0, set()
    for position in range(run.end + 1):
        points = [walk.at()]
        if name == "process" and position < run.end and isinstance(run.items[position], Write):
            points.append(walk.during(run.items[position]))
        for point in points:
            kill_points += 1
            legal += point.legal
            pairs |= {(image.state_key, run.told_at(position)) for _, image in point.states()}
        if position < run.end:
            walk.feed(position, run.items[position])
    assert (total.kill_points, total.legal, total.distinct, total.checked) == (
        kill_points,
        legal,
        len(pairs),
        len(pairs),
    )


def test_beyond_the_bound_it_says_bounded(scripts: Path) -> None:
    run = a_run(Create(2, 1, "log"), *(item for n in range(4) for item in appended(n, synced=False)))
    total = swept(run, scripts, "true", ("strict",), bound=5).report.results[0].total
    assert not total.exhaustive and total.checked < total.distinct


def test_a_budget_that_ends_early_is_inconclusive(scripts: Path) -> None:
    run = a_run(Create(2, 1, "log"), *(item for n in range(4) for item in appended(n, synced=False)))
    crashed = swept(run, scripts, "sleep 0.2", ("strict",), budget_s=0.5)
    assert crashed.report.outcome == Outcome.INCONCLUSIVE
    (reason,) = crashed.report.results[0].reasons
    assert reason.startswith("the budget of 0.5 s ended after all disks of 0 kill-points and the plainest 16 of ")
    assert not crashed.report.results[0].total.exhaustive


def test_the_plainest_disks_of_the_whole_run_come_first(scripts: Path) -> None:
    """A log whose first kill-points have thousands of disks, and a bug at its very end: a budget that covers a part finds it."""
    items: list[Item] = [
        Create(2, 1, "big"),
        Fsync(1),
        *(Write(2, 2_000 * n, bytes(2_000)) for n in range(3)),
        Fsync(2),
    ]
    items += [Create(3, 1, "log"), Fsync(1), Write(3, 0, b"rec0\n"), told("rec0")]
    crashed = swept(a_run(*items), scripts, "./log.sh", ("strict",), first=True)
    assert [one.summary for one in findings(crashed)] == ["rec0 is lost"]
    assert crashed.checks < 400


def test_a_trace_without_operations_is_never_held(scripts: Path) -> None:
    assert swept(a_run(told("hello")), scripts, "true").report.outcome == Outcome.INCONCLUSIVE


def test_the_first_violation_ends_it_where_asked(scripts: Path) -> None:
    run = a_run(Create(2, 1, "log"), *(item for n in range(4) for item in appended(n, synced=False)))
    every, first = swept(run, scripts, "./log.sh"), swept(run, scripts, "./log.sh", first=True)
    assert first.report.outcome == Outcome.VIOLATION and first.checks < every.checks / 2


def test_a_checker_that_refuses_the_whole_run_is_suspected(scripts: Path) -> None:
    crashed = swept(a_run(Create(2, 1, "log"), Fsync(1)), scripts, "sh -c 'echo no; exit 1'", ("process",))
    assert crashed.report.outcome == Outcome.VIOLATION
    assert "which nothing cut short: no" in " ".join(crashed.report.results[0].total.notes)


def test_a_checker_that_hangs_makes_the_state_unavailable(scripts: Path) -> None:
    run = a_run(Create(2, 1, "log"), Fsync(1), told("x"))
    command = "sh -c 'read -r line || exit 0; sleep 600'"
    crashed = swept(run, scripts, command, ("process",), time_limit_s=0.3)
    (finding,) = findings(crashed)
    assert finding.verdict == "unavailable" and "did not end within 0.3 s" in finding.summary
    saved = save_case(crashed.cases[id(finding)], scripts / "out")
    assert saved.name.startswith("unavailable-")
    assert play_case(load_case(saved), checker_of(load_case(saved))).answer.verdict == "unavailable"


def test_a_checker_that_changes_its_mind_is_told(scripts: Path) -> None:
    once = scripts / "once"
    run = a_run(Create(2, 1, "log"), Fsync(1))
    command = f"sh -c '[ -e log ] || exit 0; [ -e {once}2 ] && exit 0; [ -e {once}1 ] && : > {once}2; : > {once}1'"
    crashed = swept(run, scripts, command.replace(f": > {once}1'", f": > {once}1; exit 1'"), ("process",))
    notes = " ".join(crashed.report.results[0].total.notes)
    assert findings(crashed) and "did not say the same again" in notes


def test_what_a_checker_does_to_its_folder_reaches_no_other_state(scripts: Path) -> None:
    """It repairs the log with a forged record, deletes, links and closes what it can; the next state knows nothing of it."""
    run = a_run(Create(2, 1, "log"), Fsync(1), *appended(0, synced=False), *appended(1, synced=False))
    hostile = scripts / "hostile.sh"
    hostile.write_text(
        LOG_CHECK.replace(
            "while",
            'trap "echo rec0 > log; echo rec1 >> log; ln -sf /etc/passwd link; chmod 0 log; mkdir d" EXIT\nwhile',
        )
    )
    hostile.chmod(0o755)
    honest = [(one.source, one.count, one.summary) for one in findings(swept(run, scripts, "./log.sh"))]
    assert [(one.source, one.count, one.summary) for one in findings(swept(run, scripts, "./hostile.sh"))] == honest


@pytest.mark.parametrize(
    "mischief", ["rm -rf ../root", "rm -rf {root}/* ../../*", "setsid sleep 600 &", "chmod 000 . ..", "mv . ../away"]
)
def test_a_hostile_checker_ends_with_the_sweep(scripts: Path, mischief: str) -> None:
    run = a_run(Create(2, 1, "log"), Fsync(1), *appended(0, synced=True))
    crashed = swept(run, scripts, f"{mischief} exit 0" if mischief.endswith("&") else f"{mischief}; exit 0")
    assert crashed.report.outcome == Outcome.HELD
    assert not [name for name in os.listdir("/dev/shm") if name.startswith(f"harness-states-{os.getpid()}-")]
    listed = subprocess.run(["ps", "-o", "args=", "--ppid", str(os.getpid())], stdout=subprocess.PIPE, text=True).stdout
    assert "sleep 600" not in listed


def test_a_checker_that_a_shell_cannot_run_is_a_sentence(scripts: Path) -> None:
    with pytest.raises(CheckerError, match="the shell cannot run 'nowhere-at-all > /dev/null'"):
        swept(a_run(Create(2, 1, "log")), scripts, "nowhere-at-all > /dev/null")


# -- saved cases -------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(scripts: Path) -> Path:
    run = a_run(Create(2, 1, "log"), Fsync(1), *appended(0, synced=False), *appended(1, synced=False))
    crashed = swept(run, scripts, "./log.sh")
    finding = findings(crashed)[0]
    return save_case(crashed.cases[id(finding)], scripts / "out")


def test_a_saved_case_plays_by_itself_until_the_bug_is_gone(saved: Path, scripts: Path, tmp_path: Path) -> None:
    assert saved.name.startswith("check-failed-") and saved.name.endswith(".repro.json") and is_case_file(saved)
    case = load_case(saved)
    played = play_case(case, checker_of(case))
    assert (played.answer.verdict, played.answer.summary, played.matches) == ("check-failed", "rec0 is lost", True)
    assert len(played.run.items) == 4  # not more than led to it
    (scripts / "log.sh").write_text("#!/bin/sh\nexit 0\n")
    assert play_case(case, checker_of(case)).answer.held


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"schema": 1', '"schema": 2', "reads up to 1: upgrade"),
        ('"schema": 1', '"schema": "x"', "not a positive number"),
        ('"name": "log"', '"name": "../log"', "is no file name"),
        ('"position": 4', '"position": 400', "no kill-point 400"),
        ('"profile": "strict"', '"profile": "fat"', "no durability profile 'fat'"),
        ('"kind": "crash-harness check"', '"kind": "other"', 'lacks "kind"'),
        ('"offset": 0', '"offset": -1', "beyond"),
        ('"offset": 0', '"offset": "x"', "not a trace file"),
    ],
)
def test_a_strangers_case_is_checked_before_it_is_played(saved: Path, old: str, new: str, why: str) -> None:
    text = saved.read_text()
    assert old in text
    saved.write_text(text.replace(old, new, 1))
    with pytest.raises(CaseError) as error:
        crash_case = load_case(saved)
        play_case(crash_case, checker_of(crash_case))
    assert why in str(error.value)


# -- the command -------------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_what_was_found_and_ends_the_checkers(scripts: Path) -> None:
    run = a_run(Create(2, 1, "log"), *(item for n in range(6) for item in appended(n, synced=False)))
    (scripts / "a.trace").write_bytes(encode(run.trace))
    (scripts / "slow.sh").write_text(
        LOG_CHECK.replace("exit 1", f"echo x >> {scripts}/refused; exit 1") + "sleep 0.1\n"
    )
    (scripts / "slow.sh").chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "crash", "a.trace", "--check", "./slow.sh", "--json", "out.json"],
        cwd=scripts,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until(lambda: (scripts / "refused").exists())
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    document = json.loads((scripts / "out.json").read_text())
    assert document["outcome"] == "interrupted" and document["scenarios"][1]["violations"]
    assert "VIOLATION  check-failed" in output
    assert not document["scenarios"][1]["crash_states"]["exhaustive"]
    assert not [name for name in os.listdir("/dev/shm") if name.startswith(f"harness-states-{process.pid}-")]


def test_the_command_tells_saves_and_exits(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scripts)
    run = a_run(Create(2, 1, "log"), Fsync(1), *appended(0, synced=False))
    (scripts / "a.trace").write_bytes(encode(run.trace))
    done = CliRunner().invoke(main, ["crash", "a.trace", "--check", "./log.sh", "--json", "out.json", "--jobs", "2"])
    assert done.exit_code == 1, done.output
    assert "check-failed: rec0 is lost" in done.output and "a.py:3" in done.output
    document = json.loads((scripts / "out.json").read_text())
    assert (document["schema"], document["outcome"], document["profiles"]) == (1, "violation", ["process", "strict"])
    process, strict = document["scenarios"]
    assert process["violations"] == [] and process["crash_states"]["exhaustive"]
    (violation,) = strict["violations"]
    assert {key: violation[key] for key in ("verdict", "summary", "source", "kill_point")} == {
        "verdict": "check-failed",
        "summary": "rec0 is lost",
        "source": "a.py:3",
        "kill_point": 4,
    }
    again = CliRunner().invoke(main, ["replay", violation["repro"], "--json", "-"])
    assert again.exit_code == 1 and json.loads(again.stdout)["verdict"] == "check-failed"
    shown = CliRunner().invoke(main, ["replay", violation["repro"]])
    assert "not on the disk: item 2: 5 of 5 bytes of the write to /log" in shown.output
    held = CliRunner().invoke(main, ["crash", "a.trace", "--check", "true", "-q"])
    assert (held.exit_code, held.output) == (0, "held\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["absent.trace", "--check", "true"], "cannot read absent.trace"),
        (["state.sh", "--check", "true"], "not a trace file"),
        (["a.trace"], "Missing option '--check'"),
        (["a.trace", "--check", "./absent"], "does not exist"),
        (["a.trace", "--check", "./plain"], "is not executable"),
        (["a.trace", "--check", "true", "--profile", "fat"], "no durability profile 'fat'"),
        (["a.trace", "--check", "true", "--budget", "-1"], "is not a positive number"),
        (["a.trace", "--check", "true", "--timeout", "0"], "needs more than 0 seconds"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_code_two(
    scripts: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(scripts)
    (scripts / "plain").write_text("x")
    (scripts / "a.trace").write_bytes(encode(a_run(Create(2, 1, "log")).trace))
    done = CliRunner().invoke(main, ["crash", *words])
    assert done.exit_code == 2 and sentence in done.output and "Traceback" not in done.output


def test_a_sweep_that_is_killed_leaves_no_checker_and_no_state(scripts: Path) -> None:
    (scripts / "a.trace").write_bytes(encode(a_run(Create(2, 1, "log"), *appended(0, synced=False)).trace))
    (scripts / "long.sh").write_text(f"#!/bin/sh\necho $$ >> {scripts}/started\ncd /\nsleep 600 &\nwait\n")
    (scripts / "long.sh").chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "crash", "a.trace", "--check", "./long.sh", "--jobs", "2", "-q"],
        cwd=scripts,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: (scripts / "started").exists())
    process.kill()
    process.wait()
    pids = (scripts / "started").read_text().split()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    until(lambda: not [name for name in os.listdir("/dev/shm") if name.startswith(f"harness-states-{process.pid}-")])


def until(holds: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
