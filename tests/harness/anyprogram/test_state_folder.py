"""A state folder becomes the wanted disk from whatever a checker left in it, and touches nothing outside."""

import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.anyprogram.state_folder import FILE_MODE, FOLDER_MODE, StateFolder, StateFolderError, remove
from harness.anyprogram.state_home import place_for, state_home
from harness.anyprogram.strays import Strays
from harness.disk import DiskImage
from harness.trace import Create, Item, Link, Mkdir, Symlink, Truncate, Write

WANTED = DiskImage.made_by(
    [
        Mkdir(2, 1, "data"),
        Mkdir(3, 2, "empty"),
        Create(4, 2, "log"),
        Write(4, 0, b"one\ntwo\n"),
        Create(5, 2, "none"),
        Symlink(6, 2, "current", "log"),
        Symlink(7, 1, "dangling", "../../nowhere"),
        Link(4, 1, "hard"),
        Create(8, 1, "big"),
        Write(8, 0, bytes(range(256)) * 9_000),
        Truncate(8, 2_500_000),
    ]
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StateFolder]:
    yield StateFolder(tmp_path / "home")
    remove(str(tmp_path / "home"))  # deeper, after a failure, than pytest could remove it


def same(root: Path, image: DiskImage) -> bool:
    return DiskImage.load(root).identity() == image.identity()


def test_a_state_is_written_with_all_kinds_of_entries(folder: StateFolder) -> None:
    assert same(folder.restore(WANTED), WANTED)


def test_modes_are_the_same_everywhere_whatever_the_umask(folder: StateFolder) -> None:
    before = os.umask(0o077)
    try:
        root = folder.restore(WANTED)
    finally:
        os.umask(before)
    assert (root / "data/log").stat().st_mode & 0o7777 == FILE_MODE
    assert (root / "data/empty").stat().st_mode & 0o7777 == FOLDER_MODE
    assert root.stat().st_mode & 0o7777 == FOLDER_MODE


def _same_size_and_times(root: Path) -> None:
    status = (root / "data/log").stat()
    (root / "data/log").write_bytes(b"one\nTWO\n")
    os.utime(root / "data/log", ns=(status.st_atime_ns, status.st_mtime_ns))


def _through_a_map(root: Path) -> None:
    with (root / "data/log").open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        shared[0:3] = b"ONE"


def _closed_to_everybody(root: Path) -> None:
    (root / "data/log").chmod(0)
    (root / "data/empty").chmod(0)
    (root / "data").chmod(0)
    root.chmod(0)


def _deep(root: Path) -> None:
    here = os.open(root, os.O_DIRECTORY)
    for _ in range(1_500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def _other_kinds(root: Path) -> None:
    (root / "data/log").unlink()
    (root / "data/log").mkdir()
    (root / "data/log/inside").write_text("x")
    (root / "data/none").unlink()
    os.mkfifo(root / "data/none")
    (root / "data/empty").rmdir()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(root / "data/empty"))
    (root / "data/current").unlink()
    (root / "data/current").write_text("a file now")
    (root / "big").unlink()
    (root / "big").symlink_to("/etc/passwd")


def _links(root: Path) -> None:
    (root / "hard").unlink()
    (root / "hard").write_bytes(b"one\ntwo\n")
    os.link(root / "data/none", root / "data/another")
    os.link(root / "big", root / "data/big")


def _swapped(root: Path) -> None:
    os.rename(root / "data/log", root / "data/x")
    os.rename(root / "data/none", root / "data/log")
    os.rename(root / "data/x", root / "data/none")


def _rmtree(root: Path) -> None:
    subprocess.run(["rm", "-rf", str(root)], check=True)


def _moved_away(root: Path) -> None:
    os.rename(root, root.parent / "elsewhere")


def _file_instead(root: Path) -> None:
    _rmtree(root)
    root.write_text("no folder")


def _longer_and_shorter(root: Path) -> None:
    with (root / "data/log").open("ab") as file:
        file.write(b"three\n")
    os.truncate(root / "big", 1_048_576)
    (root / "data/none").write_bytes(b"\0")


@pytest.mark.parametrize(
    "mischief",
    [
        _same_size_and_times,
        _through_a_map,
        _closed_to_everybody,
        _deep,
        _other_kinds,
        _links,
        _swapped,
        _rmtree,
        _moved_away,
        _file_instead,
        _longer_and_shorter,
    ],
)
def test_whatever_a_checker_did_is_undone(folder: StateFolder, mischief: Callable[[Path], None]) -> None:
    root = folder.restore(WANTED)
    mischief(root)
    assert same(folder.restore(WANTED), WANTED)


