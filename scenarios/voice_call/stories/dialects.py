"""Events as other providers send them: in parts, in other words, about calls that nobody knows, and long afterwards."""

import asyncio

from scenarios.voice_call.stage import FAR_AWAY, FRIEND, OTHER_FRIEND, STRANGER, Stage


async def odd_events(stage: Stage) -> None:
    """Every kind of event there is, some of them without what they could say, around what people really say."""
    provider = stage.provider
    call = provider.ring(FRIEND, without=("to", "providerCallId"))
    await stage.quiet()
    provider.tell(call, "call.initiated")
    await stage.quiet()
    provider.tell(call, "call.speech", transcript="half a sen", isFinal=False)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    provider.tell(call, "call.active", without=("callId",))
    await stage.later(1.0)
    provider.tell(call, "call.speaking", text="what we play")
    provider.tell(call, "call.silence", without=("timestamp", "direction", "from", "to"), durationMs=900)
    provider.tell(call, "call.recording", url="https://example.org/1")
    provider.tell(call, "call.speech", without=("id",), transcript="nobody numbered this", isFinal=True)
    provider.tell(call, "call.speech", without=("id", "providerCallId"), transcript="nor this", isFinal=True)
    provider.tell(call, "call.error", error="the line is noisy", retryable=True)
    await stage.later(1.0)
    provider.tell(call, "call.dtmf", callId="leg-7", digits="5")
    provider.tell(call, "call.speech", without=("timestamp",), transcript="at some time", isFinal=True)
    await stage.later(1.0)
    provider.duplicate(f"{call}-9")
    await stage.later(1.0)
    provider.tell(call, "call.speech", without=("callId",), transcript="one by its other id", isFinal=True)
    await stage.later(1.0)
    provider.tell(call, "call.speech", without=("providerCallId",), transcript="and one by its first", isFinal=True)
    await stage.later(1.0)
    provider.leave(call)
    await stage.quiet()
    provider.tell(call, "call.error", error="it was gone already", retryable=False)
    provider.tell(call, "call.speech", transcript="is anybody still there", isFinal=False)
    await stage.quiet()


async def odd_beginnings(stage: Stage) -> None:
    """Calls whose first event is not the ringing, or says next to nothing; afterwards the manager starts again."""
    provider = stage.provider
    undated = provider.ring(FRIEND, without=("timestamp",))
    provider.ring("unknown", to="unknown", stays=True, without=("timestamp", "from", "to"))
    await stage.later(1.0)
    unheard = provider.ring(OTHER_FRIEND, heard=False)
    provider.press(unheard, "9")
    await stage.later(2.0)
    over = provider.ring(FRIEND, heard=False)
    provider.leave(over)
    await stage.later(1.0)
    provider.tell(over, "call.ringing")
    await stage.quiet()
    nowhere = provider.ring(OTHER_FRIEND, to="unknown", stays=True, without=("to",))
    await stage.later(1.0)
    await stage.restart()
    await stage.quiet()
    provider.pick_up(undated)
    provider.say(unheard, "is anybody there?")
    await stage.quiet()
    provider.leave(nowhere)
    await stage.quiet()


