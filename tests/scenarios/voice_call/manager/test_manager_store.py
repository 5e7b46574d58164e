"""The store alone: what a crash, a full disk or damage leaves, and what is made of it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from scenarios.voice_call.manager.log_reading import EVERY_CALL
from scenarios.voice_call.manager.records import CallRecord, TranscriptLine, encode_line
from scenarios.voice_call.manager.store import LOCK_NAME, Store, StoreLocked, StoreUnavailable

Lines = Any
pytestmark = pytest.mark.usefixtures("instant_syncs")


def call(number: int, **fields: Any) -> CallRecord:
    return CallRecord(call_id=f"c-{number}", direction="inbound", provider="mock", state="ringing", **fields)


def filled(directory: Path, log: Lines, count: int = 3) -> Store:
    store = Store(str(directory), log=log)
    store.open()
    for number in range(count):
        store.append(None, call(number, to="grüße\u2028" * 3), "inbound")
    return store


def content(directory: Path) -> bytes:
    return (directory / "calls.jsonl").read_bytes()


def reopened(directory: Path, log: Lines) -> tuple[Store, dict[str, CallRecord]]:
    store = Store(str(directory), log=log)
    return store, store.open().records


def test_cut_at_every_byte_loses_at_most_the_last_record_and_never_the_next(tmp_path: Path, log: Lines) -> None:
    filled(tmp_path, log).close()
    whole = content(tmp_path)
    keep = whole.rfind(b"\n", 0, len(whole) - 1) + 1
    for size in range(keep, len(whole) + 1):
        (tmp_path / "calls.jsonl").write_bytes(whole[:size])
        store, records = reopened(tmp_path, log)
        assert list(records) == ["c-0", "c-1", "c-2"][: 3 if size >= len(whole) - 1 else 2], size
        store.append(None, call(9), "inbound")
        store.close()
        store, records = reopened(tmp_path, log)
        assert "c-9" in records and records["c-9"].state == "ringing"
        store.close()
    assert {"tail-cut", "tail-newline-added"} <= set(log.names())
    assert "line-quarantined" not in log.names()


@pytest.mark.parametrize("zeros", [1, 7, 512, 4096])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_zero_filled_tail_is_cut(tmp_path: Path, log: Lines, zeros: int, end: bytes) -> None:
    filled(tmp_path, log).close()
    whole = content(tmp_path)
    (tmp_path / "calls.jsonl").write_bytes(whole + b"\0" * zeros + end)
    store, records = reopened(tmp_path, log)
    assert len(records) == 3 and content(tmp_path) == whole
    assert "nul-tail-cut" in log.names()
    store.close()


def test_last_record_with_a_zeroed_sector_is_cut(tmp_path: Path, log: Lines) -> None:
    filled(tmp_path, log).close()
    whole = content(tmp_path)
    start = whole.rfind(b"\n", 0, len(whole) - 1) + 1
    (tmp_path / "calls.jsonl").write_bytes(whole[: start + 20] + b"\0" * 40 + whole[start + 60 :])
    store, records = reopened(tmp_path, log)
    assert list(records) == ["c-0", "c-1"] and content(tmp_path) == whole[:start]
    store.close()


def test_damage_in_the_middle_is_reported_kept_and_its_victim_named(tmp_path: Path, log: Lines) -> None:
    filled(tmp_path, log).close()
    lines = content(tmp_path).split(b"\n")
    damaged = lines[1].replace(b'"ringing"', b'"rinXing"')
    (tmp_path / "calls.jsonl").write_bytes(b"\n".join([lines[0], damaged, lines[2], b""]))
    store = Store(str(tmp_path), log=log)
    loaded = store.open()
    assert list(loaded.records) == ["c-0", "c-2"]
    assert list(loaded.quarantined) == ["c-1"]
    assert damaged in content(tmp_path)
    assert store.compact(list(loaded.records.values()))
    assert damaged in content(tmp_path)
    store.close()


def test_hole_of_zeros_in_the_middle_keeps_the_lines_after_it(tmp_path: Path, log: Lines) -> None:
    filled(tmp_path, log).close()
    lines = content(tmp_path).split(b"\n")
    hole = b"\0" * (len(lines[1]) + 1)
    (tmp_path / "calls.jsonl").write_bytes(
        lines[0] + b"\n" + hole + lines[2] + b"\n" + lines[2].replace(b"c-2", b"c-3")
    )
    store = Store(str(tmp_path), log=log)
    loaded = store.open()
    assert list(loaded.records) == ["c-0", "c-2"] and list(loaded.quarantined) == [EVERY_CALL]
    assert "line-after-hole-recovered" in log.names()
    store.close()


def test_missing_numbers_make_every_call_uncertain(tmp_path: Path, log: Lines) -> None:
    filled(tmp_path, log).close()
    lines = content(tmp_path).split(b"\n")
    (tmp_path / "calls.jsonl").write_bytes(b"\n".join([lines[0], lines[2], b""]))
    store = Store(str(tmp_path), log=log)
    assert list(store.open().quarantined) == [EVERY_CALL]
    store.close()


def test_cut_inside_a_character_of_a_foreign_writer_does_not_poison_the_load(tmp_path: Path, log: Lines) -> None:
    filled(tmp_path, log).close()
    with (tmp_path / "calls.jsonl").open("ab") as file:
        file.write('{"v":1,"seq":4,"text":"grü'.encode()[:-1])
    store, records = reopened(tmp_path, log)
    assert len(records) == 3
    store.close()


def test_separators_and_lone_surrogates_survive(tmp_path: Path, log: Lines) -> None:
    store = Store(str(tmp_path), log=log)
    store.open()
    said = "a\u2028b\u2029c\u0085d\x0be\x0cf\nü\ud800"
    store.append(None, call(1, transcript=(TranscriptLine(1, "user", said),)), "inbound")
    store.close()
    assert content(tmp_path).count(b"\n") == 1 and content(tmp_path).isascii()
    store, records = reopened(tmp_path, log)
    assert records["c-1"].transcript[0].text == said
    store.close()


def test_unknown_fields_and_lines_are_kept_through_a_compaction(tmp_path: Path, log: Lines) -> None:
    body = {"set": {"state": "ringing", "colour": "blue"}}
    known = encode_line(seq=1, gen=1, call="c-1", kind="inbound", body=body, envelope={"zone": 7})
    newer = encode_line(seq=2, gen=1, call="c-1", kind="inbound", body={"set": {}, "wipe": True})
    (tmp_path / "calls.jsonl").write_bytes(known + newer)
    store = Store(str(tmp_path), log=log)
    loaded = store.open()
    assert loaded.records["c-1"].extra == {"colour": "blue"} and list(loaded.quarantined) == ["c-1"]
    assert store.compact(list(loaded.records.values()))
    store.close()
    store = Store(str(tmp_path), log=log)
    again = store.open()
    assert again.records == loaded.records and again.kept_lines == [newer[:-1]]
    assert b'"colour":"blue"' in content(tmp_path) and b'"zone":7' in content(tmp_path)
    store.close()


def test_unreadable_field_does_not_drop_the_record(tmp_path: Path, log: Lines) -> None:
    line = encode_line(seq=1, gen=1, call="c-1", kind="x", body={"set": {"state": "ringing", "startedAt": "soon"}})
    (tmp_path / "calls.jsonl").write_bytes(line)
    store = Store(str(tmp_path), log=log)
    loaded = store.open()
    assert loaded.records["c-1"].extra == {"startedAt": "soon"} and "c-1" in loaded.quarantined
    store.close()


def test_lines_count_by_number_not_by_place_and_a_stale_writer_loses(tmp_path: Path, log: Lines) -> None:
    def line(seq: int, gen: int, state: str) -> bytes:
        return encode_line(seq=seq, gen=gen, call="c-1", kind="x", body={"set": {"state": state}})

    mixed = [line(3, 2, "completed"), line(2, 1, "answered"), line(3, 1, "active"), line(4, 1, "listening")]
    (tmp_path / "calls.jsonl").write_bytes(line(1, 1, "ringing") + b"".join(mixed))
    store, records = reopened(tmp_path, log)
    assert records["c-1"].state == "completed"
    assert log.names().count("stale-line-ignored") == 2
    assert store.generation == 3
    store.close()


def test_one_writer(tmp_path: Path, log: Lines) -> None:
    first = filled(tmp_path, log)
    with pytest.raises(StoreLocked, match=f"pid {os.getpid()}"):
        Store(str(tmp_path), log=log).open()
    first.close()
    Store(str(tmp_path), log=log).open()


def test_one_writer_also_where_the_file_that_names_it_was_removed(tmp_path: Path, log: Lines) -> None:
    first = filled(tmp_path, log)
    (tmp_path / LOCK_NAME).unlink()
    with pytest.raises(StoreLocked, match="belongs to an unnamed process"):
        Store(str(tmp_path), log=log).open()
    (tmp_path / LOCK_NAME).write_text("pid 1\n")
    with pytest.raises(StoreLocked, match="belongs to pid 1"):
        Store(str(tmp_path), log=log).open()
    first.close()
    second, records = reopened(tmp_path, log)
    assert len(records) == 3
    second.close()


def test_every_new_directory_level_is_synced_before_the_first_record(tmp_path: Path, log: Lines) -> None:
    synced: list[str] = []

    class Watched(Store):
        def sync_directory(self, path: str) -> None:
            synced.append(path)
            super().sync_directory(path)

    target = tmp_path / "a" / "b"
    store = Watched(str(target), log=log)
    store.open()
    assert {str(tmp_path), str(tmp_path / "a"), str(target)} <= set(synced)
    assert synced[-1] == str(target)
    store.close()


def test_unreadable_is_not_absent(tmp_path: Path, log: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path, log).close()
    before = content(tmp_path)

    def broken(fd: int, size: int) -> bytes:
        raise OSError(errno.EIO, "bad sector")

    with monkeypatch.context() as patched:
        patched.setattr(os, "read", broken)
        with pytest.raises(StoreUnavailable, match="bad sector"):
            Store(str(tmp_path), log=log).open()
    assert content(tmp_path) == before
    store, records = reopened(tmp_path, log)
    assert len(records) == 3
    store.close()


class Disk:
    """Faults at the seam of the system calls."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.broken: dict[str, int] = {}
        for name in ("write", "fsync", "ftruncate", "rename"):
            patched.setattr(os, name, self.wrapped(name, getattr(os, name)))

    def wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call_it(*arguments: Any) -> Any:
            if self.broken.get(name, 0) > 0:
                self.broken[name] -= 1
                raise OSError(errno.EIO, f"{name} failed")
            if name == "write" and self.room is not None:
                if self.room == 0:
                    raise OSError(errno.ENOSPC, "no space left on device")
                part = arguments[1][: self.room]
                self.room -= len(part)
                return real(arguments[0], part)
            return real(*arguments)

        return call_it


