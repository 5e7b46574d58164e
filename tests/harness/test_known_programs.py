"""Programs whose right answer is known, through `crash_test`: what must be accused is, what is correct is left alone."""

import json
import logging
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from harness import crash_test

PATH = "/data/state"
OLD, NEW = "old" * 200, "new" * 300
PROFILES = ("process", "strict", "ext4", "xfs", "btrfs")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def sync_folder(path="/data"):
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_synced(path, text):
    with open(path, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def begin(mark):
    """The old content, safely there before anything happens to it."""
    write_synced(PATH, OLD)
    sync_folder()
    mark(OLD)


def content_is_the_last_marked(marks):
    """Also right: the next one, which was on its way."""
    if marks:
        assert Path(PATH).read_text() in {OLD: (OLD, NEW), NEW: (NEW,)}[marks[-1]]


def replacing(replace):
    def workload(mark):
        begin(mark)
        replace()
        mark(NEW)

    return workload


def textbook():
    write_synced(PATH + ".tmp", NEW)
    os.replace(PATH + ".tmp", PATH)
    sync_folder()


def without_file_sync():
    with open(PATH + ".tmp", "w") as file:
        file.write(NEW)
    os.replace(PATH + ".tmp", PATH)
    sync_folder()


def without_folder_sync():
    write_synced(PATH + ".tmp", NEW)
    os.replace(PATH + ".tmp", PATH)


def in_place():
    write_synced(PATH, NEW)


def through_tempfile():
    with tempfile.NamedTemporaryFile("w", dir="/data", delete=False) as file:
        file.write(NEW)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, PATH)
    sync_folder()


def by_copy_and_rename():
    write_synced("/data/source", NEW)
    shutil.copy("/data/source", "/data/copy")
    os.rename("/data/copy", PATH)
    sync_folder()


def by_copy_synced():
    write_synced("/data/source", NEW)
    shutil.copy("/data/source", "/data/copy")
    with open("/data/copy", "rb+") as file:
        os.fsync(file.fileno())
    os.rename("/data/copy", PATH)
    sync_folder()


def by_pathlib():
    Path(PATH + ".tmp").write_text(NEW)
    os.replace(PATH + ".tmp", PATH)


def answer(workload, recovered, profile, **options):
    """ "held" or the verdict that comes first."""
    try:
        crash_test(workload, recovered, profile=profile, faults=options.pop("faults", False), **options)
    except AssertionError as failure:
        return str(failure).partition(":")[0]
    return "held"


def expect(workload, recovered, violated, **options):
    for profile in PROFILES:
        wanted = "check-failed" if profile in violated else "held"
        assert answer(workload, recovered, profile, **options) == wanted, profile


