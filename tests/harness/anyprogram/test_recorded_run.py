"""Traces come from strangers: what no file system did is refused, with the item that says so, before it is written."""

from pathlib import Path

import pytest

from harness.anyprogram import recorded_run
from harness.anyprogram.recorded_run import LARGEST_DISK, UnfitTrace, load_run, run_of
from harness.trace import (
    Create,
    Fsync,
    Item,
    Link,
    Mark,
    Mkdir,
    Program,
    Rename,
    Rmdir,
    Symlink,
    Trace,
    Truncate,
    Unlink,
    Write,
    encode,
)

PROGRAM = Program(("./program",))


def trace_of(*items: Item, base: tuple[Item, ...] = ()) -> Trace:
    trace = Trace(base, PROGRAM)
    for item in items:
        trace.record(item, None, 0.0)
    return trace


def test_an_honest_trace_is_taken_with_what_was_there_before() -> None:
    trace = trace_of(
        Write(2, 3, b"more"),
        Mkdir(3, 1, "d"),
        Rename(2, 1, "old", 3, "new"),
        Mark("printed", "moved"),
        Symlink(4, 1, "s", "../anything"),
        Link(2, 1, "again"),
        Unlink(2, 3, "new"),
        Rmdir(3, 1, "d"),
        Fsync(1),
        base=(Create(2, 1, "old"), Write(2, 0, b"was")),
    )
    run = run_of("t", trace)
    assert run.base.read_file("/old") == b"was"
    assert run.disk_at(run.end).read_file("/again") == b"wasmore"
    assert run.disk_at(1).read_file("/old") == b"wasmore"
    assert (run.input_at(3), run.input_at(4), run.input_at(run.end)) == (b"", b"moved\n", b"moved\n")
    assert run.largest_state == 7


def test_a_trace_of_a_scenario_began_with_its_folders() -> None:
    trace = Trace()
    trace.record(Create(3, 2, "log"), None, 0.0)
    assert run_of("t", trace).base.lookup("/data") is not None
    with pytest.raises(UnfitTrace, match="nobody made folder 2: name the folders that were there before with --folder"):
        run_of("t", trace, ())


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc/passwd", "nul\0", "x" * 256, "é" * 128])
@pytest.mark.parametrize("kind", [Create, Mkdir])
def test_names_that_are_no_names_are_refused(kind: type[Create] | type[Mkdir], name: str) -> None:
    with pytest.raises(UnfitTrace, match=r"item 0 .*(is no file name|255 is the most)"):
        run_of("t", trace_of(kind(2, 1, name)))


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([Rename(2, 1, "d", 1, "../d")], "is no file name"),
        ([Symlink(9, 1, "s", "a\0b")], "its target is no path"),
        ([Symlink(9, 1, "s", "x" * 5_000)], "its target is no path"),
        ([Link(2, 1, "second")], "inode 2 is no file"),
        ([Link(77, 1, "second")], "inode 77 is no file"),
        ([Rename(2, 1, "d", 2, "d")], "a folder would be within itself"),
        ([Mkdir(9, 2, "e"), Rename(2, 1, "d", 9, "d")], "a folder would be within itself"),
        ([Mkdir(9, 1, "e"), Mkdir(10, 2, "in"), Rename(9, 1, "e", 1, "d", 2)], "folder 2 is not empty"),
        ([Rename(2, 1, "d", 2, "x", 3, True)], "is not inode 3"),
        ([Rename(3, 1, "other", 1, "x")], "is not called 'other'"),
        ([Rename(3, 1, "f", 1, "x", 2)], "is not inode 2"),
        ([Rename(3, 1, "f", 55, "x")], "nobody made folder 55"),
        ([Create(1, 1, "root")], "inode 1 is there already"),
        ([Create(-5, 1, "negative")], "inode -5 is there already"),
        ([Create(3, 1, "twice")], "inode 3 is there already"),
        ([Create(9, 1, "f")], "'f' is in folder 1 already"),
        ([Create(9, 3, "in-a-file")], "nobody made folder 3"),
        ([Write(2, 0, b"x")], "inode 2 is no file"),
        ([Write(3, -1, b"x")], "beyond"),
        ([Write(3, 1 << 60, b"x")], "beyond"),
        ([Truncate(3, 1 << 40)], "beyond"),
        ([Truncate(3, -1)], "beyond"),
        ([Truncate(3, LARGEST_DISK), Create(9, 1, "g"), Truncate(9, LARGEST_DISK)], "all files together"),
        ([Unlink(2, 1, "d")], "cannot be removed like this"),
        ([Rmdir(3, 1, "f")], "cannot be removed like this"),
        ([Unlink(3, 1, "g")], "is not called 'g'"),
        ([Create(9, 2, "full"), Rmdir(2, 1, "d")], "cannot be removed like this"),
        ([Fsync(99)], "nobody made inode 99"),
    ],
)
def test_what_no_file_system_did_is_refused_with_its_item(items: list[Item], why: str) -> None:
    base = (Mkdir(2, 1, "d"), Create(3, 1, "f"))
    with pytest.raises(UnfitTrace) as told:
        run_of("t", trace_of(*items, base=base))
    assert f"item {len(items) - 1} " in str(told.value)
    assert why in str(told.value)


def test_a_base_is_held_against_the_same_rules() -> None:
    with pytest.raises(UnfitTrace, match="is no file name"):
        run_of("t", trace_of(base=(Create(2, 1, "../x"),)))


def test_folders_do_not_nest_without_end() -> None:
    with pytest.raises(UnfitTrace, match="more than 64 folders within each other"):
        run_of("t", trace_of(*(Mkdir(ino + 1, ino, "d") for ino in range(1, 100))))


def test_files_that_are_no_traces_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.trace"
    with pytest.raises(UnfitTrace, match=r"cannot read .*No such file"):
        load_run(file)
    for content in (b"", b"\0\xff", b"{}", b"[" * 100_000, b'{"schema": 99, "items": [], "sources": [], "times": []}'):
        file.write_bytes(content)
        with pytest.raises(UnfitTrace, match=r"x\.trace: "):
            load_run(file)
    file.write_bytes(encode(trace_of(Create(2, 1, "f"))))
    assert load_run(file).end == 1
    monkeypatch.setattr(recorded_run, "LARGEST_TRACE", 10)
    with pytest.raises(UnfitTrace, match="a trace has at most 10"):
        load_run(file)
