"""Ends that the provider reports in few words, calls that cannot be made, and what is owed from when on."""

import asyncio

from scenarios.voice_call.stage import FAR_AWAY, FRIEND, OTHER_FRIEND, STRANGER, Stage
from scenarios.voice_call.terms import MAX_DURATION_S, UNANSWERED_S


async def few_words(stage: Stage) -> None:
    """To the provider every end is "completed": what we have ended, and why, only the manager can know."""
    provider, client = stage.provider, stage.client
    provider.speak_plainly()
    talk = await client.initiate("talk-1", FAR_AWAY, mode="conversation", session_key="s-1")
    await stage.quiet()
    stage.expect(stage.shown("out-1") is not None, "a call that was made is not shown")
    stage.expect(
        (stage.shown("out-1") or {}).get("sessionKey") == "s-1", "a call is not in the session it was asked for"
    )
    if talk is None:
        return
    await client.end("end-1", talk)
    await stage.quiet()
    stage.expect(stage.state("out-1") == "hangup-bot", f"a call that we have ended is shown as {stage.state('out-1')}")
    other = await client.initiate("talk-2", FAR_AWAY, mode="conversation")
    await stage.quiet()
    if other is None:
        return
    await client.end("end-2", other, reason="voicemail")
    await stage.quiet()
    stage.expect(stage.state("out-2") == "voicemail", f"an end as voicemail is shown as {stage.state('out-2')}")
    third = await client.initiate("talk-3", FAR_AWAY, mode="conversation")
    await stage.quiet()
    if third is None:
        return
    await client.end("end-3", third, reason="no word that anybody knows")
    await stage.quiet()
    stage.expect(stage.state("out-3") == "hangup-bot", f"an end without a reason is shown as {stage.state('out-3')}")
    await client.initiate("notify-1", OTHER_FRIEND, message="your parcel is here")
    await stage.later(8.0)
    stage.expect(stage.state("out-4") == "hangup-bot", f"a notification ends as {stage.state('out-4')}")
    capped = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(capped)
    await stage.later(MAX_DURATION_S + 3.0)
    stage.expect(stage.state(capped) == "timeout", f"a call that reached its cap is shown as {stage.state(capped)}")


async def two_reasons(stage: Stage) -> None:
    """A hang-up does not get through; meanwhile it is asked for again, for another reason: the first one stays."""
    provider, client = stage.provider, stage.client
    provider.speak_plainly()
    call = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.later(2.0)
    if call is None:
        return
    provider.fail("hang_up", "unavailable", times=2)
    await client.end("end-1", call, reason="busy")
    await stage.quiet(0.1)
    await client.end("end-2", call, reason="voicemail")
    await stage.later(8.0)
    stage.expect(stage.state("out-1") == "busy", f"a call that was ended as busy is shown as {stage.state('out-1')}")


async def nobody_there(stage: Stage) -> None:
    """Callers and those we call let it ring; the hang-ups do not get through for a while, and are owed since a known time."""
    provider, client = stage.provider, stage.client
    provider.ring(FRIEND, stays=True)
    await stage.later(5.0)
    await client.initiate("ring-1", FAR_AWAY, message="nobody hears this")
    await stage.later(24.0)
    provider.fail("hang_up", "unavailable", times=8)
    for _ in range(12):
        await stage.later(UNANSWERED_S / 9)
    await stage.later(20.0)
    stage.expect(not provider.live_calls(), "somebody is left on the line")


async def slow_dial_given_up(stage: Stage) -> None:
    """We end a call while its dial is on its way; it rings there when the answer comes, and is hung up."""
    provider, client = stage.provider, stage.client
    provider.keep_keys_to_itself()
    provider.fail("dial", "slow", delay_s=4.0)
    dialling = asyncio.create_task(client.initiate("slow-1", FAR_AWAY, mode="conversation"))
    await asyncio.sleep(1.0)
    shown = stage.manager.history()
    stage.expect(len(shown) == 1, f"{len(shown)} calls are shown while one is being made")
    if shown:
        await client.end("end-1", shown[0]["callId"])
    await dialling
    await stage.later(3.0)
    stage.expect(not provider.live_calls(), "a call that was given up while it was made is on the line")


