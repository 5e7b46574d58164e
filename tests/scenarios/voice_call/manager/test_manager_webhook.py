"""The web face: who gets in, and when a 200 may leave."""

import asyncio
import errno
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.mock_provider import MockProvider

World = Any


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"path": "/voice/webhook/"}, 200),
        ({"path": "/voice/webhook//"}, 404),
        ({"path": "/voice/webhook-of-mine"}, 404),
        ({"path": "/voice/webhook", "raw_path": b"/voice%2Fwebhook"}, 404),
        ({"path": "/"}, 404),
        ({"method": "GET"}, 405),
        ({"headers": [(b"content-length", b"70000")]}, 413),
    ],
)
def test_gate(world: World, changes: dict[str, Any], status: int) -> None:
    async def story() -> None:
        manager = await world.started()
        body = json.dumps({"event": world.event("ringing")}).encode()
        assert await world.request(manager, body, **changes) == status
        assert len(manager.view()["calls"]) == (1 if status == 200 else 0)

    world.run(story())


def test_large_forged_and_unreadable_bodies(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        assert await world.request(manager, b"x" * 70_000) == 413
        for body in (b"{", b"[]", b'"x"', b'{"event": {"id": 1}}', b'{"event": {"type": "x", "timestamp": "now"}}'):
            assert await world.request(manager, body) == 400, body
        world.provider.genuine = False
        assert await world.post(manager, world.event("ringing")) == 401
        assert manager.view()["calls"] == []

    world.run(story())


def test_slow_body_times_out(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/voice/webhook", "headers": []}
        await manager.app(scope, receive, send)
        assert sent[0]["status"] == 408

    world.run(story())


def test_nothing_is_taken_before_the_restore_is_done(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        await world.incoming(manager)
        world.kill(manager)
        manager = world.manager()
        assert await world.post(manager, world.event("active")) == 503
        starting = asyncio.ensure_future(manager.start())
        await asyncio.sleep(0)
        assert await world.post(manager, world.event("active")) == 503
        await starting
        assert await world.post(manager, world.event("active")) == 200

    world.run(story())


@pytest.mark.parametrize("fault", ["write", "fsync"])
def test_what_is_not_durable_is_not_acknowledged_and_counts_once_after_the_retry(
    world: World, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        before = manager.status(call)
        speech = world.event("speech", transcript="once")

        def fail(*_: Any) -> int:
            raise OSError(errno.ENOSPC, "no space")

        with monkeypatch.context() as patched:
            patched.setattr(os, fault, fail)
            assert await world.post(manager, speech) == 503
            assert await world.post(manager, speech) == 503
        assert manager.status(call) == before
        assert await world.post(manager, speech) == 200
        assert await world.post(manager, speech) == 200
        assert manager.view()["poisoned"] is None
        world.kill(manager)
        manager = await world.started()
        assert [line["text"] for line in manager.status(call)["transcript"]] == ["once"]

    world.run(story())


def test_nothing_is_acknowledged_into_a_log_that_was_moved_away(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        await world.incoming(manager)
        log_file = Path(world.directory) / "calls.jsonl"
        log_file.rename(log_file.with_name("calls.jsonl.1"))
        for _ in range(2):
            assert await world.post(manager, world.event("speech", transcript="hello")) == 503
        assert [line.text for line in manager.book.find("pc-1").transcript] == []
        assert "writer-poisoned" in world.log.names() and not log_file.exists()

    world.run(story())


def test_deadline_fires_when_the_disk_has_room_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)

        def full(*_: Any) -> int:
            raise OSError(errno.ENOSPC, "no space")

        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            await asyncio.sleep(310)
            assert manager.status(call)["live"]
        await asyncio.sleep(61)
        assert manager.status(call)["endReason"] == "timeout"
        assert "timer-failed" in world.log.names()

    world.run(story())


def test_a_real_http_client_is_served(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        transport = httpx.ASGITransport(app=manager.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.post("/voice/webhook?x=1", json={"event": world.event("ringing")})
            assert (answer.status_code, answer.text) == (200, "OK")
            assert (await client.post("/voice/webhook", content=b"{")).status_code == 400
            await manager.stop()
            refused = await client.post("/voice/webhook", json={"event": world.event("ringing")})
            assert refused.status_code == 503 and refused.headers["retry-after"] == "1"

    world.run(story())


# --- before the body -------------------------------------------------------------------------------------------------


async def unread() -> dict[str, Any]:
    raise AssertionError("the body was read")


async def ask(manager: Any, receive: Any, **changes: Any) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/voice/webhook", "headers": []} | changes
    await manager.app(scope, receive, send)
    return sent


def test_a_request_without_signature_headers_is_refused_before_its_body_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        manager = await world.started()
        monkeypatch.setattr(world.provider, "is_signed", lambda headers: "x-signed" in headers)
        sent = await ask(manager, unread)
        assert sent[0]["status"] == 401
        assert await world.post(manager, world.event("ringing"), headers=[(b"X-Signed", b"")]) == 200

    world.run(story())


@pytest.mark.parametrize(
    ("length", "status"),
    [(b"70000", 413), (b"9" * 5_000, 413), (b"-1", 400), (b"1e3", 400), (b"", 400), (b"\xb2", 400), (b"65536", 200)],
)
def test_a_length_is_believed_before_the_body_is_read(world: World, length: bytes, status: int) -> None:
    async def story() -> None:
        manager = await world.started()
        headers = [(b"content-length", length)]
        assert await world.post(manager, world.event("ringing"), headers=headers) == status

    world.run(story())


def test_one_address_has_eight_places_and_others_have_theirs(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        arrived = asyncio.Event()
        event = json.dumps({"event": world.event("ringing")}).encode()

        async def slow() -> dict[str, Any]:
            await arrived.wait()
            return {"type": "http.request", "body": event, "more_body": False}

        first = [asyncio.ensure_future(ask(manager, slow, client=("10.0.0.1", port))) for port in range(8)]
        await asyncio.sleep(0)
        ninth = await ask(manager, unread, client=("10.0.0.1", 9))
        assert (ninth[0]["status"], dict(ninth[0]["headers"])[b"retry-after"]) == (503, b"1")
        assert await world.post(manager, world.event("ringing", "pc-2"), client=("10.0.0.2", 1)) == 200
        assert await world.post(manager, world.event("active", "pc-2")) == 200
        arrived.set()
        assert [sent[0]["status"] for sent in await asyncio.gather(*first)] == [200] * 8
        assert await world.post(manager, world.event("active"), client=("10.0.0.1", 10)) == 200

    world.run(story())


def test_a_place_is_given_back_by_who_fails(world: World) -> None:
    async def story() -> None:
        manager = await world.started(in_flight_per_key=1)
        for body, status in ((b"{", 400), (b"x" * 70_000, 413), (b"[]", 400)):
            assert await world.request(manager, body) == status

        async def gone() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def broken() -> dict[str, Any]:
            raise RuntimeError("the server is confused")

        assert (await ask(manager, gone))[0]["status"] == 408
        assert (await ask(manager, broken))[0]["status"] == 500
        waiting = asyncio.ensure_future(ask(manager, lambda: asyncio.sleep(60)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert await world.post(manager, world.event("ringing")) == 200

    world.run(story())


# --- skipping signatures ---------------------------------------------------------------------------------------------


def test_signatures_are_skipped_on_loopback(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(world.provider, "is_signed", lambda headers: False)
        world.provider.genuine = False
        manager = await world.started(skip_signature_verification=True)
        assert await world.post(manager, world.event("ringing")) == 200

    world.run(story())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_hosts_may_skip(host: str) -> None:
    assert Config(store_dir="/nowhere", bind_host=host, skip_signature_verification=True).bind_host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "", "localhost.example.com", "127.0.0.1.nip.io"])
def test_a_public_host_may_not(host: str) -> None:
    with pytest.raises(ValueError, match="anybody could send events"):
        Config(store_dir="/nowhere", bind_host=host, skip_signature_verification=True)
    assert Config(store_dir="/nowhere", bind_host=host).bind_host == host


# --- the URL that signatures cover -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("public_url", "url"),
    [
        (None, "http://voice.test:3334/voice/webhook/?a=%2F&b"),
        ("https://v.example.com", "https://v.example.com/voice/webhook/?a=%2F&b"),
        ("https://v.example.com/", "https://v.example.com/voice/webhook/?a=%2F&b"),
        ("https://v.example.com/in", "https://v.example.com/in/voice/webhook/?a=%2F&b"),
        ("https://v.example.com/voice/webhook", "https://v.example.com/voice/webhook/?a=%2F&b"),
    ],
)
def test_the_request_carries_the_url_its_sender_wrote(
    world: World, monkeypatch: pytest.MonkeyPatch, public_url: str | None, url: str
) -> None:
    async def story() -> None:
        seen: list[Any] = []
        monkeypatch.setattr(world.provider, "verify", lambda request: not seen.append(request))
        manager = await world.started(public_url=public_url)
        headers = [(b"host", b"voice.test:3334"), (b"x-forwarded-host", b"evil.test"), (b"x-forwarded-proto", b"https")]
        where = {"path": "/voice/webhook/", "query_string": b"a=%2F&b", "headers": headers}
        assert await world.post(manager, world.event("ringing"), **where) == 200
        assert (seen[0].url, seen[0].query) == (url, "a=%2F&b")

    world.run(story())


def test_a_public_url_without_a_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="write it as https://HOST"):
        Config(store_dir="/nowhere", public_url="voice.example.com")


# --- what cannot be read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id", "type", "callId", "providerCallId", "clientKey", "turnToken", "dedupeKey"])
@pytest.mark.parametrize("known", [False, True])
def test_half_a_character_in_a_name_is_a_bad_request(world: World, name: str, known: bool) -> None:
    async def story() -> None:
        manager = await world.started()
        if known:
            await world.incoming(manager)
        event = world.event("ringing", wantsStream=True) | {name: "x\ud800"}
        assert await world.post(manager, event) == 400
        assert "request-failed" not in world.log.names() and "event-failed" not in world.log.names()

    world.run(story())


@pytest.mark.parametrize("name", ["from", "to", "transcript", "reason", "error"])
def test_half_a_character_in_a_text_is_kept_like_any_other(world: World, name: str) -> None:
    async def story() -> None:
        manager = await world.started()
        await world.incoming(manager)
        for number, kind in enumerate(("ringing", "speech", "ended")):
            assert await world.post(manager, world.event(kind, **{name: "x\ud800"})) == 200
            assert await world.post(manager, world.event(kind, f"pc-{number + 2}", **{name: "x\ud800"})) == 200
        world.kill(manager)
        await world.started()
        assert "event-failed" not in world.log.names()

    world.run(story())


@pytest.mark.parametrize("body", [b'{"event":' * 7_000, b"[" * 65_000, b"\xff\xfe", b"\x00", b'{"events": {}}'])
def test_bodies_that_break_a_parser_are_bad_requests(world: World, body: bytes) -> None:
    async def story() -> None:
        manager = await world.started()
        world.provider = MockProvider()
        manager.webhook.client = world.provider
        assert await world.request(manager, body) == 400
        assert "request-failed" not in world.log.names()

    world.run(story())
