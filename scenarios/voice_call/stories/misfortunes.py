"""Prompts that cannot be played, providers that do not answer or are the wrong ones, pairs of callers, hasty resets."""

from scenarios.voice_call.stage import FAR_AWAY, FRIEND, STRANGER, Stage
from scenarios.voice_call.stories.sessions import FRIENDS_SESSION
from scenarios.voice_call.terms import MAX_DURATION_S


async def unplayed_prompts(stage: Stage) -> None:
    """A sentence and a question that the provider refuses to play; the next question is heard and answered."""
    provider, client = stage.provider, stage.client
    call_id = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.quiet()
    if call_id is None or "out-1" not in provider.outer.calls:
        return
    provider.fail("play", "refused")
    await client.speak("speak-1", call_id, "nobody hears this")
    await stage.quiet()
    client.look(call_id)
    provider.fail("play", "refused")
    await client.continue_call("ask-1", call_id, "does anybody hear this?")
    await stage.quiet()
    client.look(call_id)
    await client.end("end-1", call_id)
    await stage.quiet()


async def unanswered_questions(stage: Stage) -> None:
    """The manager starts again in the middle of a call, and the provider does not say what became of it."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    provider.fail("status", "unavailable", times=2)
    await stage.restart()
    await stage.later(2.0)
    provider.say(call, "I was there all the time")
    await stage.quiet()


async def wrong_provider(stage: Stage) -> None:
    """The operator sets the manager to another provider while somebody is on the line, and corrects it soon."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    provider.configure(elsewhere=True)
    await stage.restart()
    await stage.later(5.0)
    provider.configure(elsewhere=False)
    await stage.restart()
    provider.say(call, "I am still here")
    await stage.quiet()


async def two_strangers(stage: Stage) -> None:
    """Two callers whom the policy rejects; the first hang-up does not get through at once, the second does."""
    provider = stage.provider
    provider.fail("hang_up", "unavailable")
    provider.ring(STRANGER, stays=True)
    await stage.quiet(0.1)
    provider.ring(STRANGER, stays=True)
    await stage.later(5.0)


async def two_lines(stage: Stage) -> None:
    """One person calls us on two lines, hangs up on the first, and goes on talking on the second."""
    provider = stage.provider
    first = provider.ring(FRIEND)
    await stage.quiet()
    second = await stage.picked_up(FRIEND)
    provider.leave(first)
    await stage.quiet()
    provider.say(second, "this is the better line")
    await stage.quiet()
    provider.leave(second)
    await stage.quiet()


async def reset_in_a_hurry(stage: Stage) -> None:
    """A session is begun anew right after something was said, in a call of which it holds a line already."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.say(call, "this is over")
    await stage.later(3.0)
    provider.say(call, "this may be over or not")
    await stage.quiet()
    await stage.client.reset_session("reset-1", FRIENDS_SESSION)
    await stage.later(3.0)
    provider.say(call, "this is new")
    await stage.later(3.0)
    provider.leave(call)
    await stage.quiet()


async def named_too_late(stage: Stage) -> None:
    """The provider calls a call by another id, and its report of that is held up until the cap has ended the call."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    provider.rename(call)
    provider.delay(MAX_DURATION_S + 5.0)
    await stage.later(MAX_DURATION_S + 10.0)
