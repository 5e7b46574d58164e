"""Making, speaking on and ending calls, with a provider that refuses, loses answers or is away."""

import asyncio
from typing import Any

import pytest

from scenarios.voice_call.manager.call_manager import Parts
from scenarios.voice_call.manager.provider_client import ProviderRefused, ProviderUnavailable
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.store import Store, StoreUnavailable
from scenarios.voice_call.manager.switchboard import CallNotFound, TurnInProgress

World = Any


class FailingStore(Store):
    """Refuses the records of the kinds in `fails`, as a full disk would."""

    def append(self, before: CallRecord | None, after: CallRecord, kind: str) -> None:
        if kind in getattr(self, "fails", ()):
            raise StoreUnavailable(f"no room for {kind}")
        super().append(before, after, kind)


def failing(manager: Any, *kinds: str) -> None:
    manager.journal.store.fails = kinds


async def outgoing(world: World, manager: Any, message: str | None = None, mode: str = "conversation") -> str:
    result = await manager.initiate("+15553334444", message, mode)
    assert result.outcome == "created"
    assert await world.post(manager, answered(world, result.call_id)) == 200
    return str(result.call_id)


def answered(world: World, call_id: str) -> dict[str, Any]:
    event = world.event("answered", world.provider.keys[call_id], direction="outbound")
    return dict(event)


