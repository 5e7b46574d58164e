"""Events about inbound calls, end to end over the ASGI application."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

World = Any


def test_inbound_call_from_ringing_to_its_end(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        assert await world.post(manager, world.event("speech", transcript="hi\u2028there", isFinal=True)) == 200
        assert manager.status(call)["state"] == "listening"
        assert await world.post(manager, world.event("ended", reason="hangup-user")) == 200
        ended = manager.status("pc-1")
        assert (ended["state"], ended["endReason"]) == ("hangup-user", "hangup-user")
        assert ended["processedEventIds"] == ["e1", "e2", "e3", "e4"]
        assert [line["text"] for line in ended["transcript"]] == ["hi\u2028there"]
        view = manager.view()
        assert view["active"] == [] and view["capacity"]["used"] == 0 and view["timers"] == []
        json.dumps(view)
        await manager.stop()
        again = await world.started()
        assert again.status(call) == ended

    world.run(story())


def test_duplicate_after_end_and_restart_is_absorbed(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        ringing = world.event("ringing")
        assert await world.post(manager, ringing) == 200
        assert await world.post(manager, world.event("ended", reason="completed")) == 200
        assert await world.post(manager, ringing) == 200
        world.kill(manager)
        manager = await world.started()
        size = Path(world.directory, "calls.jsonl").stat().st_size
        assert await world.post(manager, ringing) == 200
        assert Path(world.directory, "calls.jsonl").stat().st_size == size
        assert len(manager.view()["calls"]) == 1 and manager.view()["active"] == []
        assert world.log.names().count("duplicate-absorbed") == 2

    world.run(story())


def test_late_event_is_remembered_and_changes_nothing_else(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        await world.post(manager, world.event("ended", reason="busy"))
        before = manager.status(call)
        late = world.event("answered")
        assert await world.post(manager, late) == 200
        after = manager.status(call)
        assert after["processedEventIds"] == [*before["processedEventIds"], late["id"]]
        assert {k: v for k, v in after.items() if k != "processedEventIds"} == {
            k: v for k, v in before.items() if k != "processedEventIds"
        }
        assert await world.post(manager, world.event("ended", reason="error")) == 200
        assert manager.status(call)["endReason"] == "busy"
        assert "late-event-absorbed" in world.log.names()

    world.run(story())


def test_end_before_beginning_leaves_an_identity_and_no_call(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        assert await world.post(manager, world.event("ended", reason="no-answer")) == 200
        assert await world.post(manager, world.event("ringing")) == 200
        view = manager.view()
        assert view["calls"] == [] and view["active"] == []
        assert view["tombstones"][0]["processedEventIds"] == ["e1", "e2"]

    world.run(story())


def test_duplicate_answered_moves_no_deadline(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        first = manager.status(call)
        await asyncio.sleep(10)
        assert await world.post(manager, world.event("answered")) == 200
        second = manager.status(call)
        assert second["answeredAt"] == first["answeredAt"]
        assert second["deadlines"] == first["deadlines"] == {"max-duration": first["answeredAt"] + 300_000}

    world.run(story())


def test_backward_transition_is_ignored(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        assert await world.post(manager, world.event("ringing")) == 200
        assert manager.status(call)["state"] == "answered"

    world.run(story())


def test_event_without_id_is_recognised_when_it_comes_again(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        call = await world.incoming(manager)
        speech = world.event("speech", transcript="yes")
        del speech["id"]
        assert await world.post(manager, speech) == 200
        assert await world.post(manager, speech) == 200
        other = dict(speech, turnToken="another turn")
        assert await world.post(manager, other) == 200
        assert [line["text"] for line in manager.status(call)["transcript"]] == ["yes", "yes"]

    world.run(story())


def test_same_event_id_on_two_calls_is_two_events(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        assert await world.post(manager, world.event("ringing", "pc-1", id="same")) == 200
        assert await world.post(manager, world.event("ringing", "pc-2", id="same")) == 200
        assert len(manager.view()["calls"]) == 2

    world.run(story())


@pytest.mark.parametrize(
    ("policy", "allow", "caller", "accepted"),
    [
        ("disabled", (), "+15551112222", False),
        ("open", (), None, True),
        ("allowlist", ("+1 (555) 111-2222",), "+15551112222", True),
        ("allowlist", ("+1 555 111 3333",), "+15551112222", False),
        ("pairing", ("",), "", False),
    ],
)
def test_inbound_policy(world: World, policy: str, allow: tuple[str, ...], caller: str | None, accepted: bool) -> None:
    async def story() -> None:
        manager = await world.started(inbound_policy=policy, allow_from=allow)
        assert await world.post(manager, world.event("ringing", **{"from": caller})) == 200
        view = manager.view()
        assert (len(view["calls"]), len(view["rejected"])) == ((1, 0) if accepted else (0, 1))

    world.run(story())


def test_rejected_caller_is_hung_up_once_over_failure_restart_and_redelivery(world: World) -> None:
    async def story() -> None:
        manager = await world.started(inbound_policy="disabled")
        world.provider.down = True
        ringing = world.event("ringing")
        assert await world.post(manager, ringing) == 200
        await asyncio.sleep(3.5)
        assert world.provider.count("hang_up") >= 2
        assert manager.view()["obligations"][0]["kind"] == "hang-up"
        world.kill(manager)
        world.provider.down = False
        manager = await world.started(inbound_policy="disabled")
        await asyncio.sleep(0.1)
        assert manager.view()["obligations"] == []
        count = world.provider.count("hang_up")
        assert await world.post(manager, ringing) == 200
        await asyncio.sleep(120)
        assert world.provider.count("hang_up") == count

    world.run(story())


def test_batch_stops_at_the_first_failure_of_a_call_and_the_retry_completes_it(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        await world.incoming(manager, "pc-1")
        unknown = {"id": "x", "type": "call.active", "callId": "nobody"}
        later = {"id": "y", "type": "call.ended", "reason": "busy", "callId": "nobody"}
        good = world.event("active", "pc-1")
        assert await world.post(manager, unknown, later, good) == 503
        assert good["id"] in manager.status("pc-1")["processedEventIds"]
        assert manager.status("nobody") is None

    world.run(story())


def test_identity_of_another_call_is_never_taken(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        first = await world.incoming(manager, "pc-1")
        second = await world.incoming(manager, "pc-2")
        await world.post(manager, world.event("active", "pc-2", callId=first))
        assert manager.status("pc-2")["callId"] == second
        await world.post(manager, world.event("active", "pc-9", callId=first))
        assert manager.status("pc-9")["callId"] == first == manager.status("pc-1")["callId"]

    world.run(story())


def test_forgotten_ids_still_count_as_replays(world: World) -> None:
    async def story() -> None:
        manager = await world.started(max_event_ids_per_call=3)
        call = await world.incoming(manager)
        old = world.event("speech", transcript="once")
        assert await world.post(manager, old) == 200
        for _ in range(5):
            await asyncio.sleep(1)
            assert await world.post(manager, world.event("silence", durationMs=800)) == 200
        assert len(manager.status(call)["processedEventIds"]) == 3
        assert await world.post(manager, old) == 200
        assert len(manager.status(call)["transcript"]) == 1
        assert "stale-event-absorbed" in world.log.names()

    world.run(story())


@pytest.mark.parametrize("wrong", [1_700_000_000_000_000, 2**64, 10**30])
def test_time_from_the_future_makes_no_replays_of_what_comes_later(world: World, wrong: int) -> None:
    async def story() -> None:
        manager = await world.started(max_event_ids_per_call=3)
        assert await world.post(manager, world.event("ringing", timestamp=wrong)) == 200
        assert await world.post(manager, world.event("answered")) == 200
        for digit in "1234":
            await asyncio.sleep(1)
            assert await world.post(manager, world.event("dtmf", digits=digit)) == 200
        await asyncio.sleep(1)
        assert await world.post(manager, world.event("speech", transcript="please hear me")) == 200
        assert [line["text"] for line in manager.status("pc-1")["transcript"]] == ["please hear me"]
        assert "stale-event-absorbed" not in world.log.names()

    world.run(story())
