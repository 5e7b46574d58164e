"""Transcripts in the sessions of their callers: every line once, over restarts, resets and a disk that refuses."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scenarios.voice_call.manager.call_manager import CallManager, Parts
from scenarios.voice_call.manager.session_store import SessionStore
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.switchboard import NotReady

World = Any
CALLER = "voice:15551112222"


class FullDisk(SessionStore):
    """Writes nothing while `full` is set."""

    full = False

    def replace(self, content: bytes) -> None:
        if FullDisk.full:
            raise OSError(28, "no space left")
        super().replace(content)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    monkeypatch.setattr(FullDisk, "full", False)
    return lambda full: monkeypatch.setattr(FullDisk, "full", full)


def texts(manager: CallManager, key: str = CALLER) -> list[str]:
    session = manager.session(key)
    return [] if session is None else [line["text"] for line in session["lines"]]


async def said(world: World, manager: CallManager, *lines: str, call: str = "pc-1") -> None:
    for line in lines:
        assert await world.post(manager, world.event("speech", call, transcript=line)) == 200
    await asyncio.sleep(0.01)


async def talking(world: World, *lines: str, **settings: Any) -> CallManager:
    manager: CallManager = await world.started(session_bridge=True, **settings)
    await world.incoming(manager)
    await said(world, manager, *lines)
    return manager


def test_every_line_of_both_sides_is_in_the_session_once(world: World) -> None:
    async def story() -> None:
        manager = await talking(world, "one")
        call = manager.status("pc-1")
        assert call is not None and call["sessionKey"] == CALLER
        await manager.speak("pc-1", "two")
        await said(world, manager, "three")
        session = manager.session(CALLER)
        assert session is not None
        wanted = [("user", "one", 0), ("bot", "two", 1), ("user", "three", 2)]
        assert [(line["speaker"], line["text"], line["index"]) for line in session["lines"]] == wanted
        assert {line["callId"] for line in session["lines"]} == {call["callId"]}
        assert manager.view()["sessions"] == {CALLER: session}

    world.run(story())


def test_calls_of_one_number_share_a_session_and_an_outbound_call_has_one(world: World) -> None:
    async def story() -> None:
        manager = await talking(world, "first call")
        await world.post(manager, world.event("ended", reason="hangup-user"))
        await world.incoming(manager, "pc-2")
        await said(world, manager, "second call", call="pc-2")
        assert texts(manager) == ["first call", "second call"]
        result = await manager.initiate("+1 (555) 333-4444", mode="conversation")
        other = await manager.initiate("+1555", mode="conversation", session_key="mine")
        assert result.call_id is not None
        assert manager.status(result.call_id)["sessionKey"] == "voice:15553334444"  # type: ignore[index]  # it is known
        assert other.call_id is None or manager.status(other.call_id)["sessionKey"] == "mine"  # type: ignore[index]  # as above

    world.run(story())


def test_strangers_who_hide_their_number_share_no_session(world: World) -> None:
    async def story() -> None:
        manager = await world.started(session_bridge=True)
        world.provider.calls["pc-1"] = world.in_progress
        assert await world.post(manager, world.event("ringing", **{"from": "anonymous"})) == 200
        await said(world, manager, "secret")
        assert manager.status("pc-1")["sessionKey"] is None and manager.view()["sessions"] == {}

    world.run(story())


@pytest.mark.parametrize("order", ["kill", "stop"])
def test_what_was_not_brought_over_before_the_end_is_at_the_start(
    world: World, order: str, full_disk: Callable[[bool], None]
) -> None:
    async def story() -> None:
        manager = await talking(world, "one", parts=Parts(sessions=FullDisk))
        full_disk(True)
        await said(world, manager, "two", "three")
        assert texts(manager) == ["one"]
        if order == "stop":
            full_disk(False)
            await manager.stop()
            assert b'"three"' in (Path(world.directory) / "sessions.json").read_bytes()
        world.kill(manager)
        full_disk(False)
        manager = await world.started(session_bridge=True)
        assert texts(manager) == ["one", "two", "three"]
        assert not [timer for timer in manager.view()["timers"] if timer["kind"] == "session"]

    world.run(story())


def test_a_disk_that_refuses_delays_sessions_and_nothing_else(world: World, full_disk: Callable[[bool], None]) -> None:
    async def story() -> None:
        full_disk(True)
        manager = await talking(world, "one", parts=Parts(sessions=FullDisk))
        await said(world, manager, "two")
        assert len(manager.status("pc-1")["transcript"]) == 2 and texts(manager) == []
        assert "session-write-failed" in world.log.names()
        assert [timer for timer in manager.view()["timers"] if timer["kind"] == "session"]
        await asyncio.sleep(30)
        full_disk(False)
        await asyncio.sleep(60)
        assert texts(manager) == ["one", "two"]
        assert not [timer for timer in manager.view()["timers"] if timer["kind"] == "session"]

    world.run(story())


def test_a_reset_drops_what_was_said_and_keeps_what_is_said(world: World) -> None:
    async def story() -> None:
        manager = await talking(world, "old")
        before = manager.session(CALLER)
        assert before is not None
        assert await world.post(manager, world.event("speech", transcript="old, and not brought over yet")) == 200
        await manager.reset_session(CALLER)
        await said(world, manager, "new")
        after = manager.session(CALLER)
        assert after is not None and texts(manager) == ["new"]
        assert after["generation"] > before["generation"] and after["sessionId"] != before["sessionId"]
        world.kill(manager)
        manager = await world.started(session_bridge=True)
        assert manager.session(CALLER) == after

    world.run(story())


def test_a_reset_that_cannot_be_written_changes_nothing(world: World, full_disk: Callable[[bool], None]) -> None:
    async def story() -> None:
        manager = await talking(world, "one", parts=Parts(sessions=FullDisk))
        before = manager.session(CALLER)
        full_disk(True)
        with pytest.raises(StoreUnavailable, match="no space"):
            await manager.reset_session(CALLER)
        assert manager.session(CALLER) == before
        full_disk(False)
        await said(world, manager, "two")
        assert texts(manager) == ["one", "two"]

    world.run(story())


def test_sessions_are_bounded_and_a_dropped_line_does_not_come_back(world: World) -> None:
    async def story() -> None:
        manager = await talking(world, *"abcde", session_lines=3)
        assert texts(manager) == list("cde")
        world.kill(manager)
        manager = await world.started(session_bridge=True, session_lines=3)
        assert texts(manager) == list("cde")
        await said(world, manager, "f")
        assert texts(manager) == list("def")

    world.run(story())


def test_a_damaged_file_is_put_aside_told_and_rebuilt(world: World) -> None:
    async def story() -> None:
        manager = await talking(world, "one")
        await world.incoming(manager, "pc-2")
        await said(world, manager, "two", call="pc-2")
        await said(world, manager, "three")
        world.kill(manager)
        path = Path(world.directory) / "sessions.json"
        path.write_bytes(path.read_bytes().replace(b"two", b"TWO"))
        manager = await world.started(session_bridge=True)
        assert texts(manager) == ["one", "two", "three"]
        assert "session-rebuilt" in world.log.names()
        assert b"TWO" in (Path(world.directory) / "sessions.json.damaged-1").read_bytes()
        path.write_bytes(b"")
        await said(world, manager, "four")
        await asyncio.sleep(5)
        assert texts(manager) == ["one", "two", "three", "four"]
        assert (Path(world.directory) / "sessions.json.damaged-2").read_bytes() == b""

    world.run(story())


def test_a_file_that_cannot_be_read_is_not_an_empty_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(store: SessionStore) -> bytes:
        raise OSError(5, "bad sector")

    async def story() -> None:
        manager = await talking(world, "one")
        world.kill(manager)
        before = (Path(world.directory) / "sessions.json").read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(SessionStore, "read_bytes", unreadable)
            manager = world.manager(session_bridge=True)
            with pytest.raises(StoreUnavailable, match="bad sector"):
                await manager.start()
        assert (Path(world.directory) / "sessions.json").read_bytes() == before
        await manager.start()
        assert texts(manager) == ["one"]

    world.run(story())


def test_calls_that_the_log_forgot_are_forgotten_here(world: World) -> None:
    async def story() -> None:
        settings = {"redelivery_horizon_ms": 10_000, "compact_after_lines": 4}
        manager = await talking(world, "one", **settings)
        await world.post(manager, world.event("ended", reason="hangup-user"))
        await asyncio.sleep(60)
        await world.incoming(manager, "pc-2")
        await said(world, manager, "two", "three", call="pc-2")
        assert manager.status("pc-1") is None
        assert texts(manager) == ["one", "two", "three"]
        assert len(manager.bridge.store.sessions[CALLER].seen) == 1

    world.run(story())


def test_without_the_bridge_nothing_is_kept(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        await world.incoming(manager)
        await said(world, manager, "one")
        assert manager.status("pc-1")["sessionKey"] is None
        assert manager.session(CALLER) is None and manager.view()["sessions"] == {}
        with pytest.raises(StoreUnavailable, match="session_bridge"):
            await manager.reset_session(CALLER)
        await manager.stop()
        assert sorted(path.name for path in Path(world.directory).iterdir()) == ["calls.jsonl", "calls.lock"]

    world.run(story())


def test_a_manager_that_is_not_ready_resets_nothing(world: World) -> None:
    async def story() -> None:
        manager = world.manager(session_bridge=True)
        with pytest.raises(NotReady):
            await manager.reset_session(CALLER)

    world.run(story())
