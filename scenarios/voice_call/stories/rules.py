"""The rules of the house, one after the other: who may call, how often, what follows what. Each is asked for at once."""

import asyncio
from typing import Any

from scenarios.voice_call.stage import FAR_AWAY, FRIEND, OTHER_FRIEND, Stage
from scenarios.voice_call.terms import TRANSCRIPT_WAIT_S

ANYBODY = "+15558888888"


async def open_house(stage: Stage) -> None:
    """Everybody may call, whoever they are; who does not say who they are, too."""
    provider = stage.provider
    for caller, without in ((ANYBODY, ()), ("unknown", ("from",))):
        call = provider.ring(caller, without=without)
        await stage.quiet()
        stage.expect(stage.live(call), f"{caller} calls an open house and is turned away")
        provider.leave(call)
        await stage.quiet()


async def closed_house(stage: Stage) -> None:
    """Nobody may call, friends included."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.later(2.0)
    stage.expect(not stage.live(call), f"{FRIEND} calls a closed house and is let in")
    stage.expect(not provider.remote(call).alive, f"{FRIEND} calls a closed house and is not hung up")


async def known_numbers(stage: Stage) -> None:
    """Numbers are compared by their digits, all of them; who does not say who they are is nobody we know."""
    provider = stage.provider
    spaced = f"{FRIEND[:2]} ({FRIEND[2:5]}) {FRIEND[5:8]}-{FRIEND[8:]}"
    for caller, welcome in ((spaced, True), (FRIEND[:-1], False), (f"{FRIEND}1", False), ("anonymous", False)):
        call = provider.ring(caller)
        await stage.quiet()
        stage.expect(stage.live(call) == welcome, f"{caller!r} calls, and being let in is {not welcome}")
        provider.leave(call)
        await stage.quiet()


async def too_often(stage: Stage) -> None:
    """One number is called as often as the rule allows, and no more, until the window has passed; others are not meant."""
    client, outer = stage.client, stage.provider.outer

    async def dialled(name: str, to: str) -> bool:
        before = len(outer.effects)
        call = await client.initiate(name, to, message="it is me")
        await stage.later(6.0)
        made = any(one.kind == "dial" and one.payload == to for one in outer.effects[before:])
        stage.expect(made == (outer.requests[name].outcome == "done"), f"{name} was dialled: {made}, told otherwise")
        stage.expect(made or call is None, f"{name} was not dialled, and is call {call}")
        return made

    stage.expect(await dialled("first", FAR_AWAY), "the first of two dials is refused")
    stage.provider.ring(FAR_AWAY, stays=True)
    await stage.later(2.0)
    stage.expect(await dialled("second", FAR_AWAY), "the second of two dials is refused")
    stage.expect(not await dialled("third", FAR_AWAY), "a third dial within the window is not refused")
    stage.expect(await dialled("another", OTHER_FRIEND), "a number that was never dialled is refused")
    await stage.later(30.0)
    stage.expect(await dialled("later", FAR_AWAY), "a dial after the window is refused")


async def every_state(stage: Stage) -> None:
    """Reports come in every order: a call goes forward only, speaking and listening change freely, an end is the end."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    expected = "ringing"
    for report, state in (
        ("call.initiated", "ringing"),
        ("call.active", "active"),
        ("call.ringing", "active"),
        ("call.speaking", "speaking"),
        ("call.active", "speaking"),
        ("call.speech", "listening"),
        ("call.active", "listening"),
        ("call.speaking", "speaking"),
        ("call.unheard-of", "speaking"),
    ):
        words: dict[str, Any] = (
            {"transcript": f"words after {report}", "isFinal": True} if report == "call.speech" else {}
        )
        provider.tell(call, report, **words)
        await stage.later(1.0)
        shown = stage.state(call)
        stage.expect(shown == state, f"{report} makes {expected} a {shown}, and not {state}")
        expected = state
    provider.leave(call)
    await stage.quiet()
    provider.tell(call, "call.active")
    await stage.quiet()
    stage.expect(stage.state(call) == "hangup-user", f"a report after the end makes it {stage.state(call)}")


async def odd_ends(stage: Stage) -> None:
    """Each reason there is for an end, one that nobody knows, and none at all."""
    provider = stage.provider
    for reason in (
        "completed",
        "hangup-user",
        "hangup-bot",
        "busy",
        "no-answer",
        "voicemail",
        "error",
        "failed",
        "timeout",
    ):
        call = provider.ring(FRIEND)
        await stage.quiet()
        provider.leave(call, reason)
        await stage.quiet()
        stage.expect(stage.state(call) == reason, f"an end by {reason} is shown as {stage.state(call)}")
    for says in ("the cat has walked over the keyboard", None):
        call = provider.ring(FRIEND)
        await stage.quiet()
        provider.leave(call, "completed", says={"reason": says})
        await stage.quiet()
        stage.expect(stage.state(call) == "completed", f"an end by {says!r} is shown as {stage.state(call)}")


