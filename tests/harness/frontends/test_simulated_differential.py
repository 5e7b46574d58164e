"""The proof of the simulated disk: the same random calls here and on the real machine, same answers, same trees."""

import contextlib
import io
import os
import pathlib
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.disk import DiskImage, File, SymbolicLink
from harness.frontends.simulated import Kernel, Redirection

NAMES = ("a", "b", "d", "e", "l")
PATHS = st.one_of(
    st.sampled_from(NAMES),
    st.builds("/".join, st.lists(st.sampled_from(NAMES), min_size=2, max_size=3)),
    st.sampled_from(
        ("", ".", "..", "d/", "a/", "l/", "d/.", "d/..", "d/../a", "./a", "a/.", "missing/a", "d//a", "l/..")
    ),
    st.just("x" * 256),
)
DATA = st.binary(max_size=40)
TEXT = st.text(alphabet="ab\n\ré\0", max_size=20)
MODES = st.sampled_from(
    (
        "r",
        "w",
        "a",
        "x",
        "r+",
        "w+",
        "a+",
        "x+",
        "rb",
        "wb",
        "ab",
        "xb",
        "rb+",
        "wb+",
        "ab+",
        "xb+",
        "rt",
        "rw",
        "",
        "b",
    )
)
FLAGS = st.builds(
    lambda access, extra: access | sum(set(extra)),
    st.sampled_from((os.O_RDONLY, os.O_WRONLY, os.O_RDWR)),
    st.lists(
        st.sampled_from(
            (os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_DIRECTORY, os.O_NOFOLLOW, os.O_SYNC, os.O_DSYNC)
        ),
        max_size=3,
    ),
)
SMALL = st.integers(-2, 50)
SLOT = st.integers(0, 2)


class World:
    """One side: a root folder, some open descriptors and file objects."""

    def __init__(self, top: str) -> None:
        # deep enough that `..` and links to it stay inside
        self.top = top
        self.root = f"{top}/p/q/r/data"
        self.fds: dict[int, int] = {}
        self.files: dict[int, Any] = {}

    def path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def shown(self, path: object) -> str:
        """A path without what differs between the sides."""
        return str(path).removeprefix(self.top)

    def fd(self, slot: int) -> int:
        return self.fds.get(slot, -1)

    def close(self) -> None:
        for file in self.files.values():
            with contextlib.suppress(OSError, ValueError):
                file.close()
        for fd in self.fds.values():
            with contextlib.suppress(OSError):
                os.close(fd)


def status(result: os.stat_result) -> tuple[object, ...]:
    regular = stat.S_ISREG(result.st_mode)
    return (
        oct(result.st_mode),
        result.st_nlink if regular else None,
        result.st_size if regular or stat.S_ISLNK(result.st_mode) else None,
    )


Action = Callable[..., Any]
ACTIONS: dict[str, tuple[Action, tuple[Any, ...]]] = {}


def action(*arguments: Any) -> Callable[[Action], Action]:
    def add(function: Action) -> Action:
        ACTIONS[function.__name__] = (function, arguments)
        return function

    return add


@action(SLOT, PATHS, FLAGS)
def os_open(world: World, slot: int, path: str, flags: int) -> None:
    fd = os.open(world.path(path), flags, 0o644)
    if slot in world.fds:
        os.close(world.fds.pop(slot))
    world.fds[slot] = fd


@action(SLOT, PATHS, SLOT)
def open_at(world: World, slot: int, path: str, base: int) -> None:
    if base == slot:
        return
    fd = os.open(path, os.O_RDONLY, dir_fd=world.fd(base))
    if slot in world.fds:
        os.close(world.fds.pop(slot))
    world.fds[slot] = fd


@action(SLOT)
def os_close(world: World, slot: int) -> None:
    os.close(world.fds.pop(slot, -1))


@action(SLOT, SMALL)
def os_read(world: World, slot: int, count: int) -> bytes:
    return os.read(world.fd(slot), count)


@action(SLOT, DATA)
def os_write(world: World, slot: int, data: bytes) -> int:
    return os.write(world.fd(slot), data)


@action(SLOT, SMALL, SMALL)
def pread(world: World, slot: int, count: int, offset: int) -> bytes:
    return os.pread(world.fd(slot), max(count, 0), offset)


@action(SLOT, DATA, SMALL)
def pwrite(world: World, slot: int, data: bytes, offset: int) -> int:
    return os.pwrite(world.fd(slot), data, offset)


