"""Calls fail as planned, and leave what the model says: on the disk, in the page cache, in the next call."""

import pytest

from harness.disk import DiskImage
from harness.faults import Fault, FaultPlan, Injector
from harness.trace import Create, Evict, FailedSync, Fsync, Mark, Revert, Write

pytestmark = pytest.mark.fuse

TRY = """
def attempt(call, *args):
    try:
        print(call(*args), flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""

APPEND = "fd = os.open('f', os.O_CREAT | os.O_RDWR | os.O_APPEND)\n"


def run(python, text, *faults, budget=None):
    injector = Injector(FaultPlan(faults, budget))
    return python(TRY + text, injector=injector)


def printed(recorded) -> list[str]:
    return [mark.event for mark in recorded.trace.marks()]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("open", "attempt(os.open, 'f', os.O_CREAT | os.O_WRONLY)"),
        ("mkdir", "attempt(os.mkdir, 'd')"),
        ("symlink", "attempt(os.symlink, 'x', 'l')"),
    ],
)
def test_a_call_that_fails_makes_nothing(python, kind, text):
    recorded = run(python, text + "\nprint(os.listdir('.'), flush=True)", Fault((kind,), errno="ENOSPC"))
    assert printed(recorded) == ["No space left on device", "[]"]
    assert [item for item in recorded.trace.items if not isinstance(item, Mark)] == []
    assert recorded.fired_at == 0


@pytest.mark.parametrize("kind", ["write", "truncate", "rename", "link", "unlink", "rmdir", "fsync", "fdatasync"])
def test_each_kind_of_call_gets_its_errno_once(python, kind):
    calls = {
        "write": "os.write, fd, b'x'",
        "truncate": "os.ftruncate, fd, 9",
        "rename": "os.rename, 'f', 'g'",
        "link": "os.link, 'f', 'h'",
        "unlink": "os.unlink, 'f'",
        "rmdir": "os.rmdir, 'd'",
        "fsync": "os.fsync, fd",
        "fdatasync": "os.fdatasync, fd",
    }
    text = f"{APPEND}os.mkdir('d')\nattempt({calls[kind]})\nattempt({calls[kind]})"
    recorded = run(python, text, Fault((kind,), errno="EIO"))
    assert printed(recorded) == ["Input/output error", "1" if kind == "write" else "None"]


def test_a_fault_hits_the_call_of_its_number(python):
    recorded = run(
        python, APPEND + "for n in range(4): attempt(os.write, fd, b'abc')", Fault(("write",), call=3, errno="EIO")
    )
    assert printed(recorded) == ["3", "Input/output error", "3", "3"]
    assert [call.number for call in recorded.calls] == [1, 2, 3, 4, 5]
    assert recorded.fired_at == 3  # after the create, a write and its mark


def test_an_error_for_good_stays(python):
    fault = Fault(("write",), occurrence=2, errno="EDQUOT", lasts=None)
    recorded = run(python, APPEND + "for n in range(4): attempt(os.write, fd, b'abc')", fault)
    assert printed(recorded) == ["3"] + ["Disk quota exceeded"] * 3


def test_a_short_write_lands_in_part_and_the_rest_may_follow(python):
    recorded = run(
        python, APPEND + "attempt(os.write, fd, b'abcdef')\nattempt(os.write, fd, b'def')", Fault(("write",), keep=3)
    )
    assert printed(recorded) == ["3", "3"]
    assert recorded.image.read_file("/f") == b"abcdef"


def test_of_a_write_that_fills_the_disk_the_prefix_lands_and_the_next_one_fails(python):
    recorded = run(python, APPEND + "for n in range(4): attempt(os.write, fd, b'abcdef')", budget=10)
    full = "No space left on device"
    assert printed(recorded) == ["6", "4", full, full]
    assert recorded.image.read_file("/f") == b"abcdefabcd"


def test_what_is_removed_makes_room_again(python):
    text = (
        APPEND + "attempt(os.write, fd, b'x' * 10)\nattempt(os.write, fd, b'y')\n"
        "os.ftruncate(fd, 4)\nattempt(os.write, fd, b'z' * 6)\n"
        "print(os.statvfs('.').f_bavail, flush=True)"
    )
    assert printed(run(python, text, budget=10)) == ["10", "No space left on device", "6", "0"]


def test_a_failed_sync_leaves_pages_clean_and_a_retry_succeeds(python):
    recorded = run(
        python,
        APPEND
        + "os.write(fd, b'abc')\nattempt(os.fsync, fd)\nattempt(os.fsync, fd)\nprint(open('f').read(), flush=True)",
        Fault(("fsync",), errno="EIO"),
    )
    assert printed(recorded) == ["Input/output error", "None", "abc"]
    assert recorded.trace.items[:5] == [
        Create(2, 1, "f"),
        Write(2, 0, b"abc"),
        FailedSync(2, 5, "drop-clean"),
        Mark("printed", "Input/output error"),
        Fsync(2),
    ]


def test_after_a_failed_sync_the_cache_may_forget(python):
    recorded = run(
        python,
        APPEND + "os.write(fd, b'abc')\nattempt(os.fsync, fd)\nprint(list(open('f', 'rb').read()), flush=True)",
        Fault(("fsync",), errno="EIO", forgets="at once"),
    )
    assert printed(recorded) == ["Input/output error", "[0, 0, 0]"]
    assert Evict(2, ((0, b"\0\0\0"),)) in recorded.trace.items
    assert DiskImage.made_by(recorded.trace.items).digest() == recorded.image.digest()


def test_a_failed_sync_may_take_the_file_back(python):
    recorded = run(
        python,
        APPEND + "os.write(fd, b'old'); os.fsync(fd)\nos.write(fd, b'new')\nattempt(os.fsync, fd)\n"
        "print(os.stat('f').st_size, open('f').read(), flush=True)\n"
        "os.write(fd, b'+'); print(open('f').read(), flush=True)",
        Fault(("fsync",), occurrence=2, errno="EIO", cache="revert"),
    )
    assert printed(recorded) == ["Input/output error", "3 old", "old+"]
    assert any(isinstance(item, Revert) for item in recorded.trace.items)
    assert DiskImage.made_by(recorded.trace.items).digest() == recorded.image.digest()


def test_a_failure_may_be_told_at_the_next_sync_only(python):
    recorded = run(
        python,
        APPEND + "os.write(fd, b'abc')\nfor n in range(3): attempt(os.fsync, fd)",
        Fault(("fsync",), errno="EIO", cache="late-report"),
    )
    assert printed(recorded) == ["None", "Input/output error", "None"]


def test_each_open_file_is_told_of_a_failure_once(python):
    recorded = run(
        python,
        APPEND + "other = os.open('f', os.O_RDWR)\nos.write(fd, b'abc')\n"
        "attempt(os.fsync, fd)\nlater = os.open('f', os.O_RDWR)\n"
        "for one in (other, other, fd, later): attempt(os.fsync, one)",
        Fault(("fsync",), errno="EIO"),
    )
    assert printed(recorded) == ["Input/output error", "Input/output error", "None", "None", "None"]


def test_a_lying_sync_syncs_nothing(python):
    recorded = run(python, APPEND + "os.write(fd, b'abc')\nattempt(os.fsync, fd)", Fault(("fsync",), lying=True))
    assert printed(recorded) == ["None"]
    assert not any(isinstance(item, Fsync) for item in recorded.trace.items)


def test_a_failed_sync_of_a_folder_is_told(python):
    recorded = run(python, "attempt(os.fsync, os.open('.', os.O_RDONLY))", Fault(("fsync",), errno="EIO"))
    assert recorded.trace.items == [FailedSync(1, 5, "drop-clean"), Mark("printed", "Input/output error")]


def test_an_interrupted_call_did_nothing_and_may_be_tried_again(python):
    """The interpreter does by itself (PEP 475): the program sees nothing, the trace has the second try only."""
    text = APPEND + "attempt(os.write, fd, b'abc')\nattempt(os.fsync, fd)"
    recorded = run(python, text, Fault(("write",), errno="EINTR"), Fault(("fsync",), errno="EINTR"))
    assert [call.kind for call in recorded.calls] == ["open", "write", "write", "fsync", "fsync"]
    assert recorded.trace.items == [
        Create(2, 1, "f"),
        Write(2, 0, b"abc"),
        Mark("printed", "3"),
        Fsync(2),
        Mark("printed", "None"),
    ]