def test_symbolic_links_are_never_followed(folder: StateFolder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "data").mkdir(parents=True)
    (outside / "data/log").write_text("precious")
    (outside / "keep").write_text("precious")
    root = folder.restore(WANTED)
    for name in ("data", "big"):
        _rmtree(root / name)
    (root / "data").symlink_to(outside / "data")
    (root / "big").symlink_to(outside / "keep")
    (root / "extra").symlink_to(outside)
    assert same(folder.restore(WANTED), WANTED)
    _rmtree(root)
    root.symlink_to(outside)
    assert same(folder.restore(WANTED), WANTED)
    assert (outside / "data/log").read_text() == (outside / "keep").read_text() == "precious"
    assert sorted(os.listdir(outside)) == ["data", "keep"]


def test_a_file_that_is_also_named_outside_is_not_written_through(folder: StateFolder, tmp_path: Path) -> None:
    root = folder.restore(WANTED)
    os.link(root / "data/none", tmp_path / "copy")
    (root / "data/none").write_text("changed")
    folder.restore(WANTED)
    assert (tmp_path / "copy").read_text() == "changed"


def test_a_root_that_cannot_be_mended_is_left_for_a_new_one(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder.restore(WANTED)
    refused = {str(root)}
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path) in refused:
            raise PermissionError(1, "Operation not permitted")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    monkeypatch.setattr("harness.anyprogram.state_folder.remove", lambda path: None)
    fresh = folder.restore(WANTED)
    monkeypatch.undo()
    assert fresh != root and same(fresh, WANTED)


def test_no_room_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(StateFolderError, match=r"cannot write a crash state into .*TMPDIR"):
        StateFolder(tmp_path / "home" / "w0").restore(WANTED)


NAMES = st.sampled_from(["a", "b", "c"])


@st.composite
def images(draw: st.DrawFn) -> DiskImage:
    """Small trees with files, folders, symbolic and hard links."""
    items: list[Item] = []
    folders, files, used, ino = [1], [], set(), 2
    for _ in range(draw(st.integers(0, 7))):
        parent, name = draw(st.sampled_from(folders)), draw(NAMES)
        if (parent, name) in used:
            continue
        used.add((parent, name))
        kind = draw(st.sampled_from(["file", "folder", "symlink", "link"]))
        if kind == "file":
            items += [Create(ino, parent, name), Write(ino, 0, draw(st.binary(max_size=4)))]
            files.append(ino)
        elif kind == "folder":
            items.append(Mkdir(ino, parent, name))
            folders.append(ino)
        elif kind == "symlink":
            items.append(Symlink(ino, parent, name, draw(NAMES)))
        elif files:
            items.append(Link(draw(st.sampled_from(files)), parent, name))
        ino += 1
    return DiskImage.made_by(items)


@settings(max_examples=60, deadline=None)
@given(st.lists(images(), min_size=2, max_size=4))
def test_any_state_follows_any_other(wanted: list[DiskImage]) -> None:
    with tempfile.TemporaryDirectory() as home:
        folder = StateFolder(Path(home))
        for image in wanted:
            assert same(folder.restore(image), image)


def test_a_home_is_in_memory_where_there_is_room() -> None:
    assert place_for(1 << 60) == Path(os.environ.get("TMPDIR", "/tmp"))
    with state_home(1) as home:
        assert home.is_dir() and home.stat().st_mode & 0o777 == 0o700
    assert not home.exists()


def test_strays_that_left_the_group_are_found_by_the_folder_they_work_for(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir()
    other.mkdir()

    with Strays() as strays:
        pids: list[int] = []
        for root in (mine, other):
            read, write = os.pipe()
            process = subprocess.Popen(
                ["sh", "-c", "setsid sh -c 'echo $$; exec sleep 600' & exit 0"],
                cwd=root,
                stdout=write,
                env={**os.environ, "HARNESS_ROOT": str(root)},
            )
            os.close(write)
            process.wait()
            pids.append(int(os.read(read, 100)))
            os.close(read)
        assert strays.end_of(mine) == 1
        assert not _runs(pids[0]) and _runs(pids[1])
    assert not _runs(pids[1])


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_harness_leaves_neither_folders_nor_processes() -> None:
    code = (
        "import subprocess, sys, time\n"
        "from harness.anyprogram.state_home import state_home\n"
        "with state_home() as home:\n"
        "    (home / 'w0').mkdir()\n"
        "    child = subprocess.Popen(['sleep', '600'], cwd=home / 'w0', start_new_session=True)\n"
        "    print(home, child.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    home, pid = process.stdout.readline().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while (Path(home).exists() or _runs(int(pid))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(home).exists() and not _runs(int(pid))
