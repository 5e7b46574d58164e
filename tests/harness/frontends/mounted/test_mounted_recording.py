"""What a program does on the mounted folder becomes operations and marks, in the order in which they happened."""

import mmap
import platform
import sys

import pytest

from harness.disk import DiskImage
from harness.frontends.mounted.recording import Run, record
from harness.trace import (
    Create,
    Fdatasync,
    Fsync,
    Link,
    Mark,
    Mkdir,
    Rename,
    Rmdir,
    Symlink,
    SyncAll,
    Trace,
    Truncate,
    Unlink,
    Write,
    decode,
    encode,
)

pytestmark = pytest.mark.fuse


def operations(trace: Trace) -> list[object]:
    return [item for item in trace.items if not isinstance(item, Mark)]


def test_an_append_is_told_call_by_call(python):
    recorded = python(
        "with open('log', 'a') as log:\n"
        "    for n in range(2):\n"
        "        log.write('x' * 300)\n"
        "        log.flush()\n"
        "        os.fsync(log.fileno())\n"
        "        print(n, flush=True)\n"
    )
    assert recorded.trace.items == [
        Create(2, 1, "log"),
        Write(2, 0, b"x" * 300),
        Fsync(2),
        Mark("printed", "0"),
        Write(2, 300, b"x" * 300),
        Fsync(2),
        Mark("printed", "1"),
    ]


def test_each_changing_call_has_an_operation(python):
    recorded = python(
        "os.mkdir('d')\n"
        "open('d/a', 'w').close()\n"
        "os.link('d/a', 'b')\n"
        "os.symlink('b', 'l')\n"
        "os.rename('b', 'd/c')\n"
        "fd = os.open('d/c', os.O_RDWR)\n"
        "os.pwrite(fd, b'abc', 5)\n"
        "os.ftruncate(fd, 4)\n"
        "os.posix_fallocate(fd, 0, 10)\n"
        "os.fdatasync(fd)\n"
        "os.unlink('l')\n"
        "os.unlink('d/a')\n"
        "os.rename('d/c', 'c')\n"
        "os.rmdir('d')\n"
        "os.fsync(os.open('.', os.O_RDONLY))\n"
    )
    assert recorded.trace.items == [
        Mkdir(2, 1, "d"),
        Create(3, 2, "a"),
        Link(3, 1, "b"),
        Symlink(4, 1, "l", "b"),
        Rename(3, 1, "b", 2, "c"),
        Write(3, 5, b"abc"),
        Truncate(3, 4),
        Truncate(3, 10),
        Fdatasync(3),
        Unlink(4, 1, "l"),
        Unlink(3, 2, "a"),
        Rename(3, 2, "c", 1, "c"),
        Rmdir(2, 1, "d"),
        Fsync(1),
    ]


def test_what_changes_nothing_leaves_no_operation(python):
    recorded = python(
        "with open('f', 'w') as f: f.write('abc')\n"
        "os.truncate('f', 3)\n"
        "open('f').read(); os.stat('f'); os.listdir('.'); os.chmod('f', 0o600); os.utime('f', (1, 2))\n"
        "os.link('f', 'g'); os.rename('f', 'g')\n"
    )
    assert operations(recorded.trace) == [Create(2, 1, "f"), Write(2, 0, b"abc"), Link(2, 1, "g")]


def test_flags_of_renames_are_kept_apart(python):
    recorded = python(
        "import ctypes\n"
        "def rename(old, new, flags):\n"
        "    libc = ctypes.CDLL(None, use_errno=True)\n"
        "    return libc.renameat2(-100, old, -100, new, flags) and ctypes.get_errno()\n"
        "open('a', 'w').close(); open('b', 'w').close()\n"
        "print(rename(b'a', b'b', 1), rename(b'a', b'b', 2), rename(b'a', b'c', 2), rename(b'a', b'c', 1), flush=True)\n"
    )
    assert recorded.trace.items == [
        Create(2, 1, "a"),
        Create(3, 1, "b"),
        Rename(2, 1, "a", 1, "b", 3, exchanged=True),
        Rename(3, 1, "a", 1, "c"),
        Mark("printed", "17 0 2 0"),
    ]


