"""Media streams: who may open one, what is heard on it, and what its end means."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.duties import duties
from scenarios.voice_call.manager.lifecycle import connect_stream, grant_stream, lose_stream
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.store import Store, StoreUnavailable

World = Any


class Line:
    """The provider's end of one WebSocket; `code` is the one it was closed with."""

    def __init__(
        self, manager: CallManager, *, path: str = "/voice/stream", address: str = "10.0.0.1", query: bytes = b""
    ) -> None:
        self.accepted = False
        self.code: int | None = None
        self.heard: list[str] = []
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._in.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "path": path, "query_string": query, "client": (address, 4711), "headers": []}
        self.task = asyncio.get_running_loop().create_task(manager.app(scope, self._in.get, self._send))

    async def _send(self, message: Any) -> None:
        assert self.code is None, "nothing may be sent after the close"
        if message["type"] == "websocket.accept":
            self.accepted = True
        elif message["type"] == "websocket.close":
            self.code = message["code"]
        else:
            assert self.accepted
            self.heard.append(json.loads(message["text"])["id"])

    def put(self, frame: dict[str, Any]) -> None:
        self._in.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    async def frames(self, *frames: dict[str, Any]) -> None:
        for frame in frames:
            self.put(frame)
        await settled()

    async def raw(self, **message: Any) -> None:
        self._in.put_nowait({"type": "websocket.receive", **message})
        await settled()

    async def start(self, token: str | None, call: str | None = "pc-1") -> None:
        await self.frames({"event": "start", "callId": call, "token": token})

    async def say(self, frame_id: str | None, text: str, **fields: Any) -> None:
        await self.frames({"event": "transcript", "id": frame_id, "text": text, **fields})

    async def leave(self, code: int = 1005) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": code})
        await settled()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def answer_of(world: World, manager: CallManager, *events: dict[str, Any]) -> bytes:
    """The body of the answer to these events."""
    sent: list[Any] = []
    body = json.dumps({"events": list(events)}).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/voice/webhook", "headers": []}
    await manager.app(scope, receive, send)
    assert sent[0]["status"] == 200
    return bytes(sent[1]["body"])


async def granted(world: World, manager: CallManager, kind: str = "answered", call: str = "pc-1") -> str:
    """The token that an event of this kind is given."""
    answer = await answer_of(world, manager, world.event(kind, call, wantsStream=True))
    return str(json.loads(answer)["streams"][0]["token"])


async def ringing(world: World, **settings: Any) -> tuple[CallManager, str]:
    manager = await world.started(streaming=True, **settings)
    return manager, await world.incoming(manager, answered=False)


async def streaming(world: World, **settings: Any) -> tuple[CallManager, str, Line]:
    """A call with a stream."""
    manager, call = await ringing(world, **settings)
    line = Line(manager)
    await line.start(await granted(world, manager))
    assert line.accepted and line.code is None
    assert media(manager, call)["connected"]
    return manager, call, line


def status(manager: CallManager, call: str) -> dict[str, Any]:
    found = manager.status(call)
    assert found is not None
    return found


def media(manager: CallManager, call: str) -> dict[str, Any]:
    return dict(status(manager, call)["media"])


def users_lines(manager: CallManager, call: str) -> list[str]:
    return [line["text"] for line in status(manager, call)["transcript"] if line["speaker"] == "user"]