async def fatal_error(stage: Stage) -> None:
    """The provider reports that a call cannot go on; whether the person is still on the line, it does not say."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.later(2.0)
    provider.tell(call, "call.error", error="media lost")
    await stage.later(5.0)
    begun = provider.ring(OTHER_FRIEND, heard=False)
    provider.tell(begun, "call.error", error="it never began", retryable=False)
    await stage.quiet()


async def nameless_dial(stage: Stage) -> None:
    """The provider does not repeat our key in its events; they come before the dial is answered, and wait."""
    provider, client = stage.provider, stage.client
    provider.keep_keys_to_itself()
    provider.fail("dial", "slow", delay_s=1.0)
    await asyncio.gather(client.initiate("slow-1", FAR_AWAY, mode="conversation"), stage.quiet(3.0))
    await stage.later(3.0)
    if "out-1" in provider.outer.calls:
        provider.say("out-1", "hello")
    await stage.later(9.0)
    request = provider.outer.requests["slow-1"]
    if request.call is not None:
        await client.end("end-1", request.call)
    await stage.quiet()


async def told_by_events(stage: Stage) -> None:
    """The answer to a dial gets lost and nobody can be asked for a while: the events tell which call it is."""
    provider, client = stage.provider, stage.client
    provider.fail("dial", "unanswered")
    provider.fail("find_by_key", "unavailable", times=4)
    call_id = await client.initiate("told-1", FAR_AWAY, mode="conversation")
    await stage.later(2.0)
    if call_id is None:
        return
    await client.speak("speak-1", call_id, "there you are")
    await stage.later(1.0)
    await client.end("end-1", call_id)
    await stage.quiet()


async def silent_dial(stage: Stage) -> None:
    """The answer to a dial gets lost, and so does every event about it: only by asking can it be found out."""
    provider, client = stage.provider, stage.client
    provider.fail("dial", "unanswered")
    await client.initiate("silent-1", FAR_AWAY, mode="conversation")
    provider.lose()
    await stage.later(12.0)
    call_id = await client.initiate("silent-1", FAR_AWAY, mode="conversation")
    if call_id is not None:
        await client.end("end-1", call_id)
    await stage.quiet()


async def foreign_calls(stage: Stage) -> None:
    """Events about calls that others have made over the same account, and one that claims a call under another's id."""
    provider = stage.provider
    mine, other = provider.ring(FRIEND), provider.ring(OTHER_FRIEND)
    await stage.quiet()
    provider.foreign("elsewhere-1", "call.answered", direction="outbound")
    provider.foreign("elsewhere-1", "call.ended", direction="outbound", reason="completed")
    provider.foreign("elsewhere-2", "call.ended", reason="completed")
    await stage.quiet()
    provider.tell(mine, "call.dtmf", digits="1", providerCallId=other)
    await stage.quiet()
    provider.say(mine, "this is the first line")
    provider.say(other, "this is the second line")
    await stage.quiet()
    provider.leave(mine)
    await stage.quiet()
    provider.leave(other)
    await stage.quiet()


async def long_memory(stage: Stage) -> None:
    """More events than a call remembers one by one; the oldest are repeated, and an end comes with an old date."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    began = provider.outer.happenings[f"{call}-1"].body["timestamp"]
    await stage.later(1.0)
    provider.pick_up(call)
    for number in range(5):  # told late, with the time at which it was said
        await stage.later(1.0)
        provider.tell(call, "call.silence", timestamp=began + number, durationMs=900)
    await stage.later(1.0)
    provider.tell(call, "call.speech", timestamp=began + 1_500, transcript="said before", isFinal=True)
    for number in range(5):
        await stage.later(1.0)
        provider.say(call, f"sentence number {number}")
        await stage.quiet(0.1)
        kept = (stage.shown(call) or {}).get("processedEventIds", ())
        stage.expect(len(kept) == 3, f"{len(kept)} events are remembered, and not three")
    await stage.later(1.0)
    await stage.restart()
    for number in range(8, 14):
        provider.duplicate(f"{call}-{number}")
        await stage.later(1.0)
    shown = stage.shown(call)
    stage.expect(
        shown is not None and len(shown["processedEventIds"]) == 3, "more or fewer events are remembered than three"
    )
    provider.leave(call, timestamp=began)
    await stage.quiet()
    provider.duplicate(f"{call}-9")
    await stage.quiet()


async def short_memory(stage: Stage) -> None:
    """Calls that ended long ago are forgotten when the log is rewritten; what is owed for one of them is not."""
    provider = stage.provider
    provider.forget_after(20.0)
    provider.fail("hang_up", "unavailable", times=7)
    provider.ring(STRANGER, stays=True)
    gone = provider.ring(FRIEND)
    await stage.quiet()
    provider.leave(gone)
    await stage.later(10.0)
    here = provider.ring(OTHER_FRIEND)
    provider.delay(20.0)
    await stage.later(21.0)
    provider.pick_up(here)
    for number in range(4):
        await stage.later(1.0)
        provider.say(here, f"thing number {number}")
    await stage.later(1.0)
    provider.duplicate(f"{gone}-1")
    await stage.quiet()
    provider.leave(here)
    await stage.later(120.0)
