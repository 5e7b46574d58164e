"""What a reader is told about calls: the newest first, ended ones too, and no speech that is over."""

import asyncio
from typing import Any

World = Any


def test_history_is_of_calls_newest_first_also_within_one_instant(world: World) -> None:
    async def story() -> None:
        manager = await world.started(max_concurrent_calls=9)
        for number in range(1, 4):
            await world.incoming(manager, f"pc-{number}")
        await asyncio.sleep(1)
        await world.incoming(manager, "pc-4")
        for number in range(9):
            await world.post(manager, world.event("speech", "pc-1", transcript=f"line {number}"))
        listed = [call["providerCallId"] for call in manager.history()]
        assert listed == ["pc-4", "pc-3", "pc-2", "pc-1"]
        assert [call["providerCallId"] for call in manager.history(2)] == listed[:2]
        assert manager.history(0) == [] and manager.history(-1) == []
        world.kill(manager)
        manager = await world.started(max_concurrent_calls=9)
        assert [call["providerCallId"] for call in manager.history()] == listed

    world.run(story())


def test_status_knows_ended_calls_by_both_ids_after_a_restart(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        await world.post(manager, world.event("ended", reason="hangup-user"))
        world.kill(manager)
        manager = await world.started()
        for name in (call, "pc-1"):
            assert manager.status(name)["state"] == "hangup-user"
        assert manager.status("nobody") is None

    world.run(story())


def test_a_call_listens_once_its_speech_was_played(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        await world.incoming(manager)
        speaking = asyncio.create_task(manager.speak("pc-1", "one moment please"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert manager.status("pc-1")["state"] == "speaking"
        await speaking
        assert manager.status("pc-1")["state"] == "listening"

    world.run(story())


def test_a_call_that_ended_while_it_spoke_stays_over(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        await world.incoming(manager)
        speaking = asyncio.create_task(manager.speak("pc-1", "one moment please"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await world.post(manager, world.event("ended", reason="hangup-user"))
        await speaking
        status = manager.status("pc-1")
        assert status["state"] == "hangup-user" and [line["text"] for line in status["transcript"]] == [
            "one moment please"
        ]

    world.run(story())