def test_full_disk_at_every_byte_is_told_and_leaves_nothing(
    tmp_path: Path, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path, log, 1)
    before = content(tmp_path)
    disk = Disk(monkeypatch)
    for room in range(len(before)):
        disk.room = room
        with pytest.raises(StoreUnavailable):
            store.append(None, call(0, to="grüße\u2028" * 3), "inbound")
        assert content(tmp_path) == before and store.poisoned is None
    disk.room = None
    store.append(None, call(1), "inbound")
    store.close()
    _, records = reopened(tmp_path, log)
    assert list(records) == ["c-0", "c-1"]


def test_short_writes_that_succeed_are_success(tmp_path: Path, log: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path, log, 1)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    store.append(None, call(1), "inbound")
    monkeypatch.undo()
    store.close()
    _, records = reopened(tmp_path, log)
    assert list(records) == ["c-0", "c-1"]


def test_failed_fsync_poisons_until_the_file_was_read_and_written_anew(
    tmp_path: Path, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path, log, 1)
    inode = (tmp_path / "calls.jsonl").stat().st_ino
    disk = Disk(monkeypatch)
    disk.broken["fsync"] = 1
    with pytest.raises(StoreUnavailable, match="fsync failed"):
        store.append(None, call(1), "inbound")
    with pytest.raises(StoreUnavailable, match="reopened"):
        store.append(None, call(1), "inbound")
    disk.broken["fsync"] = 1
    with pytest.raises(StoreUnavailable, match="cannot reopen"):
        store.reopen()
    assert store.poisoned is not None
    assert list(store.reopen().records) == ["c-0"]
    assert (tmp_path / "calls.jsonl").stat().st_ino != inode
    store.append(None, call(1), "inbound")
    store.close()
    _, records = reopened(tmp_path, log)
    assert list(records) == ["c-0", "c-1"]
    assert "writer-poisoned" in log.names() and "writer-reopened" in log.names()


