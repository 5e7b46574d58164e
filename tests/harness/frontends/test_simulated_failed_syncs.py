"""Syncs that fail: who is told of it and how often, and what the page cache shows afterwards, policy by policy."""

import errno
import os
from collections.abc import Iterator

import pytest

from harness.disk import DiskImage, File
from harness.faults import Fault, FaultPlan, Injector
from harness.frontends.simulated import Kernel, Redirection
from harness.trace import CachePolicy, Create, Evict, FailedSync, Fsync, Item, Revert, Write

LOG = 3
OLD = b"o" * 700
IMAGE = DiskImage.with_folders("/data").apply(Create(LOG, 2, "log")).with_files({LOG: File(OLD)})


@pytest.fixture(autouse=True)
def redirected() -> Iterator[None]:
    with Redirection.shared():
        yield


def failing(fault: Fault, image: DiskImage = IMAGE) -> Kernel:
    return Kernel(image, injector=Injector(FaultPlan((fault,))))


def fsync_fails(cache: CachePolicy = "drop-clean", **fields: object) -> Fault:
    return Fault(("fsync",), errno="EIO", cache=cache, **fields)  # type: ignore[arg-type]  # fields of a Fault


def opened(path: str = "/data/log") -> int:
    return os.open(path, os.O_RDWR)


def error_of(fd: int) -> int:
    """What fsync returns: 0 or an errno."""
    try:
        os.fsync(fd)
    except OSError as error:
        return error.errno or -1
    return 0


def appended(fd: int, data: bytes) -> None:
    os.pwrite(fd, data, os.fstat(fd).st_size)


def syncs(kernel: Kernel) -> list[Item]:
    return [item for item in kernel.trace.items if isinstance(item, FailedSync | Fsync)]


# -- who is told -----------------------------------------------------------------------------------------------------


def test_a_retry_on_the_same_descriptor_returns_0() -> None:
    kernel = failing(fsync_fails())
    with kernel.activate():
        fd = opened()
        appended(fd, b"new")
        assert [error_of(fd), error_of(fd)] == [errno.EIO, 0]
    assert syncs(kernel) == [FailedSync(LOG, errno.EIO), Fsync(LOG)]


def test_another_descriptor_that_was_open_is_told_once_at_its_own_sync() -> None:
    kernel = failing(fsync_fails())
    with kernel.activate():
        fd, other = opened(), opened()
        assert error_of(fd) == errno.EIO
        assert [error_of(other), error_of(other), error_of(fd)] == [errno.EIO, 0, 0]
    assert syncs(kernel)[:2] == [FailedSync(LOG, errno.EIO), FailedSync(LOG, errno.EIO, "untouched")]


def test_a_descriptor_opened_afterwards_is_not_told() -> None:
    kernel = failing(fsync_fails())
    with kernel.activate():
        assert error_of(opened()) == errno.EIO
        assert error_of(opened()) == 0


def test_two_numbers_of_one_open_file_are_told_once() -> None:
    kernel = failing(fsync_fails())
    with kernel.activate():
        fd = opened()
        twin = os.dup(fd)
        assert [error_of(fd), error_of(twin)] == [errno.EIO, 0]


def test_another_file_is_told_nothing() -> None:
    kernel = failing(fsync_fails())
    with kernel.activate():
        fd = opened()
        other = os.open("/data/other", os.O_RDWR | os.O_CREAT)
        assert [error_of(fd), error_of(other)] == [errno.EIO, 0]


def test_a_late_report_is_0_now_and_an_error_at_the_next_sync() -> None:
    kernel = failing(fsync_fails("late-report"))
    with kernel.activate():
        fd = opened()
        assert [error_of(fd), error_of(fd), error_of(fd)] == [0, errno.EIO, 0]
    late, told, last = syncs(kernel)
    assert (late, told) == (FailedSync(LOG, 0, "late-report"), FailedSync(LOG, errno.EIO, "late-report"))
    assert last == Fsync(LOG)