async def unconnected(stage: Stage) -> None:
    """We end a call of which nobody knows yet whether it was made; it turns up at the provider, and is hung up."""
    provider, client = stage.provider, stage.client
    provider.fail("dial", "unanswered")
    provider.fail("find_by_key", "unavailable", times=3)
    provider.keep_keys_to_itself()
    call_id = await client.initiate("perhaps-1", FAR_AWAY, mode="conversation")
    await stage.quiet(0.2)
    stage.expect(call_id is not None, "a dial whose answer was lost is no call")
    if call_id is None:
        return
    await client.speak("speak-1", call_id, "is anybody there?")
    stage.expect(provider.outer.requests["speak-1"].outcome == "refused", "something is said on a call without a name")
    await client.end("end-1", call_id)
    stage.expect(provider.outer.requests["end-1"].outcome == "done", "a call without a name cannot be ended")
    status = stage.manager.status(call_id)
    stage.expect(
        status is not None and status["state"] == "failed", "a call that was ended without a name has not failed"
    )
    await stage.later(15.0)
    stage.expect(not provider.live_calls(), "a call that was given up is still on the line")


async def full_house(stage: Stage) -> None:
    """All lines are taken: one call more is refused, and made when a line is free again."""
    provider, client = stage.provider, stage.client
    here = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    await client.initiate("second-1", FAR_AWAY, mode="conversation")
    await stage.quiet()
    stage.expect(provider.outer.requests["second-1"].outcome == "done", "the second of two lines is not free")
    call = await client.initiate("third-1", OTHER_FRIEND, mode="conversation")
    stage.expect(provider.outer.requests["third-1"].outcome == "refused", "a third call is made over two lines")
    stage.expect(call is None, "a call that was refused has an id")
    more = provider.ring(OTHER_FRIEND, stays=True)
    await stage.quiet()
    stage.expect(stage.live(more), "a caller is turned away because we are calling others")
    provider.leave(more)
    provider.leave(here)
    await stage.quiet()
    await client.initiate("third-1", OTHER_FRIEND, mode="conversation")
    await stage.quiet()
    stage.expect(provider.outer.requests["third-1"].outcome == "done", "a line that became free is not used")


async def questions(stage: Stage) -> None:
    """A question at a time: a second one is refused, words that answer nothing are no answer, an end ends the waiting."""
    provider, client = stage.provider, stage.client
    outer = provider.outer
    call_id = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.quiet()
    if call_id is None or "out-1" not in outer.calls:
        return
    began = stage.run.now()
    first = asyncio.create_task(client.continue_call("ask-1", call_id, "what is your name?"))
    await asyncio.sleep(0.5)
    await client.continue_call("ask-2", call_id, "and your age?")
    stage.expect(outer.requests["ask-2"].outcome == "refused", "a second question is asked while the first is open")
    provider.say("out-1", "somebody else talks here", turn_token="another turn")
    await stage.quiet(0.5)
    stage.expect(not first.done(), "words that answer nothing are taken for an answer")
    provider.say("out-1", "Ada")
    await stage.quiet(0.5)
    stage.expect(first.done() and first.result() == "Ada", "the answer does not reach who asked")
    stage.expect(stage.run.now() - began < TRANSCRIPT_WAIT_S, "an answer is told when the waiting is over")
    stage.expect(provider.remote("out-1").turn_token is None, "the provider listens although the question is answered")
    asked_at = stage.run.now()
    await client.continue_call("ask-3", call_id, "are you there?")
    waited = stage.run.now() - asked_at
    stage.expect(outer.requests["ask-3"].answer == "timed-out", "a question without an answer has not timed out")
    stage.expect(abs(waited - TRANSCRIPT_WAIT_S) < 1.0, f"a question without an answer took {waited:.1f} s")
    last = asyncio.create_task(client.continue_call("ask-4", call_id, "shall we end?"))
    await asyncio.sleep(0.5)
    provider.leave("out-1")
    await stage.quiet(0.5)
    stage.expect(
        last.done() and outer.requests["ask-4"].answer == "ended", "who asks is not told that the call is over"
    )
    await last
    await client.continue_call("ask-5", call_id, "hello?")
    stage.expect(outer.requests["ask-5"].outcome == "refused", "a question is asked in a call that is over")
    await client.speak("speak-1", call_id, "hello?")
    stage.expect(outer.requests["speak-1"].outcome == "refused", "something is said in a call that is over")
    await client.end("end-1", call_id)
    stage.expect(outer.requests["end-1"].outcome == "done", "ending a call that is over is no success")
    await client.end("end-2", "nobody")
    stage.expect(outer.requests["end-2"].outcome != "done", "a call that never was has been ended")


async def stopped_while_asking(stage: Stage) -> None:
    """The manager is stopped while somebody waits for an answer: they are told so, at once."""
    provider, client = stage.provider, stage.client
    call_id = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.quiet()
    if call_id is None:
        return
    asking = asyncio.create_task(client.continue_call("ask-1", call_id, "what is your name?"))
    await asyncio.sleep(0.5)
    began = stage.run.now()
    await stage.restart()
    await stage.quiet(0.1)
    stage.expect(asking.done(), "who asks is left waiting by a manager that was stopped")
    stage.expect(provider.outer.requests["ask-1"].answer == "interrupted", "who asks is not told of the interruption")
    stage.expect(stage.run.now() - began < 2.0, "a stop waits for an answer that nobody gives")
    await asking
    again = asyncio.create_task(stage.client.continue_call("ask-2", call_id, "what was it?"))
    await stage.quiet(0.5)
    provider.say("out-1", "Ada")
    await stage.quiet(0.5)
    stage.expect(again.done() and again.result() == "Ada", "a question after a restart is not answered")
    await again