def test_a_cut_back_that_fails_poisons_and_the_reopening_repairs(
    tmp_path: Path, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path, log, 1)
    disk = Disk(monkeypatch)
    disk.room, disk.broken["ftruncate"] = 10, 1
    with pytest.raises(StoreUnavailable):
        store.append(None, call(1), "inbound")
    assert store.poisoned is not None
    disk.room = None
    assert list(store.reopen().records) == ["c-0"]
    store.append(None, call(1), "inbound")
    store.close()
    _, records = reopened(tmp_path, log)
    assert list(records) == ["c-0", "c-1"]


@pytest.mark.parametrize("broken", ["write", "fsync", "rename"])
def test_failed_compaction_leaves_the_old_log_in_use(
    tmp_path: Path, log: Lines, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    store = filled(tmp_path, log)
    before = content(tmp_path)
    Disk(monkeypatch).broken[broken] = 1
    assert not store.compact([call(0)])
    assert content(tmp_path) == before and not (tmp_path / "calls.jsonl.tmp").exists()
    store.append(None, call(7), "inbound")
    store.close()
    _, records = reopened(tmp_path, log)
    assert list(records) == ["c-0", "c-1", "c-2", "c-7"]


def test_compaction_whose_directory_sync_fails_stops_the_writer(
    tmp_path: Path, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Store):
        fail = False

        def sync_directory(self, path: str) -> None:
            if self.fail:
                raise OSError(errno.EIO, "no sync")
            super().sync_directory(path)

    store = Broken(str(tmp_path), log=log)
    store.open()
    store.append(None, call(0), "inbound")
    store.fail = True
    assert not store.compact([call(0)])
    with pytest.raises(StoreUnavailable):
        store.append(None, call(1), "inbound")
    store.fail = False
    store.reopen()
    store.append(None, call(1), "inbound")
    store.close()
    _, records = reopened(tmp_path, log)
    assert list(records) == ["c-0", "c-1"]


def test_leftover_of_a_compaction_is_removed_unread(tmp_path: Path, log: Lines) -> None:
    filled(tmp_path, log).close()
    (tmp_path / "calls.jsonl.tmp").write_bytes(b"anything")
    store, records = reopened(tmp_path, log)
    assert len(records) == 3 and not (tmp_path / "calls.jsonl.tmp").exists()
    assert "leftover-removed" in log.names()
    store.close()


def test_compaction_keeps_numbers_going_and_changes_apply_on_top(tmp_path: Path, log: Lines) -> None:
    store = filled(tmp_path, log)
    record = call(1, processed_event_ids=("e1",), processed_event_times=(1,))
    assert store.compact([record])
    after = replace(record, state="completed", processed_event_ids=("e1", "e2"), processed_event_times=(1, 2))
    store.append(record, after, "call.ended")
    store.close()
    store = Store(str(tmp_path), log=log)
    loaded = store.open()
    assert loaded.records == {"c-1": after} and loaded.last_seq == 4 and not loaded.quarantined
    store.close()


def test_opening_twice_writes_the_same_bytes(tmp_path: Path, log: Lines) -> None:
    filled(tmp_path, log).close()
    (tmp_path / "calls.jsonl").write_bytes(content(tmp_path) + b'{"torn')
    store, first = reopened(tmp_path, log)
    store.close()
    once = content(tmp_path)
    store, second = reopened(tmp_path, log)
    store.close()
    assert content(tmp_path) == once and first == second


def test_a_log_that_was_emptied_by_a_compaction_begins_anew(tmp_path: Path, log: Lines) -> None:
    store = filled(tmp_path, log)
    assert store.compact([])
    store.append(None, call(7), "inbound")
    store.close()
    store, records = reopened(tmp_path, log)
    assert list(records) == ["c-7"]
    assert "line-quarantined" not in log.names()
    store.close()


# --- a log of which nothing can be read ------------------------------------------------------------------------------


def other_version(whole: bytes) -> bytes:
    return whole.replace(b'"v":1', b'"v":99')


def wide(whole: bytes) -> bytes:
    return whole.decode().encode("utf-16")


def foreign(whole: bytes) -> bytes:
    return b"no json\n" * 2


def zeroed(whole: bytes) -> bytes:
    return bytes(byte if byte == 10 else 0 for byte in whole)


@pytest.mark.parametrize("harm", [other_version, wide, foreign, zeroed])
@pytest.mark.parametrize("count", [3, 400])
def test_a_log_of_which_no_line_can_be_read_is_refused_and_kept(
    tmp_path: Path, log: Lines, harm: Callable[[bytes], bytes], count: int
) -> None:
    filled(tmp_path, log, count).close()
    harmed = harm(content(tmp_path))
    (tmp_path / "calls.jsonl").write_bytes(harmed)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="not one can be read: put the right log there"):
            Store(str(tmp_path), log=log).open()
        assert content(tmp_path) == harmed


