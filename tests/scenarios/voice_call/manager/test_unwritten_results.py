"""Something was said or asked, and the disk did not take the result: it is told, and written down when it can be."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from scenarios.voice_call.manager.call_manager import CallManager, Parts
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.store import Store, StoreUnavailable

World = Any


class FailingStore(Store):
    """Refuses the records of the kinds in `fails`."""

    fails: tuple[str, ...] = ()

    def append(self, before: CallRecord | None, after: CallRecord, kind: str) -> None:
        if kind in self.fails or "*" in self.fails:
            raise StoreUnavailable(f"no room for {kind}")
        super().append(before, after, kind)


class LandsAndFails(Store):
    """Says of the records of the kinds in `fails` that they failed, and they are in the log nevertheless."""

    fails: tuple[str, ...] = ()

    def append(self, before: CallRecord | None, after: CallRecord, kind: str) -> None:
        super().append(before, after, kind)
        if kind in self.fails:
            self.poison("nobody knows")
            raise StoreUnavailable(f"no answer about {kind}")


@contextmanager
def refusing(manager: CallManager, *kinds: str) -> Iterator[None]:
    store: Any = manager.journal.store
    store.fails = kinds
    yield
    store.fails = ()


async def connected(world: World) -> CallManager:
    manager: CallManager = await world.started(Parts(store=FailingStore))
    await world.incoming(manager)
    return manager


def call(manager: CallManager) -> dict[str, Any]:
    status = manager.status("pc-1")
    assert status is not None
    return status


def lines(manager: CallManager) -> list[str]:
    return [line["text"] for line in call(manager)["transcript"]]


def test_what_was_said_is_told_as_unwritten_and_written_later(world: World) -> None:
    async def story() -> None:
        manager = await connected(world)
        with refusing(manager, "spoken", "late-result"):
            with pytest.raises(StoreUnavailable):
                await manager.speak("pc-1", "one moment")
            assert call(manager)["state"] == "speaking" and lines(manager) == []
            await asyncio.sleep(5)
        await asyncio.sleep(30)
        assert call(manager)["state"] == "listening" and lines(manager) == ["one moment"]
        assert world.provider.count("play") == 1
        assert "result" not in {timer["kind"] for timer in manager.view()["timers"]}

    world.run(story())


def test_lines_keep_their_order(world: World) -> None:
    async def story() -> None:
        manager = await connected(world)
        with refusing(manager, "spoken"), pytest.raises(StoreUnavailable):
            await manager.speak("pc-1", "first")
        await manager.speak("pc-1", "second")
        await asyncio.sleep(5)
        assert lines(manager) == ["first", "second"]

    world.run(story())


@pytest.mark.parametrize("kinds", [("spoken", "turn-failed"), ("turn-listening", "turn-failed"), ("*",)])
def test_a_question_that_failed_on_a_full_disk_does_not_block_the_next(world: World, kinds: tuple[str, ...]) -> None:
    async def story() -> None:
        manager = await connected(world)
        asking = asyncio.create_task(manager.continue_call("pc-1", "are you there?"))
        await asyncio.sleep(0)
        while world.provider.count("play") == 0:
            await asyncio.sleep(0)
        with refusing(manager, *kinds):
            with pytest.raises(StoreUnavailable):
                await asking
            await asyncio.sleep(1)
        await asyncio.sleep(30)
        assert call(manager)["turn"]["phase"] == "failed"
        again = asyncio.create_task(manager.continue_call("pc-1", "and now?"))
        await asyncio.sleep(1)
        token = call(manager)["turn"]["token"]
        await world.post(manager, world.event("speech", transcript="yes", turnToken=token))
        assert (await again).text == "yes"

    world.run(story())


def test_a_failed_playback_that_cannot_be_written_does_not_speak_for_ever(world: World) -> None:
    async def story() -> None:
        manager = await connected(world)
        world.provider.plan["play"] = ["refuse"]
        with refusing(manager, "speak-failed"), pytest.raises(StoreUnavailable):
            await manager.speak("pc-1", "nobody hears this")
        await asyncio.sleep(5)
        assert call(manager)["state"] == "listening" and lines(manager) == []

    world.run(story())


def test_a_result_of_a_call_that_ended_meanwhile_is_kept(world: World) -> None:
    async def story() -> None:
        manager = await connected(world)
        with refusing(manager, "spoken"), pytest.raises(StoreUnavailable):
            await manager.speak("pc-1", "good bye")
        await world.post(manager, world.event("ended", reason="hangup-user"))
        await asyncio.sleep(5)
        assert call(manager)["state"] == "hangup-user" and lines(manager) == ["good bye"]
        assert manager.view()["timers"] == []

    world.run(story())


def test_a_result_that_failed_and_landed_is_there_once(world: World) -> None:
    async def story() -> None:
        manager = await world.started(Parts(store=LandsAndFails))
        await world.incoming(manager)
        with refusing(manager, "spoken"), pytest.raises(StoreUnavailable):
            await manager.speak("pc-1", "once")
        await asyncio.sleep(5)
        assert lines(manager) == ["once"] and call(manager)["state"] == "listening"
        await manager.speak("pc-1", "once")
        assert lines(manager) == ["once", "once"]

    world.run(story())