@pytest.mark.parametrize(
    "replace, violated",
    [
        (textbook, ()),
        (without_file_sync, ("strict", "ext4", "xfs", "btrfs")),
        (without_folder_sync, ("strict", "ext4", "xfs", "btrfs")),
        (in_place, PROFILES),
        (through_tempfile, ()),
        (by_copy_and_rename, ("strict", "ext4", "xfs", "btrfs")),
        (by_copy_synced, ()),
        (by_pathlib, ("strict", "ext4", "xfs", "btrfs")),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_replacing_a_file(replace, violated):
    expect(replacing(replace), content_is_the_last_marked, violated)


@pytest.mark.parametrize("replace", [textbook, through_tempfile, by_copy_synced])
def test_a_correct_replacement_is_not_accused_when_calls_fail(replace):
    assert answer(replacing(replace), content_is_the_last_marked, "strict", faults=True) == "held"


def log_lines(path="/data/log"):
    """Every whole line; a torn tail is nobody's promise."""
    data = Path(path).read_bytes() if os.path.exists(path) else b""
    return [line for line in data[: data.rfind(b"\n") + 1].split(b"\n")[:-1] if line]


def marked_lines_are_there(marks):
    assert set(marks) <= {line.decode() for line in log_lines()}


def appending(flags, sync):
    def workload(mark):
        log = os.open("/data/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | flags, 0o644)
        sync_folder()
        for n in range(2):
            assert os.write(log, f"job {n}\n".encode()) == 6
            if sync is not None:
                sync(log)
            mark(f"job {n}")
        os.close(log)

    return workload


@pytest.mark.parametrize(
    "flags, sync",
    [(os.O_SYNC, None), (os.O_DSYNC, None), (0, lambda log: os.fdatasync(log)), (0, lambda log: os.fsync(log))],
    ids=["O_SYNC", "O_DSYNC", "fdatasync", "fsync"],
)
def test_an_append_that_is_synced_in_any_way_holds(flags, sync):
    expect(appending(flags, sync), marked_lines_are_there, ())


def test_an_append_that_is_never_synced_survives_only_a_kill():
    expect(appending(0, None), marked_lines_are_there, ("strict", "ext4", "xfs", "btrfs"))


def rotating(with_folder_sync):
    def workload(mark):
        write_synced("/data/log", "one\n")
        sync_folder()
        mark("one")
        os.rename("/data/log", "/data/log.1")
        write_synced("/data/log", "two\n")
        if with_folder_sync:
            sync_folder()
        mark("two")

    return workload


def either_log_has_them(marks):
    assert set(marks) <= {line.decode() for name in ("/data/log", "/data/log.1") for line in log_lines(name)}


def test_a_rotation_with_folder_sync_holds():
    expect(rotating(True), either_log_has_them, ())


def test_a_rotation_without_folder_sync_loses_the_new_log_where_a_name_is_not_implied():
    expect(rotating(False), either_log_has_them, ("strict",))


def json_lines(mark):
    with open("/data/log", "a") as log:
        sync_folder()
        for n in range(2):
            log.write(json.dumps({"n": n}) + "\n")
            log.flush()
            os.fsync(log.fileno())
            mark(n)


def test_a_reader_that_ignores_a_torn_tail_holds():
    def recovered(marks):
        assert set(marks) <= {json.loads(line)["n"] for line in log_lines()}

    expect(json_lines, recovered, ())


def test_a_reader_that_chokes_on_a_torn_tail_is_named_with_its_error():
    def recovered(marks):
        found = [json.loads(line)["n"] for line in Path("/data/log").read_text().splitlines()] if marks else []
        assert set(marks) <= set(found)

    with pytest.raises(AssertionError, match=r"^check-failed: JSONDecodeError: .*\(test_known_programs\.py:\d+\)"):
        crash_test(json_lines, recovered, faults=False)


def short_writes(retry):
    def workload(mark):
        log = os.open("/data/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        sync_folder()
        for n in range(2):
            data = f"job {n}\n".encode()
            written = os.write(log, data)
            while retry and written < len(data):
                written += os.write(log, data[written:])
            os.fsync(log)
            mark(f"job {n}")

    return workload


def test_a_short_write_that_is_retried_holds():
    assert answer(short_writes(True), marked_lines_are_there, "strict", faults=True) == "held"


def test_a_short_write_that_is_not_looked_at_is_a_swallowed_error():
    assert answer(short_writes(False), marked_lines_are_there, "strict", faults=True) == "swallowed-error"


def full_disk(tell):
    def workload(mark):
        with open("/data/log", "ab") as log:
            sync_folder()
            for n in range(2):
                try:
                    log.write(f"job {n}\n".encode())
                    log.flush()
                    os.fsync(log.fileno())
                except OSError:
                    if tell:
                        raise
                mark(f"job {n}")

    return workload


def test_a_full_disk_that_is_told_holds():
    assert answer(full_disk(True), marked_lines_are_there, "strict", faults=True) == "held"


def test_a_full_disk_that_is_swallowed_is_accused():
    with pytest.raises(AssertionError, match="swallowed-error") as failure:
        crash_test(full_disk(False), marked_lines_are_there)
    assert "ENOSPC" in str(failure.value)


def syncing_until_it_works(path):
    def workload(mark):
        with open(path, "a") as log:
            sync_folder()
            for n in range(2):
                log.write(f"job {n}\n")
                log.flush()
                for attempt in range(3):
                    try:
                        os.fsync(log.fileno())
                        break
                    except OSError:
                        if attempt == 2:
                            raise
                mark(f"job {n}")

    return workload


def test_a_failed_fsync_that_is_retried_until_it_returns_zero_has_lost_the_data():
    with pytest.raises(AssertionError, match="swallowed-error") as failure:
        crash_test(syncing_until_it_works("/data/log"), marked_lines_are_there)
    assert "fsync" in str(failure.value)


def test_logging_is_no_log_of_record():
    def workload(mark):
        handler = logging.FileHandler("/data/log")
        logger = logging.Logger("jobs")
        logger.addHandler(handler)
        sync_folder()
        for n in range(2):
            logger.warning("job %d", n)
            mark(f"job {n}")
        handler.close()

    expect(workload, marked_lines_are_there, ("strict", "ext4", "xfs", "btrfs"))
