"""Orderly stops in the middle of things: what was being played, dialled or waited for, and what the next manager makes of it."""

import asyncio
from typing import Final

from scenarios.voice_call.log_lines import log_of, read_lines
from scenarios.voice_call.remote_media import Mood
from scenarios.voice_call.stage import FAR_AWAY, FRIEND, Stage
from scenarios.voice_call.terms import GREETING, PROMPTLY_S, RING_S, UNANSWERED_S

SLOWLY_S: Final = 10.0
"""Longer than a manager that is being stopped waits for what is under way."""


async def while_speaking(stage: Stage) -> None:
    """We say something, and are stopped in the middle of it: the call listens, and whoever starts again writes it once."""
    provider, client = stage.provider, stage.client
    call = await stage.picked_up(FRIEND, stays=True)
    known = (stage.shown(call) or {}).get("callId", "")
    provider.fail("play", "slow", delay_s=SLOWLY_S)
    speaking = asyncio.create_task(client.speak("speak-1", known, "one moment please"))
    await asyncio.sleep(0.5)
    await stage.restart()
    await speaking
    stage.client.look(known)
    stage.expect(stage.state(call) == "listening", f"nobody speaks any more, and the call is {stage.state(call)}")
    await _writes_nothing_more(stage)
    provider.tell(call, "call.speaking", text="what somebody else plays")
    await stage.quiet()
    await stage.restart()
    stage.expect(stage.state(call) == "speaking", f"somebody else speaks in the call, and it is {stage.state(call)}")
    await stage.client.speak("speak-2", known, "here we are again")
    stage.expect(stage.state(call) == "listening", f"what was said is over, and the call is {stage.state(call)}")


async def with_nothing_to_do(stage: Stage) -> None:
    """All requests have been answered: whoever is stopped now has nothing to wait for, the second time either."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    provider.say(call, "hello")
    provider.say(call, "is anybody there")
    await stage.quiet()
    for _ in range(2):
        began = stage.run.now()
        await stage.restart()
        took = stage.run.now() - began
        stage.expect(took < PROMPTLY_S, f"nothing was under way, and the stop took {took:g} s")
        provider.say(call, "hello again")
        await stage.quiet()
    provider.leave(call)
    await stage.quiet()


async def while_greeting(stage: Stage) -> None:
    """A greeting and a message are being played when the manager is stopped: they are interrupted, and not begun anew."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    provider.fail("play", "slow", times=2, delay_s=SLOWLY_S)
    await stage.quiet()
    provider.pick_up(call)
    await stage.client.initiate("notify-1", FAR_AWAY, message="your parcel is here")
    await stage.later(1.0)
    await stage.restart()
    for one in (call, "out-1"):
        greeting = (stage.shown(one) or {}).get("greeting")
        stage.expect(greeting == "interrupted", f"the greeting of {one} was broken off, and is {greeting}")
    stage.expect(stage.state(call) == "listening", f"nobody speaks any more, and the call is {stage.state(call)}")
    await _writes_nothing_more(stage)
    await stage.later(6.0)
    stage.expect(not stage.live("out-1"), "a notification that was broken off is not hung up")
    stage.expect(stage.live(call), "a conversation whose greeting was broken off is over")


async def greeting_again(stage: Stage) -> None:
    """The house repeats a greeting that was broken off, where nobody can have heard it."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    provider.fail("play", "late", delay_s=SLOWLY_S)
    await stage.quiet()
    provider.pick_up(call)
    await stage.later(1.0)
    await stage.restart()
    await stage.later(2.0)
    greeting = (stage.shown(call) or {}).get("greeting")
    played = [one.text for one in provider.remote(call).played]
    stage.expect(greeting == "done", f"a greeting that is to be repeated is {greeting}")
    stage.expect(played == [GREETING], f"what was played is {played}")


async def while_replying(stage: Stage) -> None:
    """The answer of the assistant is being played when the manager is stopped: it is broken off."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    await stage.quiet()
    provider.media.moods += [Mood("slow", 1, 0.2)]
    provider.fail("play", "slow", delay_s=SLOWLY_S)
    provider.say(call, "what do you think?")
    await stage.later(1.0)
    await stage.restart()
    reply = (stage.shown(call) or {}).get("reply") or {}
    stage.expect(reply.get("phase") == "interrupted", f"an answer that was broken off is {reply.get('phase')}")
    stage.expect(reply.get("heard") == "what do you think?", f"what was answered is {reply.get('heard')!r}")
    provider.leave(call)
    await stage.quiet()


async def found_unverified(stage: Stage) -> None:
    """The answer to a dial was lost; the next manager finds the call, and cannot ask how it is: it is known by its name."""
    provider, client = stage.provider, stage.client
    provider.keep_keys_to_itself()
    provider.fail("dial", "unanswered")
    provider.fail("find_by_key", "unavailable", times=2)
    name = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    provider.lose()
    await stage.restart()
    one = stage.manager.status(name or "") or {}
    stage.expect(bool(one.get("live")), "a dial of which nobody knows anything is given up")
    provider.fail("find_by_key", "unavailable", times=1)
    provider.fail("status", "unavailable", times=1)
    await stage.restart()
    await stage.restart()
    one = stage.manager.status(name or "") or {}
    stage.expect(one.get("providerCallId") == "out-1", f"a call that was found is called {one.get('providerCallId')}")
    await stage.later(1.0)
    if name is not None:
        await stage.client.speak("speak-1", name, "there you are")
        await stage.client.end("end-1", name)


async def gone_while_away(stage: Stage) -> None:
    """The answer to a dial is lost, and the person hangs up while nobody is there: the next manager knows both."""
    provider, client = stage.provider, stage.client
    provider.fail("dial", "unanswered")
    provider.fail("find_by_key", "unavailable")
    name = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    provider.lose()
    provider.plan("out-1", "leave", 1.0, "busy")
    await stage.absence(5.0)
    one = stage.manager.status(name or "") or {}
    stage.expect(one.get("endReason") == "busy", f"a call that ended as busy is {one.get('endReason')}")
    stage.expect(one.get("providerCallId") == "out-1", f"a call that was found is called {one.get('providerCallId')}")


async def rung_out_while_away(stage: Stage) -> None:
    """Nobody picks up while the manager is away, for longer than we let it ring and not for much longer."""
    await stage.client.initiate("ring-1", FAR_AWAY, message="nobody hears this")
    await stage.quiet()
    await stage.absence((RING_S + UNANSWERED_S) / 2)
    stage.expect(stage.state("out-1") == "no-answer", f"a call that has rung out is {stage.state('out-1')}")


async def _writes_nothing_more(stage: Stage) -> None:
    """A restart after a restart finds nothing to do."""
    path = log_of(stage.manager.config.store_dir)
    before = read_lines(path)
    await stage.restart()
    stage.expect(read_lines(path) == before, "a second restart writes again what the first has written")