@action(SLOT, DATA, DATA)
def writev(world: World, slot: int, one: bytes, two: bytes) -> int:
    return os.writev(world.fd(slot), [one, two])


@action(SLOT)
def readv(world: World, slot: int) -> tuple[int, bytes]:
    one, two = bytearray(3), bytearray(9)
    return os.readv(world.fd(slot), [one, two]), bytes(one + two)


@action(SLOT, SMALL, st.integers(0, 3))
def lseek(world: World, slot: int, offset: int, whence: int) -> int:
    fd = world.fd(slot)
    if whence > 2 and stat.S_ISDIR(os.fstat(fd).st_mode):
        return 0
    if whence == 2 and stat.S_ISDIR(os.fstat(fd).st_mode):
        return 0
    return os.lseek(fd, offset, whence)


@action(SLOT, SMALL)
def ftruncate(world: World, slot: int, size: int) -> None:
    os.ftruncate(world.fd(slot), size)


@action(PATHS, SMALL)
def truncate(world: World, path: str, size: int) -> None:
    os.truncate(world.path(path), size)


@action(SLOT, SMALL, SMALL)
def fallocate(world: World, slot: int, offset: int, length: int) -> None:
    os.posix_fallocate(world.fd(slot), offset, length)


@action(SLOT, st.sampled_from(("fsync", "fdatasync")))
def sync(world: World, slot: int, call: str) -> None:
    getattr(os, call)(world.fd(slot))


@action(SLOT)
def fstat(world: World, slot: int) -> tuple[object, ...]:
    return status(os.fstat(world.fd(slot)))


@action(SLOT, SLOT)
def dup(world: World, slot: int, other: int) -> None:
    if slot != other:
        fd = os.dup(world.fd(slot))
        if other in world.fds:
            os.close(world.fds.pop(other))
        world.fds[other] = fd


@action(SLOT, SLOT, SMALL)
def sendfile(world: World, out: int, source: int, count: int) -> int:
    if out == source or world.fd(out) < 0 or not stat.S_ISREG(os.fstat(world.fd(source)).st_mode):
        return 0
    with contextlib.suppress(OSError):
        if os.fstat(world.fd(out)).st_ino == os.fstat(world.fd(source)).st_ino:
            return 0
    return os.copy_file_range(world.fd(source), world.fd(out), max(count, 1))


@action(SLOT, PATHS, MODES, st.sampled_from((-1, 0, 1, 2, 7, 4096)))
def open_file(world: World, slot: int, path: str, mode: str, buffering: int) -> tuple[object, ...]:
    if "b" in mode and buffering == 1:
        buffering = -1
    encoding = None if "b" in mode else "utf-8"
    file = open(world.path(path), mode, buffering, encoding)  # noqa: SIM115  # kept in its slot
    if slot in world.files:
        world.files.pop(slot).close()
    world.files[slot] = file
    kind = "FileIO" if isinstance(file, io.RawIOBase) else type(file).__name__
    return kind, file.mode, file.readable(), file.writable(), file.seekable(), file.tell()


def held(world: World, slot: int) -> Any:
    if slot not in world.files:
        raise OSError(9, "no file in this slot")
    return world.files[slot]


def fitting(file: Any, data: bytes) -> Any:
    return data.decode("latin-1") if isinstance(file, io.TextIOBase) else data


@action(SLOT, DATA)
def file_write(world: World, slot: int, data: bytes) -> Any:
    file = held(world, slot)
    return file.write(fitting(file, data))


@action(SLOT, st.sampled_from((None, -1, 0, 1, 5, 100)))
def file_read(world: World, slot: int, count: int | None) -> Any:
    return held(world, slot).read(count)


@action(SLOT)
def file_lines(world: World, slot: int) -> Any:
    file = held(world, slot)
    return file.readline(), list(file)


@action(SLOT, st.integers(0, 60), st.integers(0, 2))
def file_seek(world: World, slot: int, offset: int, whence: int) -> Any:
    file = held(world, slot)
    if isinstance(file, io.TextIOBase) and whence:
        offset = 0
    return file.seek(offset, whence)


@action(SLOT)
def file_tell(world: World, slot: int) -> Any:
    return held(world, slot).tell()


@action(SLOT, st.one_of(st.none(), st.integers(0, 60)))
def file_truncate(world: World, slot: int, size: int | None) -> Any:
    return held(world, slot).truncate(size)


@action(SLOT, st.sampled_from(("flush", "close")))
def file_end(world: World, slot: int, call: str) -> Any:
    return getattr(held(world, slot), call)()


