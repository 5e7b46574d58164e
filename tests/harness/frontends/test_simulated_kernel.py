"""The choke point: what is recorded, where a process dies, what a fault does, what the start image was asked."""

import errno
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.disk import DiskImage, File
from harness.frontends.simulated import ClosedWorldError, Kernel, ProcessDied, Redirection, SubjectHung
from harness.trace import (
    Create,
    FailedSync,
    Fdatasync,
    Fsync,
    Item,
    Mark,
    Mkdir,
    Rename,
    SyncAll,
    Trace,
    Truncate,
    Unlink,
    Write,
    encode,
)

EMPTY = DiskImage.with_folders("/data")


@pytest.fixture(autouse=True)
def redirected() -> Iterator[None]:
    with Redirection.shared():
        yield


def image_with(name: str, data: bytes) -> tuple[DiskImage, int]:
    ino = EMPTY.next_ino
    image = EMPTY.apply(Create(ino, 2, name))
    return image.with_files({ino: File(data)}), ino


def items_of(action: Callable[[], object], image: DiskImage = EMPTY) -> list[Item]:
    kernel = Kernel(image)
    with kernel.activate():
        action()
    return kernel.trace.items


@dataclass
class Told:
    """An outcome, as an injector gives it."""

    errno: int | None = None
    allowed: int | None = None
    delay: float = 0.0
    lying: bool = False


@dataclass
class ByCall:
    """An injector that says what becomes of the n-th call of a kind."""

    plan: dict[tuple[str, int], Told]
    seen: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str | None, int]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    given_back: list[int] = field(default_factory=list)

    def decide(self, kind: str, path: str | None, size: int, call: int) -> Told | None:
        self.asked.append((kind, path, size))
        self.seen[kind] = self.seen.get(kind, 0) + 1
        return self.plan.get((kind, self.seen[kind]))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def freed(self, size: int) -> None:
        self.given_back.append(size)


def append_line() -> None:
    with open("/data/log", "ab") as file:
        file.write(b"line\n")
        file.flush()
        os.fsync(file.fileno())


# -- what is recorded


def test_an_append_is_a_create_a_write_and_a_sync() -> None:
    assert items_of(append_line) == [Create(3, 2, "log"), Write(3, 0, b"line\n"), Fsync(3)]


def test_thirty_thousand_bytes_in_three_parts_are_three_writes() -> None:
    def three_parts() -> None:
        with open("/data/big", "wb") as file:
            for _ in range(3):
                file.write(b"x" * 10_000)

    sizes = [len(item.data) for item in items_of(three_parts) if isinstance(item, Write)]
    assert sizes == [10_000, 10_000, 10_000]


def test_a_buffer_holds_4096_bytes() -> None:
    def many_lines() -> None:
        with open("/data/big", "wb") as file:
            for _ in range(100):
                file.write(b"x" * 100)

    sizes = [len(item.data) for item in items_of(many_lines) if isinstance(item, Write)]
    assert sizes == [4000, 4000, 2000]


def test_an_open_with_w_truncates_only_what_has_bytes() -> None:
    image, ino = image_with("log", b"old")
    assert items_of(lambda: open("/data/log", "w").close(), image) == [Truncate(ino, 0)]
    empty, _ = image_with("log", b"")
    assert items_of(lambda: open("/data/log", "w").close(), empty) == []


@pytest.mark.parametrize(("flag", "sync"), [(os.O_SYNC, Fsync(3)), (os.O_DSYNC, Fdatasync(3))])
def test_a_synchronous_descriptor_syncs_each_write(flag: int, sync: Item) -> None:
    def write() -> None:
        fd = os.open("/data/log", os.O_CREAT | os.O_WRONLY | flag)
        os.write(fd, b"ab")
        os.close(fd)

    assert items_of(write)[1:] == [Write(3, 0, b"ab"), sync]