def test_a_late_report_reaches_a_descriptor_opened_after_the_failure() -> None:
    """Nobody has been told yet, so whoever syncs next is; after that it is known."""
    kernel = failing(fsync_fails("late-report"))
    with kernel.activate():
        fd = opened()
        assert error_of(fd) == 0
        os.close(fd)
        assert [error_of(opened()), error_of(opened())] == [errno.EIO, 0]


def test_a_late_report_reaches_each_descriptor_that_was_open_when_it_came() -> None:
    kernel = failing(fsync_fails("late-report"))
    with kernel.activate():
        fd, other = opened(), opened()
        assert [error_of(fd), error_of(other), error_of(fd), error_of(other)] == [0, errno.EIO, errno.EIO, 0]


def test_where_all_syncs_fail_the_late_report_is_only_the_first_ones() -> None:
    kernel = failing(fsync_fails("late-report", lasts=None))
    with kernel.activate():
        fd = opened()
        assert [error_of(fd), error_of(fd), error_of(fd)] == [0, errno.EIO, errno.EIO]


def test_freebsd_keeps_no_record_for_others() -> None:
    kernel = failing(fsync_fails("stay-dirty"))
    with kernel.activate():
        fd, other = opened(), opened()
        assert [error_of(fd), error_of(other), error_of(fd)] == [errno.EIO, 0, 0]


# -- what reads show -------------------------------------------------------------------------------------------------


def test_without_eviction_the_new_data_is_read() -> None:
    kernel = failing(fsync_fails())
    with kernel.activate():
        fd = opened()
        appended(fd, b"new")
        assert error_of(fd) == errno.EIO
        assert os.pread(fd, 1_000, 0) == OLD + b"new"


def test_an_evicted_append_reads_as_zeros_and_keeps_its_size() -> None:
    kernel = failing(fsync_fails(forgets="at once"))
    with kernel.activate():
        fd = opened()
        appended(fd, b"new" * 200)
        assert error_of(fd) == errno.EIO
        assert os.pread(fd, 2_000, 0) == OLD + bytes(600)
    assert kernel.trace.items[-1] == Evict(LOG, ((512, OLD[512:] + bytes(324)), (1_024, bytes(276))))


def test_an_evicted_overwrite_reads_as_the_old_block() -> None:
    kernel = failing(fsync_fails(forgets="at once"))
    with kernel.activate():
        fd = opened()
        os.pwrite(fd, b"new", 10)
        assert error_of(fd) == errno.EIO
        assert os.pread(fd, 700, 0) == OLD


def test_what_an_earlier_sync_wrote_is_not_forgotten() -> None:
    kernel = failing(fsync_fails(occurrence=2, forgets="at once"))
    with kernel.activate():
        fd = opened()
        appended(fd, b"first")
        assert error_of(fd) == 0
        appended(fd, b"second")
        assert error_of(fd) == errno.EIO
        assert os.pread(fd, 1_000, 0) == OLD + b"first" + bytes(6)


def test_a_retry_does_not_write_what_was_dropped() -> None:
    """A second failure shows what the first retry, which returned 0, has made durable: nothing."""
    fault = fsync_fails(), fsync_fails(occurrence=3, forgets="at once")
    kernel = Kernel(IMAGE, injector=Injector(FaultPlan(fault)))
    with kernel.activate():
        fd = opened()
        appended(fd, b"new")
        assert [error_of(fd), error_of(fd), error_of(fd)] == [errno.EIO, 0, errno.EIO]
        assert os.pread(fd, 1_000, 0) == OLD + bytes(3)


def test_a_later_write_of_the_sector_takes_the_dropped_bytes_along() -> None:
    fault = fsync_fails(), fsync_fails(occurrence=3, forgets="at once")
    kernel = Kernel(IMAGE, injector=Injector(FaultPlan(fault)))
    with kernel.activate():
        fd = opened()
        appended(fd, b"one")
        assert error_of(fd) == errno.EIO
        appended(fd, b"two")
        assert [error_of(fd), error_of(fd)] == [0, errno.EIO]
        assert os.pread(fd, 1_000, 0) == OLD + b"onetwo"