@action(SLOT)
def file_sync(world: World, slot: int) -> None:
    os.fsync(held(world, slot).fileno())


@action(PATHS, st.booleans())
def os_stat(world: World, path: str, follow: bool) -> tuple[object, ...]:
    return status(os.stat(world.path(path), follow_symlinks=follow))


@action(PATHS)
def questions(world: World, path: str) -> tuple[object, ...]:
    where = world.path(path)
    real = world.shown(os.path.realpath(where))
    asked = (os.path.exists, os.path.lexists, os.path.isfile, os.path.isdir, os.path.islink)
    return real, tuple(ask(where) for ask in asked), os.access(where, os.R_OK), os.access(where, os.F_OK)


@action(PATHS)
def listing(world: World, path: str) -> list[str]:
    return sorted(os.listdir(world.path(path)))


@action(PATHS)
def scan(world: World, path: str) -> list[tuple[object, ...]]:
    with os.scandir(world.path(path)) as entries:
        return sorted(
            (e.name, world.shown(e.path), e.is_dir(follow_symlinks=False), e.is_file(), e.is_symlink()) for e in entries
        )


@action(PATHS)
def walk(world: World, path: str) -> list[tuple[object, ...]]:
    found = os.walk(world.path(path))
    return sorted((world.shown(where), sorted(dirs), sorted(files)) for where, dirs, files in found)


@action(PATHS)
def os_mkdir(world: World, path: str) -> None:
    os.mkdir(world.path(path))


@action(PATHS, st.booleans())
def makedirs(world: World, path: str, exist_ok: bool) -> None:
    os.makedirs(world.path(path), exist_ok=exist_ok)


@action(PATHS)
def rmdir(world: World, path: str) -> None:
    if os.path.realpath(world.path(path)) != os.path.realpath(world.root):
        os.rmdir(world.path(path))


@action(PATHS)
def unlink(world: World, path: str) -> None:
    os.unlink(world.path(path))


@action(PATHS, PATHS, st.sampled_from(("rename", "replace")))
def rename(world: World, old: str, new: str, call: str) -> None:
    if outside(world, old, new):
        return
    getattr(os, call)(world.path(old), world.path(new))


def outside(world: World, *paths: str) -> bool:
    """Paths at or above the root: the two sides differ there."""
    root = os.path.realpath(world.root)
    return any(not os.path.realpath(world.path(path)).startswith(root + "/") for path in paths)


@action(PATHS, PATHS)
def link(world: World, old: str, new: str) -> None:
    os.link(world.path(old), world.path(new))


@action(st.sampled_from(("a", "b", "d", "l", "d/a", "../a", "..", ".", "missing", "d/")), PATHS)
def symlink(world: World, target: str, path: str) -> None:
    os.symlink(target, world.path(path))


@action(PATHS)
def readlink(world: World, path: str) -> str:
    return os.readlink(world.path(path))


@action(PATHS, st.sampled_from((0o600, 0o755, 0o640)))
def chmod(world: World, path: str, mode: int) -> None:
    if not outside(world, path):
        os.chmod(world.path(path), mode)


@action(PATHS, st.integers(1, 10**9))
def utime(world: World, path: str, at: int) -> float:
    os.utime(world.path(path), (at, at))
    return os.stat(world.path(path)).st_mtime


@action(PATHS, TEXT)
def write_text(world: World, path: str, text: str) -> int:
    return Path(world.path(path)).write_text(text, encoding="utf-8")


@action(PATHS)
def read_text(world: World, path: str) -> str:
    return Path(world.path(path)).read_text(encoding="utf-8", errors="replace")


@action(PATHS, st.booleans())
def touch(world: World, path: str, exist_ok: bool) -> None:
    Path(world.path(path)).touch(exist_ok=exist_ok)


@action(PATHS, st.booleans())
def path_unlink(world: World, path: str, missing_ok: bool) -> None:
    Path(world.path(path)).unlink(missing_ok=missing_ok)


@action(PATHS)
def path_questions(world: World, path: str) -> tuple[object, ...]:
    where = pathlib.Path(world.path(path))
    asked = (where.exists, where.is_file, where.is_dir, where.is_symlink)
    return *(ask() for ask in asked), world.shown(where.resolve())


@action(PATHS, st.booleans(), st.booleans())
def path_mkdir(world: World, path: str, parents: bool, exist_ok: bool) -> None:
    Path(world.path(path)).mkdir(parents=parents, exist_ok=exist_ok)


