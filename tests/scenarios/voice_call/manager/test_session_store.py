"""The session file alone: no lost update, no late save, nothing half written, nothing thrown away unread."""

import errno
import os
import tempfile
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from scenarios.voice_call.manager.config import SilentLog
from scenarios.voice_call.manager.session_file import (
    DamagedFile,
    Session,
    SessionFile,
    SessionLine,
    decode_file,
    encode_file,
)
from scenarios.voice_call.manager.session_store import ABSENT, SessionStore, StaleSession, Update
from scenarios.voice_call.manager.store import StoreUnavailable

Lines = Any
KEY = "voice:1"


def line(text: str, index: int = 0) -> SessionLine:
    return SessionLine(call_id="c-1", index=index, speaker="user", text=text, timestamp=7)


def with_line(text: str, generation: int = 1) -> Callable[[Session | None], Session]:
    def change(session: Session | None) -> Session:
        session = session or Session(session_id="s-1", generation=generation, updated_at=1)
        return replace(session, lines=(*session.lines, line(text)))

    return change


def add(store: SessionStore, key: str, text: str) -> None:
    store.update(key, store.generation(key), with_line(text, store.new_generation(key)))


def opened(directory: Path | str, log: Lines | None = None) -> SessionStore:
    store = SessionStore(str(directory), log=log or SilentLog())
    store.open()
    return store


def texts(store: SessionStore, key: str = KEY) -> list[str]:
    return [one.text for one in store.sessions[key].lines]


def content(directory: Path) -> bytes:
    return (directory / "sessions.json").read_bytes()


# --- reading and changing --------------------------------------------------------------------------------------------


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    said = "a\u2028b\u0085c\n\ud800 grüße"
    store = opened(tmp_path)
    add(store, KEY, said)
    add(store, "voice:2", "other")
    assert content(tmp_path).isascii() and content(tmp_path).count(b"\n") == 1
    again = opened(tmp_path)
    assert again.sessions == store.sessions and texts(again) == [said]


def test_an_absent_file_is_empty_and_nothing_is_written_for_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert store.sessions == {} and list(tmp_path.iterdir()) == []
    assert store.rewrite(lambda sessions: sessions) == {}
    assert list(tmp_path.iterdir()) == []


