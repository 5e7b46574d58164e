"""Calls of ours: how long they ring, and that they listen once they have greeted."""

import asyncio
from typing import Any

import pytest

World = Any


async def dialled(world: World, **settings: Any) -> tuple[Any, str]:
    manager = await world.started(**settings)
    result = await manager.initiate("+15552222222", message="hello", mode="conversation")
    assert result.outcome == "created"
    return manager, result.call_id


def test_call_that_nobody_answers_ends_when_the_ring_time_is_up(world: World) -> None:
    async def story() -> None:
        manager, call = await dialled(world)
        assert manager.status(call)["deadlines"]["ring"] == world.now_ms() + 30_000
        await world.post(manager, world.event("ringing", "p-1", direction="outbound"))
        await asyncio.sleep(29.9)
        assert manager.status(call)["live"]
        await asyncio.sleep(0.2)
        over = manager.status(call)
        assert (over["endReason"], world.provider.count("hang_up")) == ("no-answer", 1)
        assert manager.view()["timers"] == []

    world.run(story())


@pytest.mark.parametrize("kind", ["answered", "active", "speech"])
def test_call_that_is_answered_rings_no_more(world: World, kind: str) -> None:
    async def story() -> None:
        manager, call = await dialled(world, poll_interval_ms=1_000_000)
        await world.post(manager, world.event(kind, "p-1", direction="outbound", transcript="hello?"))
        assert list(manager.status(call)["deadlines"]) == ["max-duration"]
        await asyncio.sleep(150)
        assert manager.status(call)["live"]

    world.run(story())


def test_ring_time_that_passed_while_nobody_was_there_ends_the_call(world: World) -> None:
    async def story() -> None:
        manager, call = await dialled(world)
        world.kill(manager)
        world.shift += 31.0
        manager = await world.started()
        assert manager.status(call)["endReason"] == "no-answer"
        await asyncio.sleep(0.1)
        assert world.provider.count("hang_up") == 1

    world.run(story())


def test_ring_time_goes_on_over_a_restart(world: World) -> None:
    async def story() -> None:
        manager, call = await dialled(world)
        await asyncio.sleep(20)
        world.kill(manager)
        manager = await world.started()
        await asyncio.sleep(9.8)
        assert manager.status(call)["live"]
        await asyncio.sleep(0.3)
        assert manager.status(call)["endReason"] == "no-answer"

    world.run(story())


def test_dial_without_an_answer_fails_when_the_ring_time_is_up(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        world.provider.down = True
        result = await manager.initiate("+15552222222")
        assert result.outcome == "unknown"
        await asyncio.sleep(30.1)
        assert manager.status(result.call_id)["endReason"] == "failed"
        world.provider.down = False
        await asyncio.sleep(60)
        assert manager.view()["obligations"] == [] and world.provider.count("dial") == 1

    world.run(story())


def test_ring_time_does_not_bind_callers(world: World) -> None:
    async def story() -> None:
        manager = await world.started(poll_interval_ms=1_000_000)
        call = await world.incoming(manager, answered=False)
        await asyncio.sleep(31)
        assert manager.status(call)["live"]

    world.run(story())


@pytest.mark.parametrize(
    ("mode", "outcome", "listens"), [("conversation", "ok", 1), ("notify", "ok", 0), ("conversation", "down", 0)]
)
def test_conversation_of_ours_listens_after_its_greeting(world: World, mode: str, outcome: str, listens: int) -> None:
    async def story() -> None:
        manager = await world.started()
        world.provider.plan["play"] = [outcome]
        result = await manager.initiate("+15552222222", message="hello", mode=mode)
        await world.post(manager, world.event("answered", "p-1", direction="outbound"))
        await asyncio.sleep(0.1)
        shown = manager.status(result.call_id)
        assert world.provider.count("listen") == listens
        if mode == "conversation":
            assert shown["state"] == "listening"

    world.run(story())