def test_a_reverted_file_has_its_durable_bytes_and_size_at_once() -> None:
    kernel = failing(fsync_fails("revert", occurrence=2))
    with kernel.activate():
        fd = opened()
        appended(fd, b"first")
        assert error_of(fd) == 0
        appended(fd, b"second")
        os.pwrite(fd, b"over", 0)
        assert error_of(fd) == errno.EIO
        assert os.fstat(fd).st_size == 705
        assert os.pread(fd, 1_000, 0) == OLD + b"first"
    assert kernel.trace.items[-1] == Revert(LOG, 705, ((0, OLD[:512]),))


def test_a_truncation_is_reverted_too() -> None:
    kernel = failing(fsync_fails("revert"))
    with kernel.activate():
        fd = opened()
        os.ftruncate(fd, 100)
        assert error_of(fd) == errno.EIO
        assert os.pread(fd, 1_000, 0) == OLD


def test_dirty_pages_that_stay_dirty_are_read_and_really_synced_by_the_retry() -> None:
    kernel = failing(fsync_fails("stay-dirty"))
    with kernel.activate():
        fd = opened()
        appended(fd, b"new")
        assert [error_of(fd), error_of(fd)] == [errno.EIO, 0]
        assert os.pread(fd, 1_000, 0) == OLD + b"new"
    assert kernel.trace.items[-2:] == [FailedSync(LOG, errno.EIO, "stay-dirty"), Fsync(LOG)]


def test_a_folder_whose_sync_fails_is_left_as_it_is() -> None:
    for cache in ("drop-clean", "revert"):
        kernel = failing(fsync_fails(cache))
        with kernel.activate():
            os.close(os.open("/data/new", os.O_CREAT | os.O_WRONLY))
            assert error_of(os.open("/data", os.O_RDONLY)) == errno.EIO
            assert os.listdir("/data") == ["log", "new"]


# -- close -----------------------------------------------------------------------------------------------------------


def closing(write: bytes, sync: bool) -> Kernel:
    kernel = failing(Fault(("close",), errno="EIO"))
    with kernel.activate():
        fd = opened()
        if write:
            appended(fd, write)
        if sync:
            os.fsync(fd)
        with pytest.raises(OSError, match="Input/output"):
            os.close(fd)
        assert error_of(opened()) == 0
    return kernel


def test_an_error_at_close_is_that_of_what_was_never_synced() -> None:
    """NFS: the data goes out at the close; whoever ignores that error is told nothing more."""
    assert syncs(closing(b"new", sync=False)) == [FailedSync(LOG, errno.EIO), Fsync(LOG)]


@pytest.mark.parametrize("write", [b"", b"new"])
def test_an_error_at_close_harms_nothing_that_was_synced(write: bytes) -> None:
    kernel = closing(write, sync=True)
    assert not any(isinstance(item, FailedSync) for item in kernel.trace.items)
    assert sum(isinstance(item, Write) for item in kernel.trace.items) == bool(write)


# -- who has looked --------------------------------------------------------------------------------------------------


def test_a_read_of_what_was_left_clean_is_noticed() -> None:
    kernel = failing(fsync_fails())
    with kernel.activate():
        fd = opened()
        os.pread(fd, 10, 0)
        appended(fd, b"new")
        error_of(fd)
        assert kernel.write_errors is not None
        assert not kernel.write_errors.looked
        os.pread(fd, 10, 0)
        assert kernel.write_errors.looked


def test_a_read_of_what_stays_dirty_is_of_no_interest() -> None:
    kernel = failing(fsync_fails("stay-dirty"))
    with kernel.activate():
        fd = opened()
        error_of(fd)
        os.pread(fd, 10, 0)
        assert kernel.write_errors is not None
        assert not kernel.write_errors.looked