@action(PATHS, st.sampled_from(("*", "**/*", "a*", "*/a")))
def globbed(world: World, path: str, pattern: str) -> list[str]:
    return sorted(world.shown(found) for found in Path(world.path(path)).glob(pattern))


@action(PATHS)
def iterdir(world: World, path: str) -> list[str]:
    return sorted(found.name for found in Path(world.path(path)).iterdir())


@action(PATHS, PATHS)
def path_rename(world: World, old: str, new: str) -> str:
    if outside(world, old, new):
        return ""
    return world.shown(Path(world.path(old)).rename(world.path(new)))


@action(PATHS, PATHS, st.sampled_from(("copy", "copy2", "copyfile", "move")))
def shutil_copy(world: World, old: str, new: str, call: str) -> str:
    if outside(world, old, new):
        return ""
    return world.shown(getattr(shutil, call)(world.path(old), world.path(new)))


@action(PATHS, PATHS, st.booleans(), st.booleans())
def copytree(world: World, old: str, new: str, symlinks: bool, dirs_exist_ok: bool) -> None:
    source, target = (os.path.realpath(world.path(path)) for path in (old, new))
    # a copy into itself recurses until names are too long, and deep loops of links differ in where that is
    if outside(world, old, new) or (target + "/").startswith(source + "/") or not symlinks:
        return
    shutil.copytree(source, target, symlinks=symlinks, dirs_exist_ok=dirs_exist_ok)


@action(PATHS)
def rmtree(world: World, path: str) -> None:
    if not outside(world, path):
        shutil.rmtree(world.path(path))


@action(PATHS, DATA)
def named_temporary_file(world: World, path: str, data: bytes) -> tuple[object, ...]:
    with tempfile.NamedTemporaryFile(dir=world.path(path)) as file:
        file.write(data)
        file.flush()
        found = os.path.exists(file.name), os.stat(file.name).st_size
    return found, os.path.exists(file.name)


STEPS = st.lists(
    st.sampled_from(sorted(ACTIONS)).flatmap(lambda name: st.tuples(st.just(name), st.tuples(*ACTIONS[name][1]))),
    min_size=1,
    max_size=30,
)


def outcome(world: World, name: str, arguments: tuple[Any, ...]) -> object:
    """What a step gave: its result, or its error with number and file names."""
    try:
        result = ACTIONS[name][0](world, *arguments)
    except shutil.Error as error:
        return "shutil.Error", len(error.args[0]) if isinstance(error.args[0], list) else 1
    except OSError as error:
        return type(error).__name__, error.errno
    except ValueError as error:
        return type(error).__name__, str(error)
    return result


def tree(image: DiskImage) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    first: dict[int, str] = {}
    for name, ino, node in image.walk():
        content: object = "folder"
        if isinstance(node, File):
            content = node.data
        elif isinstance(node, SymbolicLink):
            content = "-> " + node.target
        found.append((name, (content, first.setdefault(ino, name))))
    return found


def run_both(steps: list[tuple[str, tuple[Any, ...]]], real_root: str) -> None:
    simulated, real = World(""), World(os.path.realpath(real_root))
    os.makedirs(real.root)
    start = DiskImage.with_folders("/p/q/r/data")
    kernel = Kernel(start)
    with Redirection.shared():
        try:
            for number, (name, arguments) in enumerate(steps):
                with kernel.activate():
                    ours = outcome(simulated, name, arguments)
                theirs = outcome(real, name, arguments)
                assert ours == theirs, f"step {number}: {name}{arguments}"
        finally:
            with kernel.activate():
                simulated.close()
            real.close()
        assert kernel.escapes == []
        assert tree(kernel.image()) == tree(DiskImage.load(pathlib.Path(real_root)))
        replayed = start
        for item in kernel.trace.items:
            replayed = replayed.apply(item)
        assert replayed.digest() == kernel.image().digest()


COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def usual_umask() -> Any:
    before = os.umask(0o022)
    yield
    os.umask(before)


@settings(COMMON, max_examples=60)
@given(STEPS)
def test_random_calls_have_the_results_and_trees_of_the_real_machine(steps: Any) -> None:
    with tempfile.TemporaryDirectory() as root:
        run_both(steps, root)


@pytest.mark.slow
@settings(COMMON, max_examples=5_000)
@given(STEPS)
def test_many_random_calls_have_the_results_and_trees_of_the_real_machine(steps: Any) -> None:
    with tempfile.TemporaryDirectory() as root:
        run_both(steps, root)