@pytest.mark.parametrize(("flag", "sync"), [("O_SYNC", Fsync(2)), ("O_DSYNC", Fdatasync(2))])
def test_a_file_opened_for_synchronous_writes_syncs_each(python, flag, sync):
    recorded = python(f"fd = os.open('f', os.O_CREAT | os.O_WRONLY | os.{flag})\nos.write(fd, b'abc')")
    assert recorded.trace.items == [Create(2, 1, "f"), Write(2, 0, b"abc"), sync]


def test_syncs_that_name_no_file_are_seen(python):
    recorded = python(
        "import ctypes, subprocess\n"
        "open('f', 'w').close()\n"
        "os.sync()\n"
        "subprocess.run(['sync'])\n"
        "libc = ctypes.CDLL(None)\n"
        "print(libc.syncfs(os.open('f', os.O_RDONLY)), libc.syncfs(os.open('/proc', os.O_RDONLY)), flush=True)\n"
    )
    assert recorded.trace.items == [Create(2, 1, "f"), SyncAll(), SyncAll(), SyncAll(), Mark("printed", "0 0")]
    assert str(recorded.trace.sources[2]) == "sync: 2nd sync of ."


def test_an_unlinked_open_file_lives_on_under_no_other_name(python):
    recorded = python(
        "f = open('f', 'w+')\n"
        "os.unlink('f')\n"
        "f.write('still here'); f.flush(); f.seek(0)\n"
        "print(f.read(), os.listdir('.'), os.fstat(f.fileno()).st_nlink, flush=True)\n"
    )
    assert recorded.trace.items == [
        Create(2, 1, "f"),
        Unlink(2, 1, "f"),
        Write(2, 0, b"still here"),
        Mark("printed", "still here [] 0"),
    ]
    assert [path for path, _, _ in recorded.image.walk()] == ["/"]


def test_a_line_stands_before_the_operation_that_followed_it(shell):
    """The acknowledgement of a program that acknowledges first is placed first, each time."""
    recorded = shell("for n in $(seq 50); do echo $n; echo $n >> log; done")
    kinds = [type(item).__name__ for item in recorded.trace.items]
    assert kinds == ["Mark", "Create", "Write"] + ["Mark", "Write"] * 49


def test_a_last_line_without_an_end_is_a_mark(shell):
    assert shell("printf done").trace.items == [Mark("printed", "done")]


def test_threads_and_processes_share_one_order_and_are_told_apart(python):
    recorded = python(
        "import threading\n"
        "def write(name):\n"
        "    with open(name, 'w', buffering=1) as f:\n"
        "        for n in range(50): f.write(f'{n}\\n')\n"
        "child = os.fork()\n"
        "threads = [threading.Thread(target=write, args=(f't{n}',)) for n in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "if child: os.waitpid(child, 0)\n"
    )
    processes = {source.process for source in recorded.trace.sources}
    assert len({process.pid for process in processes}) == 2
    assert len({process.thread for process in processes}) == 8
    assert DiskImage.made_by(recorded.trace.items).digest() == recorded.image.digest()


def test_each_operation_names_its_call_and_its_place(shell):
    recorded = shell("echo a > log; echo b >> log; mv log old; sync old")
    assert [str(source) for source in recorded.trace.sources] == [
        "sh: 1st create of log",
        "sh: 1st write to log",
        "sh: 2nd write to log",
        "mv: 1st rename of log",
        "sync: 1st fsync of old",
    ]


def test_the_setup_is_durable_and_not_recorded(root):
    run = Run(
        root,
        ("sh", "-c", "echo new >> {root}/log"),
        lambda folder: [
            "sh",
            "-c",
            f"mkdir {folder}/d; echo old > {folder}/log; ln {folder}/log {folder}/d/same; echo x",
        ],
        60.0,
    )
    recorded = record(run)
    again = decode(encode(recorded.trace))
    before = DiskImage.made_by(again.base)
    assert [path for path, _, _ in before.walk()] == ["/", "/d", "/d/same", "/log"]
    assert before.read_file("/d/same") == b"old\n"
    assert [type(item) for item in again.items] == [Write]
    after = before
    for item in again.items:
        after = after.apply(item)
    assert after.digest() == recorded.image.digest()
    assert after.read_file("/d/same") == b"old\nnew\n"


def test_the_exit_code_and_the_time_limit_are_told(root):
    assert record(Run(root, ("sh", "-c", "exit 3"), time_limit_s=60)).ended.exit_code == 3
    assert record(Run(root, ("sh", "-c", "kill -9 $$"), time_limit_s=60)).ended.exit_code == -9
    slow = record(Run(root, ("sh", "-c", "echo begun; exec sleep 600"), time_limit_s=1))
    assert (slow.ended.exit_code, slow.ended.timed_out) == (None, True)
    assert slow.trace.items == [Mark("printed", "begun")]


