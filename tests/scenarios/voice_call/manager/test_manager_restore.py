"""What a restart makes of what the dead process left: verification, deadlines, questions, compaction."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from scenarios.voice_call.manager.provider_client import CallStatus, ProviderUnavailable, StatusAnswer
from scenarios.voice_call.manager.store import StoreLocked

World = Any


async def restarted(world: World, manager: Any, **settings: Any) -> Any:
    world.kill(manager)
    return await world.started(**settings)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (StatusAnswer(CallStatus.ENDED, "hangup-user"), "hangup-user"),
        (StatusAnswer(CallStatus.ENDED, "a word nobody knows"), "completed"),
        (StatusAnswer(CallStatus.NOT_FOUND), "completed"),
        (StatusAnswer(CallStatus.UNKNOWN), None),
        (StatusAnswer(CallStatus.IN_PROGRESS), None),
    ],
)
def test_restored_calls_are_verified_with_the_provider(world: World, answer: StatusAnswer, reason: str | None) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        world.provider.calls["pc-1"] = answer
        manager = await restarted(world, manager)
        assert manager.status(call)["endReason"] == reason
        assert len(manager.view()["active"]) == (1 if reason is None else 0)
        size = Path(world.directory, "calls.jsonl").stat().st_size
        manager = await restarted(world, manager)
        assert Path(world.directory, "calls.jsonl").stat().st_size == size

    world.run(story())


def test_deadline_is_the_same_after_restarts_while_the_provider_is_away(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        deadlines = manager.status(call)["deadlines"]
        world.provider.down = True
        for _ in range(4):
            await asyncio.sleep(60)
            manager = await restarted(world, manager)
            assert manager.status(call)["deadlines"] == deadlines
        await asyncio.sleep(59)
        assert manager.status(call)["live"]
        await asyncio.sleep(2)
        assert manager.status(call)["endReason"] == "timeout"
        world.provider.down = False
        await asyncio.sleep(61)
        assert world.provider.calls["pc-1"].status is CallStatus.ENDED
        assert manager.view()["obligations"] == []

    world.run(story())


def test_overdue_deadline_ends_the_call_at_restore_and_owes_the_hang_up(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        world.kill(manager)
        world.shift += 1_000
        manager = await world.started()
        assert manager.status(call)["endReason"] == "timeout" and manager.view()["obligations"]
        await asyncio.sleep(0.1)
        assert world.provider.count("hang_up") == 1 and manager.view()["obligations"] == []
        assert "deadline-overdue-on-restore" in world.log.names()

    world.run(story())


def test_clock_that_went_back_prolongs_nothing_beyond_the_budget(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        world.kill(manager)
        world.shift -= 86_400
        manager = await world.started()
        await asyncio.sleep(301)
        assert not manager.status(call)["live"]

    world.run(story())


def test_never_answered_call_has_a_cap(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager, answered=False)
        await asyncio.sleep(121)
        assert manager.status(call)["endReason"] == "timeout"

    world.run(story())


def test_conversation_outlives_the_cap_of_unanswered_calls(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        await asyncio.sleep(150)
        assert manager.status(call)["live"]

    world.run(story())


def test_lost_end_event_is_noticed_by_asking(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        world.provider.calls["pc-1"] = StatusAnswer(CallStatus.ENDED, "busy")
        await asyncio.sleep(31)
        assert manager.status(call)["endReason"] == "busy"

    world.run(story())


@pytest.mark.parametrize("repeat", [False, True])
def test_greeting_begun_by_a_dead_process(world: World, repeat: bool) -> None:
    async def story() -> None:
        settings = {"inbound_greeting": "hello", "repeat_greeting_after_crash": repeat}
        manager = await world.started(**settings)

        async def forever(*_: Any, **__: Any) -> None:
            world.provider.sent.append(("play",))
            await asyncio.sleep(9)

        play, world.provider.play = world.provider.play, forever
        call = await world.incoming(manager)
        await asyncio.sleep(0.1)
        assert manager.status(call)["greeting"] == "started"
        world.provider.play = play
        manager = await restarted(world, manager, **settings)
        await asyncio.sleep(0.1)
        assert world.provider.count("play") == (2 if repeat else 1)
        assert manager.status(call)["greeting"] == ("done" if repeat else "interrupted")

    world.run(story())


def test_open_question_is_answered_as_interrupted_once(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        asking = asyncio.ensure_future(manager.continue_call(call, "?"))
        await asyncio.sleep(0.1)
        token = manager.status(call)["turn"]["token"]
        manager = await restarted(world, manager)
        with pytest.raises((asyncio.CancelledError, ProviderUnavailable)):  # whichever task the kill reached first
            await asking
        manager = await restarted(world, manager)
        assert manager.status(call)["turn"]["phase"] == "interrupted"
        assert world.log.names().count("turn-interrupted") == 1
        speech = world.event("speech", transcript="late", turnToken=token)
        assert await world.post(manager, speech) == 200
        assert manager.status(call)["transcript"][-1]["text"] == "late"
        assert manager.status(call)["turn"]["phase"] == "interrupted"

    world.run(story())


def test_other_providers_calls_are_not_asked_about_here(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        world.kill(manager)
        world.provider.name = "other"
        manager = await world.started()
        assert world.provider.count("status") == 0 and manager.status(call)["live"]
        await asyncio.sleep(301)
        assert manager.status(call)["endReason"] == "timeout" and world.provider.count("hang_up") == 0
        world.provider.name = "mock"

    world.run(story())


def test_compaction_keeps_live_calls_and_ids_and_forgets_past_the_horizon(world: World) -> None:
    async def story() -> None:
        settings = {"compact_after_lines": 20, "redelivery_horizon_ms": 1_000_000}
        manager = await world.started(**settings)
        ringing = world.event("ringing", "pc-0")
        await world.post(manager, ringing)
        await world.post(manager, world.event("ended", "pc-0"))
        live = await world.incoming(manager, "pc-live")
        for _ in range(30):
            await world.post(manager, world.event("silence", "pc-live"))
        assert "compaction-done" in world.log.names()
        before = manager.view()["calls"]
        manager = await restarted(world, manager, **settings)
        assert manager.view()["calls"] == before
        assert await world.post(manager, ringing) == 200
        assert manager.view()["calls"] == before
        await world.post(manager, world.event("ended", "pc-live"))
        world.shift += 2_000
        for n in range(30):
            await world.post(manager, world.event("ringing", f"new-{n}"))
        assert manager.status(live) is None
        assert await world.post(manager, ringing) == 200
        assert manager.status("pc-0") is None

    world.run(story())


def test_stop_drains_answers_and_releases(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        asking = asyncio.ensure_future(manager.continue_call(call, "?"))
        await asyncio.sleep(0.1)
        with pytest.raises(StoreLocked):
            await world.manager().start()
        await asyncio.gather(manager.stop(), manager.stop())
        assert (await asking).outcome == "interrupted"
        assert await world.post(manager, world.event("ended")) == 503
        assert manager.view()["timers"] == []
        successor = await world.started()
        assert successor.status(call)["turn"]["phase"] == "interrupted"
        assert successor.view()["generation"] > manager.view()["generation"]

    world.run(story())


def test_continuation_of_a_stopped_manager_writes_nothing(world: World) -> None:
    async def story() -> None:
        manager = await world.started(drain_ms=10)
        release = asyncio.Event()

        async def slow(_: str) -> None:
            await release.wait()

        world.provider.before_answer = slow
        dialling = asyncio.ensure_future(manager.initiate("+1555"))
        await asyncio.sleep(0.1)
        await manager.stop()
        release.set()
        with pytest.raises(ProviderUnavailable, match="stopped"):
            await dialling
        world.provider.before_answer = None
        successor = await world.started()
        assert successor.view()["calls"][0]["providerCallId"] == "p-1"
        assert world.provider.count("dial") == 1

    world.run(story())


def test_failed_start_unwinds_and_may_be_repeated(world: World) -> None:
    async def story() -> None:
        holder = await world.started()
        manager = world.manager()
        with pytest.raises(StoreLocked):
            await manager.start()
        await holder.stop()
        await manager.start()
        await manager.start()
        assert manager.is_ready()

    world.run(story())


# --- an answer that was lost with its line ---------------------------------------------------------------------------


def damage(world: World, kind: str) -> None:
    """The line of this kind of change cannot be read any more."""
    log_file = Path(world.directory) / "calls.jsonl"
    lines = log_file.read_bytes().split(b"\n")
    (index,) = [i for i, line in enumerate(lines) if f'"kind":"{kind}"'.encode() in line]
    lines[index] = lines[index].replace(kind.encode(), b"X" * len(kind))
    log_file.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize("proof", ["speech", "active"])
def test_conversation_whose_answer_was_damaged_keeps_its_own_cap(world: World, proof: str) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        begun = world.now_ms()
        await asyncio.sleep(5)
        assert await world.post(manager, world.event(proof, transcript="I am talking")) == 200
        await asyncio.sleep(110)
        world.kill(manager)
        damage(world, "call.answered")
        world.shift += 10
        manager = await world.started()
        assert manager.status(call)["live"]
        await asyncio.sleep(100)
        assert manager.status(call)["live"] and world.provider.count("hang_up") == 0
        await asyncio.sleep(301 - (world.now_ms() - begun) / 1000 + 5)
        assert manager.status(call)["endReason"] == "timeout" and world.provider.count("hang_up") == 1

    world.run(story())


def test_dialled_call_whose_answer_was_damaged_does_not_ring_out(world: World) -> None:
    async def story() -> None:
        manager = await world.started(from_number="+15550000000")
        call = (await manager.initiate("+15551112222", "hello", "conversation")).call_id
        assert await world.post(manager, world.event("answered", "p-1", direction="outbound")) == 200
        assert await world.post(manager, world.event("speech", "p-1", direction="outbound", transcript="yes?")) == 200
        await asyncio.sleep(20)
        world.kill(manager)
        damage(world, "call.answered")
        world.shift += 20
        manager = await world.started()
        assert manager.status(call)["live"] and set(manager.status(call)["deadlines"]) == {"max-duration"}

    world.run(story())


def test_call_that_was_only_spoken_to_rings_out(world: World) -> None:
    async def story() -> None:
        manager = await world.started(from_number="+15550000000")
        call = (await manager.initiate("+15551112222", None, "conversation")).call_id
        await manager.speak(call, "is anybody there?")
        world.kill(manager)
        world.shift += 31
        manager = await world.started()
        assert manager.status(call)["endReason"] == "no-answer"

    world.run(story())