def test_notification_is_dialled_spoken_once_and_hung_up(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await outgoing(world, manager, "your table is ready", "notify")
        await world.post(manager, world.event("active", "p-1", direction="outbound"))
        await asyncio.sleep(0.1)
        status = manager.status(call)
        assert status["greeting"] == "done" and "notify-hang-up" in status["deadlines"]
        await asyncio.sleep(5)
        assert manager.status(call)["endReason"] == "hangup-bot"
        assert [sent[0] for sent in world.provider.sent] == ["dial", "play", "hang_up"]
        assert manager.view()["obligations"] == [] and manager.view()["timers"] == []

    world.run(story())


def test_failed_first_write_dials_nobody_and_frees_the_slot(world: World) -> None:
    async def story() -> None:
        manager = await world.started(Parts(store=FailingStore), max_concurrent_calls=1)
        failing(manager, "intent")
        with pytest.raises(StoreUnavailable):
            await manager.initiate("+1555")
        assert world.provider.sent == [] and manager.view()["capacity"]["used"] == 0
        failing(manager)
        assert (await manager.initiate("+1555")).outcome == "created"

    world.run(story())


def test_capacity_is_never_exceeded_by_concurrent_initiations(world: World) -> None:
    async def story() -> None:
        manager = await world.started(max_concurrent_calls=2)
        results = await asyncio.gather(*(manager.initiate(f"+1555{n}") for n in range(5)))
        assert sorted(result.outcome for result in results) == ["created"] * 2 + ["refused"] * 3
        assert world.provider.count("dial") == 2

    world.run(story())


def test_destination_rate_limit_survives_a_restart(world: World) -> None:
    async def story() -> None:
        settings = {"max_dials_per_destination": 2, "max_concurrent_calls": 9}
        manager = await world.started(**settings)
        await manager.initiate("+1555")
        await manager.initiate("+1555")
        world.kill(manager)
        manager = await world.started(**settings)
        assert (await manager.initiate("+1555")).reason == "rate-limited"

    world.run(story())


def test_refused_dial_is_failed_and_same_key_gets_the_same_answer(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        world.provider.plan["dial"] = ["refuse"]
        first = await manager.initiate("+1555", key="k")
        second = await manager.initiate("+1555", key="k")
        assert first.outcome == second.outcome == "refused" and first.call_id == second.call_id
        assert manager.status(first.call_id)["state"] == "failed"
        assert world.provider.count("dial") == 1

    world.run(story())


def test_same_key_gets_its_call_while_the_store_refuses(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        first = await manager.initiate("+1555", key="k")
        store = manager.journal.store
        store.poison("no room")
        store.reopen = lambda: (_ for _ in ()).throw(StoreUnavailable("no room"))
        second = await manager.initiate("+1555", key="k")
        assert second == first and second.outcome == "created"
        with pytest.raises(StoreUnavailable):
            await manager.initiate("+1555", key="another")
        assert world.provider.count("dial") == 1

    world.run(story())


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(("plan", "state"), [("lost", "initiated"), ("down", "failed")])
def test_unknown_dial_keeps_the_slot_and_is_reconciled_never_dialled_again(
    world: World, plan: str, state: str, restart: bool
) -> None:
    async def story() -> None:
        manager = await world.started(max_concurrent_calls=1)
        world.provider.plan = {"dial": [plan], "find_by_key": ["down"]}
        result = await manager.initiate("+1555", key="k")
        assert result.outcome == "unknown" and manager.view()["capacity"]["used"] == 1
        assert manager.view()["obligations"][0]["kind"] == "reconcile-dial"
        assert (await manager.initiate("+1556")).outcome == "refused"
        assert (await manager.initiate("+1555", key="k")).outcome == "unknown"
        if restart:
            world.kill(manager)
            manager = await world.started(max_concurrent_calls=1)
        await asyncio.sleep(5)
        assert manager.status(result.call_id)["state"] == state
        assert manager.view()["obligations"] == [] and world.provider.count("dial") == 1
        assert "dial-reconciled" in world.log.names()

    world.run(story())


@pytest.mark.parametrize("restart", [False, True])
def test_dial_result_that_cannot_be_written_is_unknown_and_found_again(world: World, restart: bool) -> None:
    async def story() -> None:
        manager = await world.started(Parts(store=FailingStore))
        failing(manager, "dialled")
        result = await manager.initiate("+1555")
        assert result.outcome == "unknown"
        if restart:
            world.kill(manager)
            manager = await world.started(Parts(store=FailingStore))
        await asyncio.sleep(3)
        assert manager.status(result.call_id)["providerCallId"] == "p-1"
        assert world.provider.count("dial") == 1

    world.run(story())


def test_events_before_the_dial_is_answered_find_their_call(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        stray = {"id": "stray", "type": "call.ringing", "providerCallId": "p-77", "direction": "outbound"}

        async def early(provider_call_id: str) -> None:
            event = world.event("answered", provider_call_id, direction="outbound", clientKey="k")
            assert await world.post(manager, event) == 200
            end = world.event("ended", provider_call_id, direction="outbound", reason="hangup-user")
            assert await world.post(manager, end) == 200

        async def unknown(provider_call_id: str) -> None:
            assert await world.post(manager, stray) == 503
            await early(provider_call_id)

        world.provider.before_answer = unknown
        result = await manager.initiate("+1555", key="k")
        status = manager.status(result.call_id)
        assert (status["state"], status["providerCallId"]) == ("hangup-user", "p-1")
        assert await world.post(manager, stray) == 200

    world.run(story())


def test_ending_a_call_whose_dial_is_open_is_local_and_hangs_up_later(world: World) -> None:
    async def story() -> None:
        manager = await world.started()

        async def give_up(provider_call_id: str) -> None:
            call = manager.view()["active"][0]
            assert (await manager.end(call)).outcome == "ended"
            assert manager.status(call)["state"] == "failed"

        world.provider.before_answer = give_up
        result = await manager.initiate("+1555")
        await asyncio.sleep(0.1)
        assert world.provider.count("hang_up") == 1 and manager.view()["obligations"] == []
        assert manager.status(result.call_id)["state"] == "failed"

    world.run(story())


@pytest.mark.parametrize("restart", [False, True])
def test_end_is_retried_until_confirmed(world: World, restart: bool) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await outgoing(world, manager)
        world.provider.plan["hang_up"] = ["down", "down"]
        assert (await manager.end(call, "timeout")).outcome == "ending"
        assert manager.status(call)["ending"] == "timeout"
        if restart:
            world.kill(manager)
            manager = await world.started()
        await asyncio.sleep(10)
        assert manager.status(call)["endReason"] == "timeout" and manager.view()["obligations"] == []
        assert (await manager.end(call)).outcome == "ended"
        assert len({sent[2] for sent in world.provider.sent if sent[0] == "hang_up"}) == 1

    world.run(story())


def test_terminal_record_that_cannot_be_written_is_owed_and_done_again(world: World) -> None:
    async def story() -> None:
        manager = await world.started(Parts(store=FailingStore))
        call = await outgoing(world, manager)
        failing(manager, "hang-up-confirmed")
        with pytest.raises(StoreUnavailable):
            await manager.end(call)
        assert manager.status(call)["live"] and manager.view()["obligations"]
        failing(manager)
        await asyncio.sleep(5)
        assert manager.status(call)["endReason"] == "hangup-bot" and not manager.view()["obligations"]

    world.run(story())


def test_end_from_the_provider_during_our_hang_up_is_kept(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await outgoing(world, manager)
        ending = asyncio.ensure_future(manager.end(call))
        await asyncio.sleep(0)
        assert await world.post(manager, world.event("ended", "p-1", reason="hangup-user")) == 200
        assert (await ending).reason == "hangup-user"
        assert manager.status(call)["state"] == "hangup-user"

    world.run(story())


def test_speaking_is_written_before_and_after_and_a_failure_returns_to_listening(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await outgoing(world, manager)
        await manager.speak(call, "hello")
        assert [line["text"] for line in manager.status(call)["transcript"]] == ["hello"]
        world.provider.plan["play"] = ["refuse"]
        with pytest.raises(ProviderRefused):
            await manager.speak(call, "lost words")
        assert manager.status(call)["state"] == "listening"
        assert len(manager.status(call)["transcript"]) == 1
        with pytest.raises(CallNotFound):
            await manager.speak("nobody", "x")

    world.run(story())


def test_only_the_speech_of_its_turn_answers_a_question(world: World) -> None:
    async def story() -> None:
        manager = await world.started(transcript_wait_ms=1_000)
        call = await outgoing(world, manager)
        first = await manager.continue_call(call, "one?")
        assert first.outcome == "timed-out"
        asking = asyncio.ensure_future(manager.continue_call(call, "two?"))
        await asyncio.sleep(0.1)
        with pytest.raises(TurnInProgress):
            await manager.continue_call(call, "three?")
        late = world.event("speech", "p-1", transcript="to one", turnToken=first.turn_token)
        assert await world.post(manager, late) == 200
        await asyncio.sleep(0.1)
        assert not asking.done()
        token = manager.status(call)["turn"]["token"]
        await world.post(manager, world.event("speech", "p-1", transcript="to two", turnToken=token))
        second = await asking
        assert (second.outcome, second.text) == ("answered", "to two")
        texts = [line["text"] for line in manager.status(call)["transcript"]]
        assert texts == ["one?", "two?", "to one", "to two"]
        assert manager.status(call)["metadata"]["turnCount"] == 1

    world.run(story())


def test_question_that_cannot_be_played_is_not_waited_for(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await outgoing(world, manager)
        for what in ("play", "listen"):
            world.provider.plan[what] = ["down"]
            with pytest.raises(ProviderUnavailable):
                await manager.continue_call(call, "?")
            assert manager.status(call)["turn"]["phase"] == "failed"
            assert "transcript" not in manager.status(call)["deadlines"]

    world.run(story())


def test_question_dies_with_its_call(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await outgoing(world, manager)
        asking = asyncio.ensure_future(manager.continue_call(call, "?"))
        await asyncio.sleep(0.1)
        await world.post(manager, world.event("ended", "p-1", reason="hangup-user"))
        assert (await asking).outcome == "ended"

    world.run(story())


def test_greeting_result_that_cannot_be_written_is_written_later_and_not_played_again(world: World) -> None:
    async def story() -> None:
        manager = await world.started(Parts(store=FailingStore))
        failing(manager, "greeting-done")
        call = await outgoing(world, manager, "hello", "notify")
        await asyncio.sleep(0.5)
        assert manager.status(call)["greeting"] == "started"
        failing(manager)
        await asyncio.sleep(2)
        assert manager.status(call)["greeting"] == "done" and world.provider.count("play") == 1

    world.run(story())
