"""The web face: who gets in, and when a 200 may leave."""

import asyncio
import errno
import json
import os
from typing import Any

import httpx
import pytest

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