async def unmakeable(stage: Stage) -> None:
    """A dial that the provider refuses, and one of which it says that it never was: both are over, and take no line."""
    provider, client = stage.provider, stage.client
    provider.fail("dial", "refused")
    await client.initiate("refused-1", FAR_AWAY, mode="conversation")
    stage.expect(provider.outer.requests["refused-1"].outcome == "refused", "a dial that was refused is not told so")
    await client.initiate("refused-1", FAR_AWAY, mode="conversation")
    stage.expect(
        provider.outer.requests["refused-1"].outcome == "refused", "asked again, a refused dial is not refused"
    )
    provider.fail("dial", "unavailable")
    provider.fail("find_by_key", "unavailable")
    call = await client.initiate("never-1", FAR_AWAY, mode="conversation")
    await asyncio.sleep(0.3)
    await stage.restart()
    await stage.later(3.0)
    status = None if call is None else stage.manager.status(call)
    stage.expect(status is not None and status["state"] == "failed", f"a dial that never was is shown as {status}")
    provider.fail("dial", "unavailable")
    provider.fail("find_by_key", "unavailable", times=2)
    call = await stage.client.initiate("never-2", FAR_AWAY, mode="conversation")
    await stage.later(8.0)
    status = None if call is None else stage.manager.status(call)
    stage.expect(status is not None and status["state"] == "failed", f"a dial that never was is shown as {status}")
    stage.expect(not provider.outer.calls, "a call was made after all")


async def owed_since_then(stage: Stage) -> None:
    """A hang-up is owed from the moment it is asked for: not since the ringing was reported, nor since the call began."""
    provider = stage.provider
    provider.ring(STRANGER, stays=True)
    provider.delay(5.0)
    provider.fail("hang_up", "unavailable", times=3)
    await stage.later(5.5)
    await stage.later(10.0)
    provider.lift_faults()
    call = await stage.picked_up(FRIEND, stays=True)
    await stage.later(3.0)
    provider.fail("hang_up", "unavailable", times=3)
    provider.tell(call, "call.error", error="media lost", retryable=False)
    await stage.quiet(0.1)
    await stage.later(10.0)


async def ended_meanwhile(stage: Stage) -> None:
    """The cap is reached, the hang-up does not get through, and the person hangs up: nothing is owed any more."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    await stage.later(MAX_DURATION_S - 2.0)
    provider.fail("hang_up", "unavailable", times=6)
    await stage.later(3.0)
    tried = provider.outer.failed_commands
    provider.leave(call)
    await stage.quiet()
    await stage.later(20.0)
    stage.expect(provider.outer.failed_commands == tried, "a call whose end was reported is hung up again and again")


async def ended_before_told(stage: Stage) -> None:
    """We hang up, and the report of the end comes before the answer to that."""
    provider, client = stage.provider, stage.client
    name = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.later(2.0)
    provider.fail("hang_up", "slow", delay_s=2.0)
    if name is not None:
        await asyncio.gather(client.end("end-1", name), stage.later(3.0))
    stage.expect(stage.state("out-1") == "hangup-bot", f"a call that we have ended is shown as {stage.state('out-1')}")
    provider.speak_plainly()
    for number, reason in ((2, "hangup-bot"), (3, "no word that anybody knows")):
        name = await client.initiate(f"talk-{number}", FAR_AWAY, mode="conversation")
        await stage.later(2.0)
        provider.fail("hang_up", "slow", delay_s=2.0)
        if name is not None:
            await asyncio.gather(client.end(f"end-{number}", name, reason=reason), stage.later(3.0))
        state = stage.state(f"out-{number}")
        stage.expect(
            state == "hangup-bot", f"a call that we have ended, and that was reported as completed, is {state}"
        )


async def unreported_answers(stage: Stage) -> None:
    """Nobody reports that calls were answered, but what happens in them: they have the cap of a conversation."""
    provider = stage.provider
    calls = [provider.ring(caller, stays=True) for caller in (FRIEND, OTHER_FRIEND)]
    await stage.later(5.0)
    for call in calls:
        provider.pick_up(call)
        provider.lose()
    provider.tell(calls[0], "call.active")
    provider.say(calls[1], "here I am")
    await stage.later(10.0)
    await stage.restart()
    await stage.later(MAX_DURATION_S - 13.0)
    for call in calls:
        stage.expect(stage.live(call), f"{call} is ended before its cap")
    await stage.later(6.0)
    for call in calls:
        stage.expect(not stage.live(call), f"{call} is not ended by its cap")
