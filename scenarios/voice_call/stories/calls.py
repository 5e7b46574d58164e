"""Everyday calls: from ring to end, out and in, alone and together."""

import asyncio

from scenarios.voice_call.stage import FAR_AWAY, FRIEND, OTHER_FRIEND, Stage
from scenarios.voice_call.terms import MAX_DURATION_S, POLL_S, UNANSWERED_S


async def inbound(stage: Stage) -> None:
    """Somebody calls, is greeted, talks, says "yes" twice, hangs up; the provider repeats itself."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND)
    provider.say(call, "grüß dich\u2028zwei Zeilen 🙂")
    await asyncio.sleep(0.5)
    provider.repeat_answer(call)
    provider.duplicate(f"{call}-3")
    await stage.quiet()
    provider.say(call, "yes")
    await stage.quiet()
    provider.say(call, "yes")
    await stage.quiet()
    provider.leave(call)
    provider.duplicate(f"{call}-1")
    await stage.quiet()


async def notify(stage: Stage) -> None:
    """We call somebody, say our message and hang up a little later."""
    await stage.client.initiate("notify-1", FAR_AWAY, message="your parcel is here")
    await stage.quiet()
    await stage.later(4.0)


async def conversation(stage: Stage) -> None:
    """Three turns: a question that is answered too late, and two that get their own answers."""
    provider, client = stage.provider, stage.client
    call_id = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.quiet()
    if call_id is None or "out-1" not in provider.outer.calls:
        return
    first = asyncio.create_task(client.continue_call("ask-1", call_id, "what is your name?"))
    await stage.quiet()
    old = provider.remote("out-1").turn_token
    await first  # nobody says anything until the manager gives up waiting
    second = asyncio.create_task(client.continue_call("ask-2", call_id, "are you there?"))
    await stage.quiet()
    provider.say("out-1", "my name is Ada", turn_token=old)
    await stage.quiet()
    provider.say("out-1", "yes, here I am")
    await stage.quiet()
    await second
    third = asyncio.create_task(client.continue_call("ask-3", call_id, "shall I go on?"))
    await stage.quiet()
    provider.say("out-1", "please do")
    await stage.quiet()
    await third
    await client.end("end-1", call_id)
    await stage.quiet()


async def two_calls(stage: Stage) -> None:
    """A call from outside and one of ours at the same time; a third is one too many."""
    provider, client = stage.provider, stage.client
    here = provider.ring(FRIEND)
    await asyncio.gather(client.initiate("out-a", FAR_AWAY, mode="conversation"), stage.quiet())
    provider.say(here, "yes")
    if "out-1" in provider.outer.calls:
        provider.say("out-1", "yes")
    await stage.quiet()
    await client.initiate("out-b", FAR_AWAY, mode="conversation")
    request = provider.outer.requests["out-a"]
    if request.call is not None:
        await client.speak("speak-1", request.call, "one moment please")
    provider.leave(here)
    await stage.quiet()
    if request.call is not None:
        await client.end("end-a", request.call)
    await stage.quiet()


async def at_once(stage: Stage) -> None:
    """Two requests for the last free line in one moment."""
    client = stage.client
    stage.provider.fail("dial", "slow", times=2, delay_s=1.0)
    await asyncio.gather(
        client.initiate("race-a", FAR_AWAY, mode="conversation"),
        client.initiate("race-b", OTHER_FRIEND, mode="conversation"),
        stage.quiet(),
    )
    await stage.quiet()


async def long_call(stage: Stage) -> None:
    """A caller who never hangs up: the cap ends the call, although the first hang-ups do not get through."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    provider.fail("hang_up", "unavailable", times=2)
    await stage.later(30.0)
    provider.repeat_answer(call)
    await stage.later(36.0)


async def talks_on(stage: Stage) -> None:
    """The cap is reached, the hang-ups do not get through, and the person goes on talking and pressing keys."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.later(MAX_DURATION_S - 1.0)
    provider.fail("hang_up", "unavailable", times=4)
    await stage.later(3.0)
    provider.press(call, "3")
    provider.say(call, "why do you not answer?")
    await stage.later(3.0)
    provider.say(call, "I am still here")
    await stage.later(20.0)


async def lost_dial(stage: Stage) -> None:
    """The answer to a dial gets lost; the events come nevertheless, and the client asks again. Another dial is refused."""
    provider, client = stage.provider, stage.client
    provider.fail("dial", "unanswered")
    await client.initiate("lost-1", FAR_AWAY, message="it is me")
    provider.fail("dial", "refused")
    await client.initiate("no-1", OTHER_FRIEND)
    await stage.quiet()
    await client.initiate("lost-1", FAR_AWAY, message="it is me")
    await stage.later(3.0)


async def busy(stage: Stage) -> None:
    """The person we call is on the phone; somebody who calls us gives up before we answer."""
    provider = stage.provider
    await stage.client.initiate("busy-1", FAR_AWAY, message="call me back")
    await stage.quiet()
    call = provider.ring(OTHER_FRIEND)
    await stage.quiet()
    provider.leave(call, "no-answer")
    await stage.quiet()


async def lost_end(stage: Stage) -> None:
    """The report of an end gets lost for good: the manager finds out by asking."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND)
    provider.leave(call)
    provider.lose()
    await stage.later(POLL_S + 2.0)


async def batches(stage: Stage) -> None:
    """Events travel together, in another order, and answers get lost."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    provider.pick_up(call)
    provider.say(call, "all at once")
    provider.batch(3)
    provider.lose_answers(1)
    await stage.quiet(3.0)
    provider.say(call, "first")
    provider.press(call, "7")
    provider.say(call, "second")
    provider.reorder()
    await stage.quiet()
    provider.say(call, "overtaken by the end")
    provider.leave(call)
    provider.reorder()
    provider.lose_answers(1)
    await stage.quiet(3.0)


async def overtaken(stage: Stage) -> None:
    """Reports overtake each other: words come before the answer, an answer before the ringing; two words come at once."""
    provider = stage.provider
    slow = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(slow)
    provider.delay(5.0)
    await stage.later(3.0)
    provider.say(slow, "words before the answer")
    await stage.later(3.0)
    late = provider.ring(OTHER_FRIEND)
    provider.pick_up(late)
    provider.reorder()
    await stage.quiet()
    provider.say(late, "first of two")
    provider.say(late, "second of two")
    provider.batch(2)
    await stage.quiet()
    provider.leave(late)
    await stage.quiet()


async def nobody_answers(stage: Stage) -> None:
    """Two calls ring, one in and one out, until their time is up."""
    stage.provider.ring(FRIEND, stays=True)
    await stage.quiet()
    await stage.client.initiate("patience-1", FAR_AWAY, message="nobody hears this")
    await stage.later(UNANSWERED_S + 3.0)