def test_a_writer_that_reads_nothing_anew_stays_closed(
    tmp_path: Path, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path, log)
    disk = Disk(monkeypatch)
    disk.broken["fsync"] = 1
    with pytest.raises(StoreUnavailable, match="fsync failed"):
        store.append(None, call(4), "inbound")
    harmed = foreign(content(tmp_path))
    (tmp_path / "calls.jsonl").write_bytes(harmed)
    with pytest.raises(StoreUnavailable, match="not one can be read"):
        store.reopen()
    assert content(tmp_path) == harmed
    store.close()


@pytest.mark.parametrize("last", [b"", b"\0" * 40 + b"\n", b'{"v":1,"seq":2'])
def test_one_damaged_line_alone_is_no_reason_to_refuse(tmp_path: Path, log: Lines, last: bytes) -> None:
    (tmp_path / "calls.jsonl").write_bytes(b"no json\n" + last)
    store, records = reopened(tmp_path, log)
    assert records == {} and "line-quarantined" in log.names()
    store.append(None, call(1), "inbound")
    store.close()
    store, records = reopened(tmp_path, log)
    assert list(records) == ["c-1"]
    store.close()


# --- the log under its open writer -----------------------------------------------------------------------------------


def moved(log_file: Path) -> None:
    log_file.rename(log_file.with_name("calls.jsonl.1"))