def test_what_outlives_the_program_is_killed_and_counted(shell):
    recorded = shell("setsid sh -c 'sleep 600' & echo started")
    assert recorded.ended.exit_code == 0
    assert recorded.ended.left >= 1


def test_one_large_write_is_one_operation(python):
    recorded = python("os.write(os.open('f', os.O_CREAT | os.O_WRONLY), bytes(range(250)) * 4000)")
    assert recorded.trace.items == [Create(2, 1, "f"), Write(2, 0, bytes(range(250)) * 4000)]


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in platform.release().split(".")[:2])


@pytest.mark.skipif(_kernel() < (6, 6), reason="shared mappings next to direct I/O need Linux 6.6")
def test_a_shared_mapping_is_written_back_by_its_sync(python):
    recorded = python(
        "import mmap\n"
        "f = open('f', 'w+b'); f.write(bytes(4096)); f.flush()\n"
        "m = mmap.mmap(f.fileno(), 4096)\n"
        "m[10:15] = b'hello'\n"
        "m.flush(); os.fsync(f.fileno())\n"
        "print(os.pread(f.fileno(), 5, 10).decode(), flush=True)\n"
    )
    assert mmap.PAGESIZE == 4096
    assert recorded.trace.items[-1] == Mark("printed", "hello")
    assert recorded.image.read_file("/f")[10:15] == b"hello"
    assert DiskImage.made_by(recorded.trace.items).digest() == recorded.image.digest()


def test_behind_the_page_cache_shared_mappings_need_no_new_kernel(root):
    text = (
        "import mmap, os\n"
        "f = open('{root}/f', 'w+b'); f.write(bytes(4096)); f.flush()\n"
        "m = mmap.mmap(f.fileno(), 4096); m[10:15] = b'hello'; m.flush()\n"
        "print(os.pread(f.fileno(), 5, 10).decode(), flush=True)\n"
    )
    recorded = record(Run(root, (sys.executable, "-S", "-c", text), time_limit_s=60, direct=False))
    assert recorded.trace.items[-1] == Mark("printed", "hello")
    assert Fdatasync(2) in recorded.trace.items, "that is what msync comes to"
    assert recorded.image.read_file("/f")[10:15] == b"hello"


def test_locks_hold_across_processes_and_names(python):
    recorded = python(
        "import fcntl\n"
        "f = open('f', 'w'); os.link('f', 'g')\n"
        "fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_EX)\n"
        "if not os.fork():\n"
        "    for name in ('f', 'g'):\n"
        "        for lock in (fcntl.flock, fcntl.lockf):\n"
        "            try: lock(open(name, 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB); print('free', flush=True)\n"
        "            except BlockingIOError: print('held', flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert [mark.event for mark in recorded.trace.marks()] == ["held"] * 4


def test_listings_follow_the_seed(root):
    words = (
        sys.executable,
        "-S",
        "-c",
        "import os\nos.chdir('{root}')\nfor n in range(20): open(f'f{n:02}', 'w')\nprint(os.listdir('.'))",
    )
    orders = [record(Run(root, words, time_limit_s=60, seed=seed)).trace.marks()[0].event for seed in (0, 7, 7, 8)]
    assert orders[0] == str(sorted(f"f{n:02}" for n in range(20)))
    assert orders[1] == orders[2] and len(set(orders)) == 3


def test_sockets_and_pipes_live_on_the_mount_and_not_in_the_trace(python):
    recorded = python(
        "import socket\n"
        "os.mkfifo('pipe'); socket.socket(socket.AF_UNIX).bind('socket')\n"
        "os.rename('pipe', 'other'); print(sorted(os.listdir('.')), flush=True); os.unlink('other')\n"
    )
    assert recorded.trace.items == [Mark("printed", "['other', 'socket']")]


def test_names_that_no_trace_can_hold_are_refused(python):
    recorded = python(
        "for name in (b'\\xff', b'x' * 256):\n"
        "    try: os.mkdir(name)\n"
        "    except OSError as error: print(error.errno, flush=True)\n"
    )
    assert [mark.event for mark in recorded.trace.marks()] == ["84", "36"]
