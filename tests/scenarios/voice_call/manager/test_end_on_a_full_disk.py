"""A call whose time is up is hung up in time, also when its end cannot be written yet; the record follows."""

import asyncio
from typing import Any

import pytest

from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.store import StoreUnavailable

World = Any


def fill(manager: CallManager, patched: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise StoreUnavailable("no space left")

    patched.setattr(manager.journal.store, "append", refuse)


async def capped(world: World) -> CallManager:
    manager: CallManager = await world.started(max_duration_ms=60_000)
    await world.incoming(manager)
    return manager


def only_call(manager: CallManager) -> dict[str, Any]:
    (call,) = manager.view()["calls"]
    return dict(call)


def test_the_cap_does_not_wait_for_the_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        manager = await capped(world)
        await asyncio.sleep(30)
        with monkeypatch.context() as patched:
            fill(manager, patched)
            await asyncio.sleep(29)
            assert world.provider.count("hang_up") == 0
            await asyncio.sleep(2)
            assert world.provider.count("hang_up") >= 1 and world.provider.calls["pc-1"].reason == "hangup-bot"
            assert "hang-up-before-record" in world.log.names()
            assert only_call(manager)["live"], "what is not written is not shown"
        await asyncio.sleep(60)
        assert only_call(manager)["endReason"] == "timeout"
        assert manager.view()["obligations"] == [] and manager.view()["timers"] == []
        assert {sent[2] for sent in world.provider.sent if sent[0] == "hang_up"} == {
            f"hang-up:{only_call(manager)['callId']}"
        }

    world.run(story())


@pytest.mark.parametrize("how", ["event", "restart"])
def test_whoever_tells_of_the_end_first_it_was_the_cap(world: World, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    async def story() -> None:
        manager = await capped(world)
        with monkeypatch.context() as patched:
            fill(manager, patched)
            await asyncio.sleep(62)
            assert world.provider.count("hang_up") >= 1
        if how == "restart":
            world.kill(manager)
            manager = await world.started(max_duration_ms=60_000)
        else:
            assert await world.post(manager, world.event("ended", reason="hangup-bot")) == 200
        assert only_call(manager)["endReason"] == "timeout"

    world.run(story())


def test_a_notification_is_hung_up_although_the_disk_refuses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        manager = await world.started(max_duration_ms=10_000)
        result = await manager.initiate("+1555", "your table is ready", "notify")
        assert await world.post(manager, world.event("answered", "p-1", direction="outbound")) == 200
        await asyncio.sleep(1)
        with monkeypatch.context() as patched:
            fill(manager, patched)
            await asyncio.sleep(4)
            assert world.provider.calls["p-1"].reason == "hangup-bot"
            await asyncio.sleep(10)
        world.kill(manager)
        manager = await world.started(max_duration_ms=10_000)
        assert result.call_id is not None
        assert only_call(manager)["endReason"] == "hangup-bot", "the cap came later"

    world.run(story())


def test_who_may_have_picked_up_unheard_is_not_hung_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        manager = await world.started(unanswered_ms=20_000)
        await world.incoming(manager, answered=False)
        with monkeypatch.context() as patched:
            fill(manager, patched)
            assert await world.post(manager, world.event("answered")) == 503
            await asyncio.sleep(25)
            assert world.provider.count("hang_up") == 0

    world.run(story())


def test_a_provider_that_is_away_as_well_is_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        manager = await capped(world)
        with monkeypatch.context() as patched:
            fill(manager, patched)
            world.provider.down = True
            await asyncio.sleep(62)
            assert "hang-up-unknown" in world.log.names()
            world.provider.down = False
            await asyncio.sleep(10)
            assert world.provider.calls["pc-1"].reason == "hangup-bot"
        await asyncio.sleep(60)
        assert only_call(manager)["endReason"] == "timeout" and manager.view()["obligations"] == []

    world.run(story())


def test_a_manager_whose_time_is_over_hangs_up_nobody(world: World) -> None:
    async def story() -> None:
        manager = await capped(world)
        manager.journal.fence("a successor has the store")
        await asyncio.sleep(70)
        assert world.provider.count("hang_up") == 0

    world.run(story())
