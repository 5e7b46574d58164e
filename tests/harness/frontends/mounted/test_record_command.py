"""`harness record`: a trace file, the program's own output, and one sentence for whatever cannot be recorded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.frontends.mounted.choke_point import ChokePoint
from harness.frontends.mounted.inodes import InodeTable
from harness.frontends.mounted.keeper import Keeper
from harness.frontends.mounted.session import Session
from harness.trace import Create, Fsync, Mark, Trace, Write, decode

APPEND = (
    "import os; f = open(os.environ['HARNESS_ROOT'] + '/log', 'w'); f.write('x'); f.flush(); os.fsync(f.fileno()); "
    "print('safe')"
)


def record(*words: object) -> Result:
    return CliRunner().invoke(main, ["record", *[str(word) for word in words]])


def sentence(result: Result) -> str:
    assert result.exit_code == 2, result.output
    lines = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    return lines[0].removeprefix("Error: ")


@pytest.mark.fuse
def test_a_program_is_recorded_and_its_output_printed_through(root: Path, tmp_path: Path) -> None:
    trace = tmp_path / "run.trace"
    command = [sys.executable, "-m", "harness.cli", "record", "--root", str(root), "-o", str(trace), "--"]
    done = subprocess.run([*command, sys.executable, "-S", "-c", APPEND], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "safe\n")
    assert "3 operations of 1 process and 1 mark" in done.stderr and "exit code 0" in done.stderr
    recorded = decode(trace.read_bytes())
    assert recorded.items == [Create(2, 1, "log"), Write(2, 0, b"x"), Fsync(2), Mark("printed", "safe")]
    assert recorded.program is not None and recorded.program.exit_code == 0
    assert os.listdir(root) == []


@pytest.mark.fuse
def test_the_folder_is_named_in_the_command_and_filled_by_the_setup(root: Path, tmp_path: Path) -> None:
    trace = tmp_path / "run.trace"
    result = record(
        "--root", root, "-o", trace, "--setup", "echo old > {root}/f", "-q", "--", "cp", "{root}/f", "{root}/g"
    )
    assert result.exit_code == 0, result.output
    recorded = decode(trace.read_bytes())
    assert [type(item) for item in recorded.base] == [Create, Write]
    assert recorded.items == [Create(3, 1, "g"), Write(3, 0, b"old\n")]


@pytest.mark.fuse
def test_a_program_that_fails_is_recorded_and_told(root: Path, tmp_path: Path) -> None:
    result = record("--root", root, "-o", tmp_path / "t", "--", "sh", "-c", "echo x > $HARNESS_ROOT/f; exit 3")
    assert result.exit_code == 4
    assert "the program ended with exit code 3" in result.output
    assert decode((tmp_path / "t").read_bytes()).operation_count == 2


@pytest.mark.fuse
def test_a_program_that_does_not_end_is_killed(root: Path, tmp_path: Path) -> None:
    result = record("--root", root, "-o", tmp_path / "t", "--timeout", "0.5", "--", "sleep", "600")
    assert result.exit_code == 4
    assert "ran out of time" in result.output


@pytest.mark.fuse
def test_a_program_that_does_nothing_there_is_told_where_to_write(root: Path, tmp_path: Path) -> None:
    assert "does the program use {root} or HARNESS_ROOT?" in record("--root", root, "-o", tmp_path / "t", "true").output


@pytest.mark.fuse
def test_output_that_came_only_at_the_end_is_pointed_out(root: Path, tmp_path: Path) -> None:
    result = record("--root", root, "-o", tmp_path / "t", "sh", "-c", "echo 1 > $HARNESS_ROOT/f; echo done")
    assert "it buffers its output" in result.output


@pytest.mark.fuse
def test_what_cannot_be_started_is_one_sentence(root: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("x")
    start = ("--root", root, "-o", tmp_path / "t")
    assert sentence(record(*start, "no-such-program")) == (
        "no-such-program: no such program; name one that is on PATH, or give its path"
    )
    assert sentence(record(*start, plain)) == f"{plain} is not executable: `chmod +x` it, or name its interpreter first"
    assert sentence(record(*start, "--setup", "exit 7", "true")).startswith("--setup ended with exit code 7")
    assert sentence(record(*start, "--setup", "no-such-program", "true")).startswith("--setup: no program")
    assert os.listdir(root) == []


def test_a_root_that_cannot_be_covered_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("harness.frontends.mounted.session.find_tool", lambda: "fusermount3")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    full, file, busy = tmp_path / "full", tmp_path / "full" / "file", Path("/proc")
    output = ("-o", tmp_path / "t", "true")
    assert sentence(record("--root", full, *output)) == (
        f"{full} is not empty (file is in it): name an empty folder, and fill it with --setup"
    )
    assert "is not a folder" in sentence(record("--root", file, *output))
    assert "is not a folder" in sentence(record("--root", file / "below", *output))
    assert sentence(record("--root", busy, *output)).startswith("/proc is busy: something is mounted there already")


@pytest.mark.fuse
def test_a_mount_that_does_not_answer_is_told_to_be_busy(root: Path, tmp_path: Path) -> None:
    with Keeper() as keeper, Session(root, InodeTable(), ChokePoint(Trace()), keeper):
        assert sentence(record("--root", root, "-o", tmp_path / "t", "true")) == (
            f"{root} is busy: something is mounted there already, unmount it (`fusermount3 -u -z {root}`)"
        )


@pytest.mark.parametrize(
    ("device", "tool", "words"),
    [
        ("/dev/no-fuse", "fusermount3", ["/dev/no-fuse is missing", "modprobe fuse", "--device /dev/fuse"]),
        ("/dev/null", "no-fusermount3", ["no-fusermount3 is missing", "package fuse3"]),
    ],
)
def test_a_machine_without_fuse_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str, tool: str, words: list[str]
) -> None:
    monkeypatch.setattr("harness.frontends.mounted.requirements.DEVICE", device)
    monkeypatch.setattr("harness.frontends.mounted.requirements.TOOL", tool)
    said = sentence(record("--root", tmp_path / "root", "-o", tmp_path / "t", "true"))
    assert all(word in said for word in words)


def test_a_trace_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    said = sentence(record("--root", tmp_path / "root", "-o", tmp_path / "missing" / "t", "true"))
    assert said == f"-o {tmp_path}/missing/t: cannot write into {tmp_path}/missing"


def test_the_help_shows_examples() -> None:
    text = record("--help").output
    assert "harness record --root /tmp/box -o writer.trace -- python3 writer.py {root}" in text
    assert "HARNESS_ROOT" in text