def test_a_folder_is_synced_through_its_descriptor() -> None:
    def sync_folder() -> None:
        fd = os.open("/data", os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(fd)
        os.close(fd)

    assert items_of(sync_folder) == [Fsync(2)]


def test_sync_makes_everything_durable() -> None:
    assert items_of(os.sync) == [SyncAll()]


def test_replacing_a_file_names_what_it_replaced() -> None:
    def replace() -> None:
        Path("/data/a").write_bytes(b"a")
        Path("/data/b").write_bytes(b"b")
        os.replace("/data/a", "/data/b")

    assert items_of(replace)[-1] == Rename(3, 2, "a", 2, "b", replaced=4)


def test_an_exchange_swaps_two_names() -> None:
    kernel = Kernel(EMPTY)
    with kernel.activate():
        from harness.frontends.simulated import names

        Path("/data/a").write_bytes(b"a")
        Path("/data/b").write_bytes(b"b")
        names.rename(kernel, "/data/a", "/data/b", flags=names.RENAME_EXCHANGE)
        assert Path("/data/a").read_bytes() == b"b"
        with pytest.raises(FileExistsError):
            names.rename(kernel, "/data/a", "/data/b", flags=names.RENAME_NOREPLACE)
    assert kernel.trace.items[-1] == Rename(3, 2, "a", 2, "b", replaced=4, exchanged=True)


def test_each_item_knows_the_line_of_the_subject() -> None:
    kernel = Kernel(EMPTY)
    with kernel.activate():
        append_line()
        shutil.copy("/data/log", "/data/copy")
    lines = {(source.function, source.file.rpartition("/")[2]) for source in kernel.trace.sources if source}
    assert lines == {
        ("append_line", "test_simulated_kernel.py"),
        ("test_each_item_knows_the_line_of_the_subject", "test_simulated_kernel.py"),
    }
    written = append_line.__code__.co_firstlineno
    assert [source.line - written for source in kernel.trace.sources[:3] if source] == [1, 3, 4]


def test_times_come_from_the_given_clock() -> None:
    kernel = Kernel(EMPTY, now=lambda: 1234.5)
    with kernel.activate():
        append_line()
        assert os.stat("/data/log").st_mtime == 1234.5
        assert os.stat("/data/log").st_mtime_ns == 1_234_500_000_000
    assert set(kernel.trace.times) == {1234.5}


def test_an_unlinked_open_file_lives_on() -> None:
    kernel = Kernel(EMPTY)
    with kernel.activate(), open("/data/log", "w+b", buffering=0) as file:
        os.unlink("/data/log")
        file.write(b"still here")
        file.seek(0)
        assert file.read() == b"still here"
        assert os.fstat(file.fileno()).st_nlink == 0
    assert kernel.image().lookup("/data/log") is None


def test_the_volatile_tmp_is_not_recorded_and_not_in_the_image() -> None:
    kernel = Kernel(EMPTY)
    with kernel.activate():
        Path("/tmp/scratch").write_text("x")
        assert "tmp" in os.listdir("/")
        with pytest.raises(OSError) as crossing:
            os.rename("/tmp/scratch", "/data/kept")
        assert crossing.value.errno == errno.EXDEV
        shutil.move("/tmp/scratch", "/data/kept")
        assert os.listdir("/tmp") == []
    assert [type(item) for item in kernel.trace.items] == [Create, Write]
    assert kernel.image().identity() == EMPTY.apply(Create(3, 2, "kept")).apply(Write(3, 0, b"x")).identity()


def test_a_tmp_of_the_image_is_durable() -> None:
    kernel = Kernel(DiskImage.with_folders("/data", "/tmp"))
    with kernel.activate():
        Path("/tmp/scratch").write_text("x")
        os.rename("/tmp/scratch", "/data/kept")
    assert [type(item) for item in kernel.trace.items] == [Create, Write, Rename]


# -- death


def test_the_item_at_the_kill_point_is_never_recorded() -> None:
    for position in range(3):
        kernel = Kernel(EMPTY, die_at=position)
        with kernel.activate(), pytest.raises(ProcessDied):
            append_line()
        assert kernel.frozen
        assert kernel.trace.items == items_of(append_line)[:position]


def test_finally_blocks_and_buffers_of_a_dying_process_write_nothing() -> None:
    def subject() -> None:
        log = open("/data/log", "w")  # noqa: SIM115
        try:
            log.write("half")
            log.flush()
            log.write("never written")
            os.fsync(log.fileno())
        finally:
            log.close()
            Path("/data/cleanup").write_text("x")

    kernel = Kernel(EMPTY, die_at=2)
    with kernel.activate(), pytest.raises(ProcessDied):
        subject()
    gc.collect()
    assert kernel.image().read_file("/data/log") == b"half"
    assert kernel.image().lookup("/data/cleanup") is None
    assert len(kernel.trace) == 2


def test_a_subject_that_swallows_its_death_stays_dead() -> None:
    kernel = Kernel(EMPTY, die_at=0)
    with kernel.activate():
        with pytest.raises(ProcessDied):
            append_line()
        for call in (append_line, lambda: os.stat("/data"), lambda: os.listdir("/data"), os.sync):
            with pytest.raises(ProcessDied):
                call()
        with pytest.raises(ProcessDied):
            kernel.mark(Mark("acknowledged", "1"))
    assert len(kernel.trace) == 0


def test_a_death_by_call_number() -> None:
    calls = Kernel(EMPTY, log_calls=True)
    with calls.activate():
        append_line()
    assert calls.call_log is not None
    assert [(call.number, call.kind) for call in calls.call_log] == [
        (1, "open"),
        (2, "write"),
        (3, "fsync"),
        (4, "close"),
    ]
    assert [call.position for call in calls.call_log] == [0, 1, 2, 3]
    kernel = Kernel(EMPTY, die_at_call=3)
    with kernel.activate(), pytest.raises(ProcessDied):
        append_line()
    assert [type(item) for item in kernel.trace.items] == [Create, Write]


def test_marks_pass_the_same_choke_point() -> None:
    kernel = Kernel(EMPTY, die_at=1)
    with kernel.activate():
        kernel.mark(Mark("attempted", "1"))
        with pytest.raises(ProcessDied):
            kernel.mark(Mark("acknowledged", "1"))
    assert kernel.trace.items == [Mark("attempted", "1")]
    assert kernel.frozen


def test_the_explorer_is_called_before_each_item() -> None:
    seen: list[int] = []
    kernel = Kernel(EMPTY, before_item=seen.append)
    with kernel.activate():
        append_line()
        kernel.mark(Mark("printed"))
    assert seen == [0, 1, 2, 3]


def test_too_many_calls_are_a_hang() -> None:
    kernel = Kernel(EMPTY, call_limit=10)
    with kernel.activate(), pytest.raises(SubjectHung, match="10 calls"):
        while True:
            os.listdir("/data")


@pytest.mark.parametrize("end", [lambda: os._exit(3), lambda: os.abort(), lambda: os.kill(os.getpid(), 9)])
def test_ending_the_process_is_a_death(end: Callable[[], None]) -> None:
    kernel = Kernel(EMPTY)
    with kernel.activate(), pytest.raises(ProcessDied):
        end()
    assert kernel.frozen


def test_late_files_of_a_dead_life_touch_no_later_one() -> None:
    first = Kernel(EMPTY)
    with first.activate():
        log = open("/data/log", "wb")  # noqa: SIM115
        log.write(b"buffered")
    later = Kernel(first.image())
    with later.activate():
        log.close()
        assert Path("/data/log").read_bytes() == b""
    assert first.image().read_file("/data/log") == b""
    assert [type(item) for item in first.trace.items] == [Create]


def test_a_second_life_continues_the_trace_with_new_inodes() -> None:
    first = Kernel(EMPTY)
    with first.activate():
        append_line()
    second = Kernel(EMPTY, trace=first.trace)
    assert second.position == 3
    with second.activate():
        append_line()
    assert first.trace.items[3] == Create(4, 2, "log")


def test_without_recording_everything_else_is_the_same() -> None:
    kernel = Kernel(EMPTY, recording=False)
    with kernel.activate():
        append_line()
    assert len(kernel.trace) == 0
    assert kernel.position == 3
    assert kernel.image().read_file("/data/log") == b"line\n"
    dying = Kernel(EMPTY, recording=False, die_at=2)
    with dying.activate(), pytest.raises(ProcessDied):
        append_line()
    assert dying.image().read_file("/data/log") == b"line\n"


# -- faults


def test_an_injected_error_reaches_the_caller_and_changes_nothing() -> None:
    kernel = Kernel(EMPTY, injector=ByCall({("write", 1): Told(errno=errno.ENOSPC)}))
    with kernel.activate(), pytest.raises(OSError) as raised:
        os.write(os.open("/data/log", os.O_CREAT | os.O_WRONLY), b"abc")
    assert raised.value.errno == errno.ENOSPC
    assert [type(item) for item in kernel.trace.items] == [Create]


def test_a_short_write_lands_a_prefix_and_says_so() -> None:
    kernel = Kernel(EMPTY, injector=ByCall({("write", 1): Told(allowed=2)}))
    with kernel.activate():
        assert os.write(os.open("/data/log", os.O_CREAT | os.O_WRONLY), b"abc") == 2
    assert kernel.trace.items[-1] == Write(3, 0, b"ab")


def test_a_cut_write_is_completed_by_the_buffered_layer() -> None:
    kernel = Kernel(EMPTY, injector=ByCall({("write", 1): Told(allowed=2)}))
    with kernel.activate():
        append_line()
    assert kernel.trace.items[1:3] == [Write(3, 0, b"li"), Write(3, 2, b"ne\n")]


def test_a_full_disk_takes_a_part_and_then_refuses() -> None:
    kernel = Kernel(EMPTY, injector=ByCall({("write", 1): Told(errno=errno.ENOSPC, allowed=2)}))
    with kernel.activate():
        fd = os.open("/data/log", os.O_CREAT | os.O_WRONLY)
        assert os.write(fd, b"abc") == 2
        with pytest.raises(OSError) as raised:
            os.write(fd, b"c")
        assert raised.value.errno == errno.ENOSPC
        assert os.write(fd, b"c") == 1
    assert kernel.image().read_file("/data/log") == b"abc"


def test_a_failed_sync_leaves_its_mark_in_the_trace() -> None:
    kernel = Kernel(EMPTY, injector=ByCall({("fsync", 1): Told(errno=errno.EIO)}))
    with kernel.activate(), pytest.raises(OSError):
        append_line()
    assert kernel.trace.items[-1] == FailedSync(3, errno.EIO)


def test_a_lying_sync_reports_success_and_syncs_nothing() -> None:
    kernel = Kernel(EMPTY, injector=ByCall({("fsync", 1): Told(lying=True)}))
    with kernel.activate():
        append_line()
    assert [type(item) for item in kernel.trace.items] == [Create, Write]


def test_a_failed_close_still_closes() -> None:
    kernel = Kernel(EMPTY, injector=ByCall({("close", 1): Told(errno=errno.EIO)}))
    with kernel.activate():
        fd = os.open("/data/log", os.O_CREAT | os.O_WRONLY)
        with pytest.raises(OSError) as raised:
            os.close(fd)
        assert raised.value.errno == errno.EIO
        with pytest.raises(OSError) as again:
            os.close(fd)
        assert again.value.errno == errno.EBADF


def test_the_injector_sees_kinds_absolute_paths_and_sizes() -> None:
    injector = ByCall({})
    kernel = Kernel(EMPTY, injector=injector)
    with kernel.activate():
        os.chdir("/data")
        with open("log", "ab") as file:
            file.write(b"abc")
        os.rename("log", "new")
    assert injector.asked[1:] == [
        ("open", "/data/log", 0),
        ("write", "/data/log", 3),
        ("close", "/data/log", 0),
        ("rename", "/data/log", 0),
    ]


def test_a_delay_passes_on_the_injectors_clock() -> None:
    injector = ByCall({("fsync", 1): Told(delay=2.5)})
    kernel = Kernel(EMPTY, injector=injector)
    with kernel.activate():
        append_line()
    assert injector.slept == [2.5]
    assert kernel.trace.items[-1] == Fsync(3)


def test_given_back_space_is_told() -> None:
    injector = ByCall({})
    kernel = Kernel(EMPTY, injector=injector)
    with kernel.activate():
        Path("/data/a").write_bytes(b"x" * 10)
        os.truncate("/data/a", 4)
        with open("/data/a", "rb"):
            os.unlink("/data/a")
            assert injector.given_back == [6]
        assert injector.given_back == [6, 4]
    assert kernel.trace.items[-1] == Unlink(3, 2, "a")


# -- what the starting image was asked


def reads_of(action: Callable[[], object], data: bytes = b"old") -> bool:
    image, ino = image_with("log", data)
    kernel = Kernel(image)
    with kernel.activate():
        action()
    return ino in kernel.reads


def test_looking_at_content_or_size_is_a_read() -> None:
    assert reads_of(lambda: Path("/data/log").read_bytes())
    assert reads_of(lambda: os.stat("/data/log"))
    assert reads_of(append_line)
    assert not reads_of(lambda: os.truncate("/data/log", 2))
    assert not reads_of(lambda: os.listdir("/data"))
    assert not reads_of(lambda: os.rename("/data/log", "/data/new"))


def test_what_is_discarded_first_is_not_read() -> None:
    def overwrite() -> None:
        Path("/data/log").write_bytes(b"new")
        assert Path("/data/log").read_bytes() == b"new"

    assert not reads_of(overwrite)


def test_files_of_this_life_are_not_reads_of_the_image() -> None:
    kernel = Kernel(EMPTY)
    with kernel.activate():
        append_line()
        Path("/data/log").read_bytes()
    assert kernel.reads == {}


# -- determinism


def draws(seed: int) -> tuple[object, ...]:
    import random
    import secrets

    kernel = Kernel(EMPTY, seed=seed, now=lambda: 0.0)
    with kernel.activate():
        for name in "abcdefgh":
            os.mkdir(f"/data/{name}")
        with tempfile.NamedTemporaryFile(dir="/data") as file:
            name = file.name
        drawn = (
            str(uuid.uuid4()),
            os.urandom(4),
            os.getpid(),
            random.random(),
            random.Random().random(),
            secrets.token_hex(4),
            name,
            tuple(os.listdir("/data")),
        )
    return (*drawn, encode(kernel.trace))


def test_one_seed_gives_the_same_run_and_another_a_different_one() -> None:
    assert draws(1) == draws(1)
    assert all(one != other for one, other in zip(draws(1), draws(2), strict=True))


def test_folder_order_is_neither_sorted_nor_that_of_creation() -> None:
    kernel = Kernel(EMPTY)
    with kernel.activate():
        for name in "hgfedcba":
            os.mkdir(f"/data/{name}")
        found = os.listdir("/data")
        assert os.listdir("/data") == found
        assert [entry.name for entry in os.scandir("/data")] == found
    assert sorted(found) == list("abcdefgh")
    assert found not in (list("abcdefgh"), list("hgfedcba"))


# -- descriptors


def test_descriptors_are_far_from_real_ones_and_reused_lowest_first() -> None:
    with Kernel(EMPTY).activate():
        one, two = (os.open("/data", os.O_RDONLY) for _ in range(2))
        assert (one, two) == (2**30, 2**30 + 1)
        os.close(one)
        assert os.open("/data", os.O_RDONLY) == one


def test_descriptors_run_out() -> None:
    with Kernel(EMPTY).activate(), pytest.raises(OSError) as raised:
        for _ in range(2_000):
            os.open("/data", os.O_RDONLY)
    assert raised.value.errno == errno.EMFILE


def test_a_file_too_big_is_refused() -> None:
    with Kernel(EMPTY).activate(), open("/data/big", "wb", buffering=0) as file:
        file.seek(2**40)
        with pytest.raises(OSError) as raised:
            file.write(b"x")
    assert raised.value.errno == errno.EFBIG


def test_the_working_folder_and_relative_paths() -> None:
    kernel = Kernel(EMPTY)
    with kernel.activate():
        assert os.getcwd() == "/"
        os.makedirs("/data/a/b")
        os.chdir("/data/a")
        Path("b/x").write_text("hi")
        assert Path("x").absolute() == Path("/data/a/x")
        assert os.path.abspath("b/../c") == "/data/a/c"
        os.chdir("..")
        assert os.getcwd() == "/data"
        assert Path("a/b/x").read_text() == "hi"
    assert kernel.trace.items[:2] == [Mkdir(3, 2, "a"), Mkdir(4, 3, "b")]


def test_devices_work() -> None:
    kernel = Kernel(EMPTY)
    with kernel.activate():
        with open("/dev/null", "wb") as sink:
            sink.write(b"x")
        with open("/dev/urandom", "rb") as source:
            assert len(source.read(8)) == 8
    assert kernel.trace.items == []


def test_a_second_thread_is_refused() -> None:
    kernel = Kernel(EMPTY)
    raised: list[BaseException] = []

    def other() -> None:
        try:
            os.listdir("/data")
        except BaseException as error:
            raised.append(error)

    with kernel.activate():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert isinstance(raised[0], ClosedWorldError)
    assert "mounted" in str(raised[0])
    assert "thread" in kernel.escapes[0]


def test_activations_nest() -> None:
    outer, inner = Kernel(EMPTY), Kernel(EMPTY)
    with outer.activate():
        Path("/data/outer").touch()
        with inner.activate():
            assert os.listdir("/data") == []
            Path("/data/inner").touch()
        assert os.listdir("/data") == ["outer"]
    assert inner.image().lookup("/data/inner") is not None


def test_the_image_it_started_from_is_never_changed() -> None:
    image, _ = image_with("log", b"old")
    before = image.digest()
    kernel = Kernel(image, trace=Trace())
    with kernel.activate():
        append_line()
        os.mkdir("/data/new")
        os.truncate("/data/log", 1)
    assert image.digest() == before


SUBJECT = """
import os, random, tempfile, uuid
from harness.disk import DiskImage
from harness.frontends.simulated import Kernel, Redirection
kernel = Kernel(DiskImage.with_folders("/data"), seed=7, now=lambda: 0.0)
with Redirection.shared(), kernel.activate():
    for name in "abcd":
        os.mkdir(f"/data/{name}")
    for name in os.listdir("/data"):
        with open(f"/data/{name}/x", "w") as file:
            file.write(f"{uuid.uuid4()} {random.random()} {os.getpid()} {tempfile.mktemp()}")
print(kernel.trace.digest())
"""


def test_another_process_with_another_hash_seed_does_the_same() -> None:
    with Redirection.shared().paused():
        digests = {
            subprocess.run(
                [sys.executable, "-c", SUBJECT],
                env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in ("1", "2")
        }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


def test_the_random_state_outside_is_put_back() -> None:
    import random

    redirection = Redirection.shared()
    with redirection.paused():
        random.seed(5)
        expected = random.random()
        random.seed(5)
        with redirection:
            redirection._start()
            with Kernel(EMPTY).activate():
                random.random()
            redirection._stop()
        assert random.random() == expected