def test_every_change_begins_with_what_the_file_says_now(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    add(first, KEY, "one")
    second.rewrite(lambda sessions: sessions)
    add(second, KEY, "two")
    add(second, "voice:2", "other")
    first.update(KEY, 1, with_line("three"))
    assert texts(first) == ["one", "two", "three"] and texts(first, "voice:2") == ["other"]


def test_who_follows_is_told_that_the_file_is_another(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    told: list[dict[str, Session]] = []
    first.drifted = lambda: told.append(dict(first.sessions))
    add(first, KEY, "one")
    assert told == []
    second.rewrite(lambda sessions: sessions)
    add(second, KEY, "two")
    first.update(KEY, 1, with_line("three"))
    assert [[one.text for one in seen[KEY].lines] for seen in told] == [["one", "two"]]


def test_concurrent_changes_lose_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    add(store, KEY, "first")

    def talk(name: str) -> None:
        for number in range(20):
            store.update(KEY, 1, with_line(f"{name}{number}"))

    talkers = [threading.Thread(target=talk, args=(name,)) for name in "abcd"]
    for talker in talkers:
        talker.start()
    for talker in talkers:
        talker.join()
    assert sorted(texts(store)) == sorted(["first", *(f"{name}{n}" for name in "abcd" for n in range(20))])


def test_a_late_save_restores_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    add(store, KEY, "old")
    decided_for = store.generation(KEY)
    store.reset(KEY, "s-2", {"c-1": 1}, 9)
    before = content(tmp_path)
    with pytest.raises(StaleSession, match="generation 2, not 1"):
        store.update(KEY, decided_for, with_line("late"))
    assert content(tmp_path) == before
    session = store.sessions[KEY]
    assert (session.session_id, session.lines, session.seen, session.updated_at) == ("s-2", (), {"c-1": 1}, 9)


def test_a_save_for_a_session_that_was_not_there_meets_the_reset_that_made_it(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.reset(KEY, "s-1", {}, 9)
    with pytest.raises(StaleSession):
        store.update(KEY, ABSENT, with_line("late"))


def test_several_changes_are_all_made_or_none(tmp_path: Path) -> None:
    store = opened(tmp_path)
    add(store, KEY, "one")
    before = content(tmp_path)
    with pytest.raises(StaleSession):
        store.update_all([Update("voice:2", ABSENT, with_line("new")), Update(KEY, 7, with_line("late"))])
    assert content(tmp_path) == before and list(store.sessions) == [KEY]


def test_a_generation_is_not_used_again_when_the_file_is_damaged(tmp_path: Path) -> None:
    store = opened(tmp_path)
    add(store, KEY, "old")
    store.reset(KEY, "s-2", {}, 9)
    (tmp_path / "sessions.json").write_bytes(b"{}")
    store.rewrite(lambda sessions: sessions)
    add(store, KEY, "new")
    assert store.generation(KEY) == 3


def test_a_closed_store_writes_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        add(store, KEY, "late")
    assert list(tmp_path.iterdir()) == []


# --- what is found ---------------------------------------------------------------------------------------------------


def test_unknown_fields_are_kept(tmp_path: Path) -> None:
    known = SessionLine(call_id="c", index=0, speaker="bot", text="t", timestamp=1, extra={"mood": "good"})
    session = Session(session_id="s", generation=4, updated_at=1, lines=(known,), extra={"agent": {"id": 7}})
    (tmp_path / "sessions.json").write_bytes(encode_file(SessionFile({KEY: session}, {"region": "eu"})))
    store = opened(tmp_path)
    store.update(KEY, 4, with_line("more"))
    store.reset("voice:2", "s-2", {}, 9)
    again = decode_file(content(tmp_path))
    assert again.envelope == {"region": "eu"}
    assert again.sessions[KEY].extra == {"agent": {"id": 7}} and again.sessions[KEY].lines[0] == known
    assert store.reset(KEY, "s-3", {}, 9).extra == {"agent": {"id": 7}}


def checked(head: bytes) -> bytes:
    return head + b',"crc":"%08x"}\n' % zlib.crc32(head)


def test_the_file_of_a_newer_program_is_not_written_over(tmp_path: Path) -> None:
    newer = checked(b'{"v":2,"sessions":[]')
    (tmp_path / "sessions.json").write_bytes(newer)
    with pytest.raises(StoreUnavailable, match="version 2 is not known; use the program that wrote it"):
        opened(tmp_path)
    assert content(tmp_path) == newer and len(list(tmp_path.iterdir())) == 1


def damaged() -> list[bytes]:
    whole = encode_file(SessionFile({KEY: with_line("hello")(None)}, {}))
    flipped = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    shapes = [
        b'{"v":1',
        b'{"v":1,"sessions":[1]',
        b'{"v":1,"sessions":{"k":{"lines":[]}}',
        b'{"v":1,"sessions":{"k":3}',
    ]
    shapes += [b'{"v":1,"sessions":{"k":{"lines":[3],"sessionId":"s","generation":1,"updatedAt":1}}', b'{"v":NaN', b"["]
    return [whole[:size] for size in range(len(whole))] + flipped + [checked(shape) for shape in shapes]


def test_every_damage_is_seen() -> None:
    for data in damaged():
        with pytest.raises(DamagedFile):
            decode_file(data)


def test_a_damaged_file_is_put_aside_and_told(tmp_path: Path, log: Lines) -> None:
    for number, data in enumerate((b"", b"\0" * 40, b'{"v":1,"sessions":{}}'), 1):
        (tmp_path / "sessions.json").write_bytes(data)
        store = opened(tmp_path, log)
        assert store.sessions == {} and not (tmp_path / "sessions.json").exists()
        assert (tmp_path / f"sessions.json.damaged-{number}").read_bytes() == data
        assert log.names().count("session-rebuilt") == number
    add(store, KEY, "new")
    assert texts(opened(tmp_path)) == ["new"]


def test_leftovers_are_removed_unread(tmp_path: Path, log: Lines) -> None:
    (tmp_path / "sessions.json.tmp").write_bytes(encode_file(SessionFile({KEY: with_line("never")(None)}, {})))
    assert opened(tmp_path, log).sessions == {} and list(tmp_path.iterdir()) == []
    assert "leftover-removed" in log.names()


# --- a disk that fails -----------------------------------------------------------------------------------------------

STEPS = ("open", "read", "write", "fsync", "rename")


class Nth:
    """The n-th call to the disk fails; a write may leave half of its bytes."""

    def __init__(self, patched: pytest.MonkeyPatch, first: int, short: bool) -> None:
        self.left = first
        self.short = short
        self.failed: str | None = None
        for name in STEPS:
            patched.setattr(os, name, self.wrapped(name, getattr(os, name)))

    def wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left != -1:
                return real(*arguments, **named)
            self.failed = name
            if name == "write" and self.short:
                real(arguments[0], arguments[1][:10])
            raise OSError(errno.EIO, f"{name} failed")

        return call


@pytest.mark.parametrize("short", [False, True])
def test_a_failed_write_changes_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: bool
) -> None:
    steps_up_to_the_new_name = 6  # open, read twice; open, write, sync, rename; then the directory
    for first in range(20):
        folder = tmp_path / str(first)
        folder.mkdir()
        store = opened(folder)
        add(store, KEY, "one")
        before, sessions = content(folder), store.sessions
        with monkeypatch.context() as patched:
            disk = Nth(patched, first, short)
            if disk_holds(store):
                assert disk.failed is None and first > 8
                return
        last_step = content(folder) != before
        assert last_step == (first > steps_up_to_the_new_name), disk.failed
        assert (store.sessions == sessions) != last_step and not (folder / "sessions.json.tmp").exists()
        assert texts(opened(folder)) == texts(store)
        add(store, KEY, "three")
        assert texts(store) == (["one", "two", "three"] if last_step else ["one", "three"])
        assert texts(opened(folder)) == texts(store)
    raise AssertionError("the disk never held")


def disk_holds(store: SessionStore) -> bool:
    try:
        add(store, KEY, "two")
    except StoreUnavailable as error:
        assert "failed" in str(error)
        return False
    return True


def test_after_a_directory_that_was_not_synced_the_next_change_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(store: SessionStore, path: str) -> None:
        raise OSError(errno.EIO, "bad directory")

    store = opened(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(SessionStore, "sync_directory", refuse)
        with pytest.raises(StoreUnavailable, match="bad directory"):
            add(store, KEY, "one")
    inode = (tmp_path / "sessions.json").stat().st_ino
    store.rewrite(lambda sessions: sessions)
    assert (tmp_path / "sessions.json").stat().st_ino != inode and texts(store) == ["one"]
    inode = (tmp_path / "sessions.json").stat().st_ino
    store.rewrite(lambda sessions: sessions)
    assert (tmp_path / "sessions.json").stat().st_ino == inode


# --- any order -------------------------------------------------------------------------------------------------------


class Interleavings(RuleBasedStateMachine):
    """Two writers with their own memories, saves that come late, resets and restarts, held against a plain dict."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.stores = [opened(self.folder.name) for _ in range(2)]
        self.model: dict[str, tuple[int, list[str]]] = {}
        self.late: list[tuple[str, int]] = []
        self.count = 0

    def text(self) -> str:
        self.count += 1
        return f"line {self.count}"

    def told(self, key: str) -> tuple[int, list[str]]:
        return self.model.get(key, (ABSENT, []))

    @rule(which=st.integers(0, 1), key=st.sampled_from("ab"))
    def somebody_says_something(self, which: int, key: str) -> None:
        generation, lines = self.told(key)
        text = self.text()
        self.stores[which].update(key, generation, with_line(text, generation or 1))
        self.model[key] = (generation or 1, [*lines, text])

    @rule(key=st.sampled_from("ab"))
    def a_save_is_decided(self, key: str) -> None:
        self.late.append((key, self.told(key)[0]))

    @precondition(lambda self: self.late)
    @rule(which=st.integers(0, 1), pick=st.randoms(use_true_random=False))
    def a_save_arrives(self, which: int, pick: Any) -> None:
        key, decided_for = self.late.pop(pick.randrange(len(self.late)))
        generation, lines = self.told(key)
        text = self.text()
        change = with_line(text, generation or 1)
        if decided_for != generation:
            with pytest.raises(StaleSession):
                self.stores[which].update(key, decided_for, change)
            return
        self.stores[which].update(key, decided_for, change)
        self.model[key] = (generation or 1, [*lines, text])

    @rule(which=st.integers(0, 1), key=st.sampled_from("ab"))
    def a_session_is_reset(self, which: int, key: str) -> None:
        self.stores[which].reset(key, self.text(), {}, 1)
        self.model[key] = (self.told(key)[0] + 1, [])

    @rule(which=st.integers(0, 1))
    def a_writer_dies_and_comes_back(self, which: int) -> None:
        self.stores[which] = opened(self.folder.name)

    @invariant()
    def the_file_says_what_was_told(self) -> None:
        found = opened(self.folder.name).sessions
        seen = {key: (one.generation, [line.text for line in one.lines]) for key, one in found.items()}
        assert seen == self.model

    def teardown(self) -> None:
        self.folder.cleanup()


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)