def replaced(log_file: Path) -> None:
    moved(log_file)
    log_file.write_bytes(b"")


def copied(log_file: Path) -> None:
    whole = log_file.read_bytes()
    moved(log_file)
    log_file.write_bytes(whole)


def emptied(log_file: Path) -> None:
    os.truncate(log_file, 0)


def extended(log_file: Path) -> None:
    with log_file.open("ab") as file:
        file.write(b"a line of somebody else\n")


def removed_with_its_directory(log_file: Path) -> None:
    log_file.parent.rename(log_file.parent.with_name("elsewhere"))
    log_file.parent.mkdir()


@pytest.mark.parametrize("harm", [moved, Path.unlink, replaced, copied, emptied, extended, removed_with_its_directory])
@pytest.mark.parametrize("compacted", [False, True])
def test_a_log_that_was_moved_or_changed_under_its_writer_takes_nothing_more(
    tmp_path: Path, log: Lines, harm: Callable[[Path], object], compacted: bool
) -> None:
    store = filled(tmp_path / "store", log)
    if compacted:
        assert store.compact([call(number) for number in range(3)])
    harm(tmp_path / "store" / "calls.jsonl")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="is lost: "):
            store.append(None, call(4), "inbound")
        with pytest.raises(StoreUnavailable, match="; put the right log there and restart the manager"):
            store.reopen()
    assert log.names().count("writer-poisoned") == 1 and not store.wants_compaction()
    store.close()


@pytest.mark.parametrize("harm", [replaced, copied])
def test_a_log_that_was_replaced_while_its_writer_was_poisoned_is_not_taken_for_it(
    tmp_path: Path, log: Lines, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], object]
) -> None:
    store = filled(tmp_path, log)
    disk = Disk(monkeypatch)
    disk.broken["fsync"] = 1
    with pytest.raises(StoreUnavailable, match="fsync failed"):
        store.append(None, call(4), "inbound")
    harm(tmp_path / "calls.jsonl")
    with pytest.raises(StoreUnavailable, match="another file took its place"):
        store.reopen()
    store.close()


@pytest.mark.parametrize("name", ["stat", "fstat"])
def test_a_record_whose_place_cannot_be_looked_at_is_cut_back_and_the_file_read_anew(
    tmp_path: Path, log: Lines, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    filled(tmp_path, log).close()
    store, _ = reopened(tmp_path, log)
    before = content(tmp_path)
    with monkeypatch.context() as patched:

        def refused(*arguments: Any) -> Any:
            raise PermissionError(errno.EACCES, "refused")

        patched.setattr(os, name, refused)
        with pytest.raises(StoreUnavailable, match="nobody knows whether the record is in it"):
            store.append(None, call(4), "inbound")
    assert content(tmp_path) == before and store.poisoned is not None and store.lost is None
    assert len(store.reopen().records) == 3
    store.append(None, call(4), "inbound")
    store.close()
    store, records = reopened(tmp_path, log)
    assert list(records) == ["c-0", "c-1", "c-2", "c-4"]
    store.close()