def refuse_writes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The disk takes nothing until the returned function is called."""

    def full(*args: object) -> None:
        raise StoreUnavailable("no space")

    monkeypatch.setattr(Store, "append", full)
    return monkeypatch.undo


# --- grants ----------------------------------------------------------------------------------------------------------


def test_repeated_delivery_gets_the_same_grant_after_a_restart_and_a_rename(world: World) -> None:
    async def story() -> None:
        manager, call = await ringing(world)
        event = world.event("answered", wantsStream=True)
        first = await answer_of(world, manager, event)
        grant = json.loads(first)["streams"][0]
        assert grant == {"callId": "pc-1", "eventId": event["id"], "url": "/voice/stream", "token": grant["token"]}
        assert await answer_of(world, manager, event) == first
        world.kill(manager)
        again = await world.started(streaming=True)
        assert await answer_of(world, again, event) == first
        assert await world.post(again, world.event("active", "pc-2", callId="pc-1")) == 200
        assert await answer_of(world, again, event) == first
        assert await world.post(again, world.event("ended", "pc-2", reason="hangup-user")) == 200
        assert await answer_of(world, again, event) == first
        assert media(again, call)["granted"] == 1

    world.run(story())


def test_each_event_that_wants_a_stream_gets_a_token_of_its_own(world: World) -> None:
    async def story() -> None:
        manager, _ = await ringing(world)
        assert await granted(world, manager) != await granted(world, manager, "active")

    world.run(story())


def test_nothing_is_granted_without_streaming_nor_to_a_call_that_is_over(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        await world.incoming(manager, answered=False)
        assert await answer_of(world, manager, world.event("answered", wantsStream=True)) == b"OK"
        await manager.stop()
        manager = await world.started(streaming=True)
        await world.post(manager, world.event("ended", reason="completed"))
        assert await answer_of(world, manager, world.event("active", wantsStream=True)) == b"OK"

    world.run(story())


def test_event_that_ends_the_call_is_granted_nothing(world: World) -> None:
    async def story() -> None:
        manager, _ = await ringing(world)
        assert await answer_of(world, manager, world.event("ended", reason="busy", wantsStream=True)) == b"OK"

    world.run(story())


def test_tokens_are_shown_to_nobody(world: World) -> None:
    async def story() -> None:
        manager, call = await ringing(world)
        token = await granted(world, manager)
        line = Line(manager)
        await line.start(token)
        assert media(manager, call)["connected"]
        assert token not in json.dumps([manager.view(), manager.status(call), manager.history(), world.log.told])

    world.run(story())


def test_tokens_of_forgotten_events_are_forgotten() -> None:
    record = CallRecord(call_id="c", processed_event_ids=("e1",))
    record = connect_stream(grant_stream(record, "e1", "t1"), "t1", 5, 30)
    later = grant_stream(CallRecord(call_id="c", processed_event_ids=("e2",), media=record.media), "e2", "t2")
    assert later.media is not None
    assert (later.media.tokens, later.media.used, later.media.stream) == ({"e2": "t2"}, (), "t1")


# --- who may open one ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/voice/stream/x", "/voice/streams", "/voice/stream//", "/", "/voice/webhook"])
def test_other_paths_are_closed_before_they_are_accepted(world: World, path: str) -> None:
    async def story() -> None:
        manager, call = await ringing(world)
        line = Line(manager, path=path)
        await line.start(await granted(world, manager))
        assert (line.accepted, line.code) == (False, 1008)
        assert not media(manager, call)["connected"]

    world.run(story())


def test_one_slash_at_the_end_of_the_path_is_the_same_path(world: World) -> None:
    async def story() -> None:
        manager, call = await ringing(world)
        line = Line(manager, path="/voice/stream/")
        await line.start(await granted(world, manager))
        assert media(manager, call)["connected"]

    world.run(story())


def test_token_in_the_query_serves_a_start_frame_that_has_none(world: World) -> None:
    async def story() -> None:
        manager, call = await ringing(world)
        token = await granted(world, manager)
        foreign = Line(manager, query=f"token={token}".encode())
        await foreign.start("wrong")  # the frame's token comes first
        assert foreign.code == 1008
        line = Line(manager, query=f"a=b&token={token}".encode())
        await line.start(None)
        assert media(manager, call)["connected"]

    world.run(story())


def test_strangers_open_nothing(world: World) -> None:
    async def story() -> None:
        manager, call = await ringing(world)
        token = await granted(world, manager)
        other = await world.incoming(manager, "pc-9", answered=False)
        for given, name in (
            ("wrong", "pc-1"),
            (None, "pc-1"),
            ("", "pc-1"),
            (token, "pc-7"),
            (token, None),
            (token, "pc-9"),
        ):
            line = Line(manager)
            await line.start(given, name)
            await line.say("f1", "let me in")
            assert (line.accepted, line.code, line.heard) == (True, 1008, [])
        assert users_lines(manager, call) == users_lines(manager, other) == []
        line = Line(manager)
        await line.start(token)
        assert media(manager, call)["connected"]
        assert manager.streams.in_flight == 1

    world.run(story())


def test_used_token_opens_nothing_even_after_a_restart(world: World) -> None:
    async def story() -> None:
        manager, call = await ringing(world)
        token = await granted(world, manager)
        line = Line(manager)
        await line.start(token)
        again = Line(manager)
        await again.start(token)
        assert again.code == 1008 and line.code is None and media(manager, call)["connected"]
        world.kill(manager)
        manager = await world.started(streaming=True)
        late = Line(manager)
        await late.start(token)
        assert late.code == 1008 and not media(manager, call)["connected"]

    world.run(story())


def test_token_of_an_ended_call_opens_nothing(world: World) -> None:
    async def story() -> None:
        manager, _ = await ringing(world)
        token = await granted(world, manager)
        await world.post(manager, world.event("ended", reason="completed"))
        line = Line(manager)
        await line.start(token)
        assert line.code == 1008

    world.run(story())


def test_renamed_call_is_found_by_both_names(world: World) -> None:
    async def story() -> None:
        manager, call = await ringing(world)
        token = await granted(world, manager)
        assert await world.post(manager, world.event("active", "pc-2", callId="pc-1")) == 200
        line = Line(manager)
        await line.start(token, "pc-1")
        assert media(manager, call)["connected"]
        newer = Line(manager)
        await newer.start(await granted(world, manager, "active", "pc-2"), "pc-2")
        assert line.code == 1000 and newer.code is None

    world.run(story())


def test_socket_without_a_start_is_closed_after_its_time(world: World) -> None:
    async def story() -> None:
        manager, _ = await ringing(world)
        line = Line(manager)
        await line.frames({"event": "connected"})
        await asyncio.sleep(4.9)
        assert line.accepted and line.code is None
        await asyncio.sleep(0.2)
        assert line.code == 1008 and manager.streams.in_flight == 0 and manager.streams.seats.pending == 0

    world.run(story())


@pytest.mark.parametrize("kind", ["media", "transcript", "stop"])
def test_talk_before_the_start_is_refused(world: World, kind: str) -> None:
    async def story() -> None:
        manager, _ = await ringing(world)
        line = Line(manager)
        await line.frames({"event": kind, "id": "f1", "text": "early"})
        assert line.code == 1008 and line.heard == []

    world.run(story())


def test_peer_that_goes_before_the_start_leaves_nothing(world: World) -> None:
    async def story() -> None:
        manager, _ = await ringing(world)
        line = Line(manager)
        await line.leave()
        assert line.code is None and line.task.done()
        assert manager.streams.in_flight == 0 and manager.streams.seats.pending == 0

    world.run(story())


@pytest.mark.parametrize(
    ("caps", "fits", "addresses"),
    [
        ({"streams_pending": 2}, 2, "abc"),
        ({"streams_per_address": 2}, 2, "aaa"),
        ({"streams_total": 2, "streams_pending": 9}, 2, "abc"),
    ],
)
def test_one_socket_too_many_is_closed_before_it_is_accepted(
    world: World, caps: dict[str, int], fits: int, addresses: str
) -> None:
    async def story() -> None:
        manager, _ = await ringing(world, **caps)
        lines = [Line(manager, address=address) for address in addresses]
        await settled()
        assert [line.accepted for line in lines] == [True] * fits + [False]
        assert lines[-1].code == 1013
        await lines[0].leave()
        late = Line(manager, address=addresses[-1])
        await settled()
        assert late.accepted

    world.run(story())


def test_started_streams_are_no_longer_pending(world: World) -> None:
    async def story() -> None:
        manager, _ = await ringing(world, streams_pending=1)
        line = Line(manager)
        await line.start(await granted(world, manager))
        other = Line(manager)
        await settled()
        assert other.accepted

    world.run(story())


def test_manager_that_does_not_stream_destroys_every_socket(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        line = Line(manager)
        await settled()
        assert (line.accepted, line.code) == (False, 1008)

    world.run(story())


def test_manager_that_is_not_ready_takes_no_sockets(world: World) -> None:
    async def story() -> None:
        manager = world.manager(streaming=True)
        line = Line(manager)
        await settled()
        assert (line.accepted, line.code) == (False, 1013)

    world.run(story())


def test_store_that_refuses_at_connect_uses_no_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        manager, call = await ringing(world)
        token = await granted(world, manager)
        before = status(manager, call)
        healed = refuse_writes(monkeypatch)
        line = Line(manager)
        await line.start(token)
        assert line.code == 1013
        assert status(manager, call) == before and manager.streams.in_flight == 0
        healed()
        again = Line(manager)
        await again.start(token)
        assert again.code is None and media(manager, call)["connected"]

    world.run(story())


def test_refused_connect_that_is_in_the_log_nevertheless_may_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        manager, call = await ringing(world)
        token = await granted(world, manager)
        write = Store.append

        def told_wrong(self: Store, *args: Any) -> None:
            write(self, *args)
            self.poisoned = "fsync failed"
            raise StoreUnavailable("fsync failed")

        monkeypatch.setattr(Store, "append", told_wrong)
        line = Line(manager)
        await line.start(token)
        assert line.code == 1013
        monkeypatch.undo()
        again = Line(manager)
        await again.start(token)
        assert again.code is None and media(manager, call)["connected"]
        third = Line(manager)
        await third.start(token)
        assert third.code == 1008

    world.run(story())


# --- what is heard ---------------------------------------------------------------------------------------------------


def test_final_transcript_is_kept_then_acknowledged_and_counts_once(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        await line.say("f1", "hello", isFinal=False)
        assert (users_lines(manager, call), line.heard) == ([], [])
        await line.say("f1", "hello there")
        await line.say("f1", "hello there")
        assert (users_lines(manager, call), line.heard) == (["hello there"], ["f1", "f1"])
        assert status(manager, call)["processedEventIds"][-1] == "stream:f1"
        world.kill(manager)
        manager = await world.started(streaming=True)
        newer = Line(manager)
        await newer.start(await granted(world, manager, "active"))
        await newer.say("f1", "hello there")
        await newer.say("f2", "hello there")
        assert (users_lines(manager, call), newer.heard) == (["hello there"] * 2, ["f1", "f2"])

    world.run(story())


def test_transcript_that_the_store_refuses_is_not_acknowledged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        healed = refuse_writes(monkeypatch)
        await line.say("f1", "hello")
        assert (line.heard, users_lines(manager, call), line.code) == ([], [], None)
        healed()
        await line.say("f1", "hello")
        assert (line.heard, users_lines(manager, call)) == (["f1"], ["hello"])

    world.run(story())


def test_open_question_is_answered_over_the_stream(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        asking = asyncio.create_task(manager.continue_call(call, "your name?"))
        await settled()
        token = status(manager, call)["turn"]["token"]
        await line.say("f1", "of an older turn", turnToken="old")
        assert not asking.done()
        await line.say("f2", "Ada", turnToken=token)
        result = await asking
        assert (result.outcome, result.text) == ("answered", "Ada")
        assert users_lines(manager, call) == ["of an older turn", "Ada"]

    world.run(story())


def test_frame_that_cannot_be_read_ends_nothing(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        await line.raw(text="{")
        await line.raw(bytes=b"\x00\x01", text=None)
        await line.say("f1", "still here")
        assert (line.heard, users_lines(manager, call)) == (["f1"], ["still here"])
        assert "stream-frame-refused" in world.log.names()

    world.run(story())


def test_frame_past_the_limit_closes_the_socket(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world, body_limit=4_000)
        await line.say("f1", "x" * 5_000)
        assert line.code == 1009 and users_lines(manager, call) == []
        assert not media(manager, call)["connected"]

    world.run(story())


# --- how it ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "close"])
def test_end_of_the_stream_ends_the_call_after_its_grace(world: World, how: str) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        await (line.frames({"event": "stop"}) if how == "stop" else line.leave())
        assert line.code == (1000 if how == "stop" else None)
        ended_at = world.now_ms()
        shown = status(manager, call)
        assert shown["live"] and not shown["media"]["connected"]
        assert shown["media"]["disconnectedAt"] == ended_at
        assert shown["deadlines"]["stream-grace"] == ended_at + 2_000
        assert "media-inactivity" not in shown["deadlines"]
        await asyncio.sleep(1.9)
        assert world.provider.count("hang_up") == 0
        await asyncio.sleep(0.2)
        over = status(manager, call)
        assert (over["state"], over["live"], world.provider.count("hang_up")) == ("hangup-bot", False, 1)
        assert manager.view()["timers"] == []

    world.run(story())


def test_newer_stream_within_the_grace_keeps_the_call(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        await line.leave()
        await asyncio.sleep(1.9)
        newer = Line(manager)
        await newer.start(await granted(world, manager, "active"))
        assert "stream-grace" not in status(manager, call)["deadlines"]
        await asyncio.sleep(10)
        assert status(manager, call)["live"] and media(manager, call)["connected"]
        assert "stream-regained" in world.log.names()

    world.run(story())


def test_late_end_of_a_replaced_stream_means_nothing(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        newer = Line(manager)
        await newer.start(await granted(world, manager, "active"))
        assert line.code == 1000 and "stream-superseded" in world.log.names()
        await line.say("f1", "from the old one")
        await line.leave()
        await asyncio.sleep(10)
        assert status(manager, call)["live"] and media(manager, call)["connected"]
        assert (users_lines(manager, call), line.heard) == ([], [])
        await newer.say("f1", "from the new one")
        assert users_lines(manager, call) == ["from the new one"]

    world.run(story())


def test_word_that_arrives_with_the_newer_stream_is_left_to_be_repeated_there(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        token = await granted(world, manager, "active")
        newer = Line(manager)
        await settled()
        # Both frames are there before either reader runs; the newer stream is read first.
        newer.put({"event": "start", "callId": "pc-1", "token": token})
        line.put({"event": "transcript", "id": "f1", "text": "hello"})
        await settled()
        assert (line.code, line.heard, users_lines(manager, call)) == (1000, [], [])
        await newer.say("f1", "hello")
        assert (newer.heard, users_lines(manager, call)) == (["f1"], ["hello"])

    world.run(story())


def test_grace_is_over_once_even_if_the_hang_up_does_not_get_through(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        world.provider.plan["hang_up"] = ["down"] * 3
        await line.leave()
        await asyncio.sleep(2.5)
        shown = status(manager, call)
        assert shown["live"] and shown["ending"] == "hangup-bot" and "stream-grace" not in shown["deadlines"]
        await asyncio.sleep(20)
        assert status(manager, call)["endReason"] == "hangup-bot"
        assert world.log.names().count("stream-grace-over") == 1

    world.run(story())


def test_end_that_the_store_refuses_is_written_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        healed = refuse_writes(monkeypatch)
        await line.leave()
        await asyncio.sleep(3)
        assert media(manager, call)["connected"]
        healed()
        await asyncio.sleep(1.1)
        assert not media(manager, call)["connected"]
        await asyncio.sleep(2.1)
        assert not status(manager, call)["live"] and manager.streams.in_flight == 0

    world.run(story())


def test_end_of_the_call_closes_its_socket(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        await world.post(manager, world.event("ended", reason="hangup-user"))
        await settled()
        assert line.code == 1000 and not media(manager, call)["connected"]
        assert status(manager, call)["deadlines"] == {} and manager.streams.in_flight == 0

    world.run(story())


def test_silence_is_noticed_and_ends_the_call(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        await asyncio.sleep(29.9)
        assert media(manager, call)["connected"]
        await asyncio.sleep(0.2)
        assert line.code == 1000 and not media(manager, call)["connected"]
        assert "stream-silent" in world.log.names()
        await asyncio.sleep(2.1)
        assert not status(manager, call)["live"]

    world.run(story())


def test_signs_of_life_move_the_inactivity_deadline_only_when_it_fires(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world, poll_interval_ms=1_000_000)
        connected_at = world.now_ms()
        for _ in range(5):
            await asyncio.sleep(5)
            await line.frames({"event": "media"})
        assert status(manager, call)["deadlines"]["media-inactivity"] == connected_at + 30_000
        await asyncio.sleep(5.1)
        assert status(manager, call)["deadlines"]["media-inactivity"] == connected_at + 25_000 + 30_000
        await asyncio.sleep(24.8)
        assert media(manager, call)["connected"]
        await asyncio.sleep(0.2)
        assert not media(manager, call)["connected"]

    world.run(story())


def test_wall_clock_that_is_set_back_does_not_prolong_the_silence(world: World) -> None:
    async def story() -> None:
        manager, call, _ = await streaming(world)
        world.shift = -3_600.0
        await asyncio.sleep(31)
        assert not media(manager, call)["connected"]

    world.run(story())


def test_handler_that_fails_is_told_and_closes_its_socket(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)

        def broken(*args: object) -> None:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(manager.streams, "keep", broken)
        await line.say("f1", "hello")
        assert line.code == 1011 and not media(manager, call)["connected"]
        assert "stream-failed" in world.log.names() and line.heard == []

    world.run(story())


# --- restarts and stops ----------------------------------------------------------------------------------------------


def test_restart_takes_the_stream_away_and_grants_its_grace_from_then_on(world: World) -> None:
    async def story() -> None:
        manager, call, _ = await streaming(world)
        world.kill(manager)
        world.shift += 20.0
        manager = await world.started(streaming=True)
        shown = status(manager, call)
        assert shown["live"] and not shown["media"]["connected"]
        assert shown["deadlines"]["stream-grace"] == world.now_ms() + 2_000
        assert "media-inactivity" not in shown["deadlines"]
        world.kill(manager)
        manager = await world.started(streaming=True)
        assert status(manager, call)["deadlines"] == shown["deadlines"]
        newer = Line(manager)
        await newer.start(await granted(world, manager, "active"))
        await asyncio.sleep(5)
        assert status(manager, call)["live"]

    world.run(story())


def test_restored_call_that_nobody_hears_is_hung_up(world: World) -> None:
    async def story() -> None:
        manager, call, _ = await streaming(world)
        world.kill(manager)
        manager = await world.started(streaming=True)
        await asyncio.sleep(2.1)
        assert not status(manager, call)["live"] and world.provider.count("hang_up") == 1

    world.run(story())


def test_grace_that_ran_out_while_nobody_was_there_ends_the_call_at_once(world: World) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        await line.leave()
        world.kill(manager)
        world.shift += 20.0
        manager = await world.started(streaming=True)
        await asyncio.sleep(0.1)
        assert not status(manager, call)["live"] and world.provider.count("hang_up") == 1

    world.run(story())


@pytest.mark.parametrize("told_by", ["manager", "server"])
def test_stop_closes_sockets_and_ends_no_call(world: World, told_by: str) -> None:
    async def story() -> None:
        manager, call, line = await streaming(world)
        pending = Line(manager)
        await settled()
        if told_by == "server":
            await line.leave(1012)  # what a server tells its sockets before it stops the application
            assert media(manager, call)["connected"]
        first = asyncio.create_task(manager.stop())
        await asyncio.gather(first, manager.stop())
        assert pending.code == 1012 and line.code == (1012 if told_by == "manager" else None)
        assert manager.streams.in_flight == 0
        world.shift += 60.0
        again = await world.started(streaming=True)
        shown = status(again, call)
        assert shown["live"] and shown["deadlines"]["stream-grace"] == world.now_ms() + 2_000

    world.run(story())


def test_stop_waits_a_bounded_time_for_a_peer_that_does_not_read(world: World) -> None:
    async def story() -> None:
        manager, _, line = await streaming(world, drain_ms=1_000)
        stuck = asyncio.get_running_loop().create_future()

        async def never(message: Any) -> None:
            await stuck

        socket = next(iter(manager.streams._sockets))
        socket._send = never
        before = asyncio.get_running_loop().time()
        await manager.stop()
        assert asyncio.get_running_loop().time() - before <= 1.1
        assert not line.task.done()
        line.task.cancel()

    world.run(story())


# --- greeting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["answered", "connected"])
def test_greeting_is_played_once_whatever_comes_first(world: World, first: str) -> None:
    async def story() -> None:
        manager, call = await ringing(world, inbound_greeting="Welcome.")
        token = await granted(world, manager, "answered" if first == "answered" else "ringing")
        line = Line(manager)
        await line.start(token)
        if first == "connected":
            assert world.provider.count("play") == 0
            assert await world.post(manager, world.event("answered")) == 200
        await asyncio.sleep(0.1)
        newer = Line(manager)
        await newer.start(await granted(world, manager, "active"))
        await asyncio.sleep(5)
        assert [sent for sent in world.provider.sent if sent[0] == "play"] == [("play", "pc-1", "Welcome.")]
        assert status(manager, call)["greeting"] == "done"

    world.run(story())


@pytest.mark.parametrize(
    ("kind", "longest_ms"), [("ring", 30_000), ("stream-grace", 2_000), ("media-inactivity", 30_000)]
)
def test_no_deadline_lies_further_ahead_than_its_kind_allows(kind: str, longest_ms: int) -> None:
    record = CallRecord(call_id="c", provider_call_id="pc-1", deadlines={kind: 9_000_000})
    duty = duties(record, Config(store_dir="unused"), 1_000, dialing=False)[kind]
    assert duty.fixed and duty.due == 1_000 + longest_ms


def test_first_reason_to_close_a_socket_stands(world: World) -> None:
    async def story() -> None:
        manager, _, line = await streaming(world)
        socket = next(iter(manager.streams._sockets))
        socket.close(1000)
        socket.close(1012)
        await settled()
        assert line.code == 1000

    world.run(story())


def test_losing_a_stream_twice_is_losing_it_once() -> None:
    record = connect_stream(grant_stream(CallRecord(call_id="c"), "e1", "t1"), "t1", 5, 30)
    lost = lose_stream(record, 10, 2)
    assert lose_stream(lost, 11, 2) is lost
    assert lost.deadlines == {"stream-grace": 12}
