"""The closed world: what the simulated disk cannot see raises, and names the call."""

import contextlib
import ctypes
import fcntl
import io
import json
import linecache
import logging
import mailbox
import mmap
import os
import posix
import sqlite3
import subprocess
import sys
import textwrap
import zoneinfo
from collections.abc import Callable, Iterator
from os import fsync as imported_fsync
from os import truncate as imported_truncate
from os.path import exists as imported_exists
from pathlib import Path
from typing import Any

import pytest

from harness.disk import DiskImage
from harness.frontends.simulated import ClosedWorldError, Kernel, Redirection
from harness.trace import Fsync, Write

captured_in_a_dict: dict[str, Callable[..., Any]] = {"open": open, "os_open": os.open, "remove": os.remove}


def captured_as_default(path: str, opener: Callable[..., object] = open) -> object:
    return opener(path, "w")


class CapturedInAClass:
    opener: Callable[..., Any] = staticmethod(open)


@pytest.fixture(autouse=True)
def redirected() -> Iterator[None]:
    with Redirection.shared():
        yield


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(DiskImage.with_folders("/data"))


REAL = "/root/never-written" if os.geteuid() == 0 else "/var/never-written"

ESCAPES: dict[str, Callable[[], object]] = {
    "open of": lambda: captured_in_a_dict["open"]("/data/x", "w"),
    "open of /data/d": lambda: captured_as_default("/data/d"),
    "open of /data/c": lambda: CapturedInAClass.opener("/data/c", "w"),
    "open of /data/y": lambda: captured_in_a_dict["os_open"]("/data/y", os.O_CREAT | os.O_WRONLY),
    "os.remove": lambda: captured_in_a_dict["remove"]("/data/x"),
    "io.FileIO": lambda: io.FileIO("/data/x", "w"),
    "open of /data/p": lambda: posix.open("/data/p", os.O_CREAT | os.O_WRONLY),
    "os.mkdir": lambda: posix.mkdir("/data/x"),
    "sqlite3.connect": lambda: sqlite3.connect("/data/db"),
    "mmap.mmap": lambda: mmap.mmap(os.open("/data", os.O_RDONLY), 10),
    "subprocess.Popen": lambda: subprocess.run(["true"], check=False),
    "os.system": lambda: os.system("true"),
    "os.fork": lambda: os.fork(),
    "os.execv": lambda: os.execv("/bin/true", ["true"]),
    "os.posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "os.pipe": lambda: os.pipe(),
    "os.mkfifo": lambda: os.mkfifo("/data/fifo"),
    "os.memfd_create": lambda: os.memfd_create("x"),
    "os.splice": lambda: os.splice(5, 6, 1),
    "/etc/hostname": lambda: open("/etc/hostname").read(),  # noqa: SIM115
    "/etc/passwd": lambda: os.stat("/etc/passwd"),
    "/etc": lambda: os.listdir("/etc"),
    "of the real machine": lambda: Path(REAL).write_text("x"),
    "os.write of the real descriptor 5": lambda: os.write(5, b"x"),
    "os.close of the real descriptor 7": lambda: os.close(7),
    "fcntl.flock of the real descriptor": lambda: fcntl.flock(0, fcntl.LOCK_EX),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_an_escape_raises_and_names_the_call(name: str, kernel: Kernel) -> None:
    with kernel.activate(), pytest.raises(ClosedWorldError, match="mounted") as raised:
        ESCAPES[name]()
    assert name in str(raised.value)
    assert kernel.escapes == [str(raised.value)]
    assert kernel.trace.items == []


def test_a_swallowed_escape_is_still_known(kernel: Kernel) -> None:
    with kernel.activate(), contextlib.suppress(BaseException):
        sqlite3.connect("/data/db")
    assert "sqlite3.connect('/data/db')" in kernel.escapes[0]


def test_outside_of_an_activation_calls_reach_the_real_disk(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("real")
    assert os.listdir(tmp_path) == ["x"]
    assert captured_in_a_dict["open"](tmp_path / "x").read() == "real"


def test_paused_calls_reach_the_real_disk(kernel: Kernel, tmp_path: Path) -> None:
    with Redirection.shared().paused():
        (tmp_path / "x").write_text("real")
        assert type(os).__name__ == "module"
        assert sys.modules["os"] is os
        assert os.listdir is posix.listdir
    assert os.listdir is not posix.listdir


def test_what_a_module_imported_by_name_is_redirected(kernel: Kernel) -> None:
    with kernel.activate():
        with open("/data/x", "w") as file:
            file.write("abc")
            file.flush()
            imported_fsync(file.fileno())
        imported_truncate("/data/x", 1)
        assert imported_exists("/data/x")
        assert not imported_exists("/etc-not-there")
    assert [type(item) for item in kernel.trace.items[1:3]] == [Write, Fsync]


def test_the_standard_library_lands_on_the_disk(kernel: Kernel) -> None:
    with kernel.activate():
        handler = logging.FileHandler("/data/app.log")
        handler.emit(logging.LogRecord("x", 20, __file__, 1, "hello", None, None))
        handler.close()
        box = mailbox.Maildir("/data/mail")
        box.add("Subject: hi\n\nbody\n")
        box.flush()
        Path("/data/x.json").write_text(json.dumps({"a": 1}))
        assert json.load(open("/data/x.json")) == {"a": 1}  # noqa: SIM115
        logging.root.removeHandler(handler)
    image = kernel.image()
    assert image.read_file("/data/app.log") == b"hello\n"
    assert image.lookup("/data/mail/new") is not None
    assert kernel.escapes == []


def test_packages_time_zones_and_source_are_readable(kernel: Kernel) -> None:
    zoneinfo.ZoneInfo.clear_cache()
    with kernel.activate():
        assert "def dumps" in open(json.__file__).read()  # noqa: SIM115
        assert os.path.isfile(json.__file__)
        assert "__init__.py" in os.listdir(os.path.dirname(json.__file__))
        assert os.path.realpath(json.__file__)
        assert str(zoneinfo.ZoneInfo("Europe/Berlin")) == "Europe/Berlin"
        linecache.clearcache()
        assert "The closed world" in linecache.getline(__file__, 1)
        with pytest.raises(ClosedWorldError):
            open(json.__file__, "a")  # noqa: SIM115
        with pytest.raises(FileNotFoundError):
            open(os.path.dirname(json.__file__) + "/not-there.py")  # noqa: SIM115


def test_modules_import_while_redirected_and_keep_their_identity(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "lazily_imported_subject.py").write_text(
        textwrap.dedent("""
            import io, os, os.path, pathlib
            from os import listdir
            from os.path import exists
            class Store:
                def put(self):
                    with open("/data/x", "w") as file:
                        file.write("abc")
                        file.flush()
                        os.fsync(file.fileno())
                    return listdir("/data"), exists("/data/x"), os.path.exists("/data/x"), io.open("/data/x").read()
        """)
    )
    sys.path.insert(0, str(tmp_path))
    try:
        with kernel.activate():
            import lazily_imported_subject as subject  # type: ignore[import-not-found]  # written just now

            assert subject.Store().put() == (["x"], True, True, "abc")
        store = subject.Store
        assert os.listdir(tmp_path) == ["lazily_imported_subject.py"]
        with Redirection.shared().paused():
            assert subject.os is sys.modules["os"]
            assert subject.listdir is posix.listdir
            assert subject.exists("/") and subject.exists.__globals__["__name__"] == "genericpath"
            assert sys.modules["lazily_imported_subject"].Store is store
        again = Kernel(DiskImage.with_folders("/data"))
        with again.activate():
            assert subject.Store().put() == (["x"], True, True, "abc")
        assert kernel.escapes == again.escapes == []
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("lazily_imported_subject", None)


def test_standard_streams_keep_working(kernel: Kernel, capfd: pytest.CaptureFixture[str]) -> None:
    with kernel.activate():
        assert os.write(1, b"to stdout\n") == 10
        print("printed", flush=True)
        assert os.isatty(2) in (True, False)
    assert capfd.readouterr().out.splitlines() == ["to stdout", "printed"]


def test_locks_conflict_between_open_files_and_end_with_them(kernel: Kernel) -> None:
    with kernel.activate():
        one = open("/data/lock", "w")  # noqa: SIM115
        two = open("/data/lock", "w")  # noqa: SIM115
        fcntl.flock(one, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(ClosedWorldError, match="deadlock"):
            fcntl.flock(two, fcntl.LOCK_SH)
        one.close()
        fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    later = Kernel(kernel.image())
    with later.activate(), open("/data/lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_folder_is_locked_through_its_descriptor(kernel: Kernel) -> None:
    with kernel.activate():
        one = os.open("/data", os.O_RDONLY | os.O_DIRECTORY)
        two = os.open("/data", os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(BlockingIOError):
            fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with open("/data/inside", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(one)
        fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_shared_locks_are_shared(kernel: Kernel) -> None:
    with kernel.activate(), open("/data/a", "w") as one, open("/data/a") as two:
        fcntl.flock(one, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(two, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with pytest.raises(BlockingIOError):
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_duplicated_descriptor_shares_position_and_lock(kernel: Kernel) -> None:
    with kernel.activate():
        fd = os.open("/data/x", os.O_CREAT | os.O_RDWR)
        other = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 0)
        os.write(fd, b"abc")
        assert os.lseek(other, 0, os.SEEK_CUR) == 3
        fcntl.flock(fd, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)
        with open("/data/x") as third, pytest.raises(BlockingIOError):
            fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_kernel_sees_no_other_process(kernel: Kernel) -> None:
    with kernel.activate():
        os.kill(os.getpid(), 0)
        with pytest.raises(ProcessLookupError):
            os.kill(os.getpid() + 1, 0)


def test_the_c_library_is_not_guarded() -> None:
    assert ctypes.CDLL(None).getpid() > 0, "the limit: calls made by C code are not seen"
