"""Calls of ours in which something does not go as it should: greetings, questions and dials, and the disk under them."""

import asyncio
import os

from scenarios.voice_call.remote_media import Mood
from scenarios.voice_call.stage import FAR_AWAY, FRIEND, OTHER_FRIEND, Stage
from scenarios.voice_call.stories.damage import take_all_room
from scenarios.voice_call.terms import RING_S


async def greeted_conversation(stage: Stage) -> None:
    """We begin with a message, and listen to what is said to it; a message that cannot be played ends nothing."""
    provider, client = stage.provider, stage.client
    name = await client.initiate("talk-1", FAR_AWAY, message="it is me", mode="conversation")
    await stage.later(2.0)
    stage.expect(provider.remote("out-1").turn_token is not None, "nobody listens to what is said to our message")
    stage.expect(stage.state("out-1") == "listening", f"our message was heard, and the call is {stage.state('out-1')}")
    provider.say("out-1", "hello you")
    await stage.quiet()
    if name is not None:
        await client.end("end-1", name)
    await stage.quiet()
    for number, command in ((2, "listen"), (3, "play")):
        provider.fail(command, "unavailable")
        name = await client.initiate(f"talk-{number}", FAR_AWAY, message=f"me again, {number}", mode="conversation")
        await stage.later(2.0)
        greeting = (stage.shown(f"out-{number}") or {}).get("greeting")
        wanted = "failed" if command == "play" else "done"
        stage.expect(greeting == wanted, f"the provider did not {command}, and the greeting is {greeting}")
        stage.expect(stage.live(f"out-{number}"), f"the provider did not {command}, and the call is over")
        if name is not None:
            await client.end(f"end-{number}", name)
        await stage.quiet()
    provider.fail("play", "unavailable")
    await client.initiate("notify-1", OTHER_FRIEND, message="your parcel is here")
    await stage.later(8.0)
    stage.expect(not stage.live("out-4"), "a message that could not be played keeps the line")


async def asked_while_greeting(stage: Stage) -> None:
    """A question is asked while our message is being played: then that is what we listen for. Another call ends meanwhile."""
    provider, client = stage.provider, stage.client
    provider.fail("play", "slow", delay_s=3.0)
    name = await client.initiate("talk-1", FAR_AWAY, message="it is me", mode="conversation")
    await stage.later(1.5)
    if name is None:
        return
    asked = asyncio.create_task(client.continue_call("ask-1", name, "who are you?"))
    await stage.later(0.5)
    token = provider.remote("out-1").turn_token
    await stage.later(2.0)
    stage.expect(provider.remote("out-1").turn_token == token, "who was asked is listened to for something else")
    provider.say("out-1", "Ada")
    await stage.quiet()
    stage.expect(asked.done() and await asked == "Ada", "the answer to a question does not reach who asked")
    await client.end("end-1", name)
    await stage.quiet()
    provider.fail("play", "slow", delay_s=3.0)
    await client.initiate("talk-2", FAR_AWAY, message="me again", mode="notify")
    await stage.later(1.5)
    provider.leave("out-2")
    await stage.later(5.0)
    stage.expect(stage.state("out-2") == "hangup-user", f"who hung up is shown as {stage.state('out-2')}")


async def lost_questions(stage: Stage) -> None:
    """Somebody hangs up while a question is played; the provider goes on listening when it was told not to."""
    provider, client = stage.provider, stage.client
    name = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.later(2.0)
    if name is None:
        return
    provider.fail("stop_listening", "unavailable")
    asked = asyncio.create_task(client.continue_call("ask-1", name, "who are you?"))
    await stage.later(0.5)
    provider.say("out-1", "Ada")
    await stage.quiet()
    stage.expect(asked.done() and await asked == "Ada", "an answer is lost because the provider goes on listening")
    provider.fail("play", "slow", delay_s=3.0)
    asked = asyncio.create_task(client.continue_call("ask-3", name, "how are you?"))
    await stage.later(1.0)
    turn = (stage.shown("out-1") or {}).get("turn") or {}
    provider.say("out-1", "quite well", turn_token=turn.get("token"))
    await stage.later(3.0)
    stage.expect(asked.done() and await asked == "quite well", "who answers before the question is over is not heard")
    provider.fail("play", "slow", delay_s=3.0)
    asked = asyncio.create_task(client.continue_call("ask-2", name, "and your age?"))
    await stage.later(1.0)
    provider.leave("out-1")
    await stage.later(4.0)
    stage.expect(asked.done(), "who asks is left waiting by a call that is over")
    await asked
    answer = provider.outer.requests["ask-2"].answer
    stage.expect(answer == "ended", f"the call has ended while somebody asked, and they are told {answer}")


async def asked_on_a_bad_disk(stage: Stage) -> None:
    """The disk refuses one of the records of a question; the next question is asked and answered."""
    provider, client = stage.provider, stage.client
    name = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.later(2.0)
    if name is None:
        return
    first = asyncio.create_task(client.continue_call("ask-1", name, "who are you?"))
    await stage.later(1.0)
    provider.say("out-1", "Ada")
    await stage.later(4.0)
    await first
    turn = (stage.shown("out-1") or {}).get("turn") or {}
    stage.expect(turn.get("phase") not in ("asking", "listening"), f"a question is {turn.get('phase')} for ever")
    second = asyncio.create_task(client.continue_call("ask-2", name, "and your age?"))
    await stage.later(1.0)
    provider.say("out-1", "thirty-six")
    await stage.later(1.0)
    stage.expect(second.done() and await second == "thirty-six", "the disk works, and a question is not answered")
    await client.end("end-1", name)
    await stage.quiet()


async def stopped_on_a_full_disk(stage: Stage) -> None:
    """The manager is stopped while somebody waits for an answer, and nothing can be written: they are told all the same."""
    provider, client = stage.provider, stage.client
    name = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.later(2.0)
    if name is None:
        return
    asked = asyncio.create_task(client.continue_call("ask-1", name, "who are you?"))
    await stage.later(0.5)
    take_all_room(os.path.dirname(stage.manager.config.store_dir))
    provider.excuse()
    await stage.manager.stop()
    await stage.quiet(0.1)
    stage.expect(asked.done(), "who asks is left waiting by a manager that was stopped")
    answer = provider.outer.requests["ask-1"].answer
    stage.expect(answer == "interrupted", f"the manager was stopped, and who asks is told {answer}")
    await asked
    provider.connect(None)
    stage.run.lift_faults()
    stage.manager = await stage.reboot()
    await stage.later(2.0)


async def dialled_on_a_bad_disk(stage: Stage) -> None:
    """What came of a dial cannot be written at once: who asked is told that it is not known, and later what it is."""
    provider, client = stage.provider, stage.client
    await client.initiate("dial-1", FAR_AWAY, message="it is me")
    told = provider.outer.requests["dial-1"].outcome
    stage.expect(told == "failed", f"what came of a dial could not be written, and who asked is told that it is {told}")
    await stage.later(4.0)
    await client.initiate("dial-1", FAR_AWAY, message="it is me")
    told = provider.outer.requests["dial-1"].outcome
    wanted = "done" if "out-1" in provider.outer.calls else "refused"
    stage.expect(told == wanted, f"a dial that is {wanted} is told as {told}")
    await stage.later(6.0)


async def refused_on_a_bad_disk(stage: Stage) -> None:
    """The provider refuses a dial, and that cannot be written."""
    stage.provider.fail("dial", "refused")
    await dialled_on_a_bad_disk(stage)


async def unknown_on_a_bad_disk(stage: Stage) -> None:
    """Nobody knows what came of a dial, and not even that can be written."""
    stage.provider.fail("dial", "unanswered")
    await dialled_on_a_bad_disk(stage)


async def asked_twice(stage: Stage) -> None:
    """Nobody knows yet what came of a dial, and the client asks again: it is told just that, and nobody is dialled twice."""
    provider, client = stage.provider, stage.client
    provider.keep_keys_to_itself()
    provider.fail("dial", "unanswered")
    provider.fail("find_by_key", "unavailable", times=2)
    for _ in range(2):
        await client.initiate("dial-1", FAR_AWAY, mode="conversation")
        one = provider.outer.requests["dial-1"]
        stage.expect(one.answer == "unknown", f"nobody knows what came of a dial, and it is told as {one.answer}")
    await stage.later(12.0)
    await client.initiate("dial-1", FAR_AWAY, mode="conversation")
    one = provider.outer.requests["dial-1"]
    stage.expect(one.outcome == "done", f"a dial that was found is told as {one.outcome}")


async def told_while_asking(stage: Stage) -> None:
    """While the provider looks for a dial whose answer was lost, an event tells which call it is."""
    provider, client = stage.provider, stage.client
    provider.fail("dial", "unanswered")
    provider.fail("find_by_key", "slow", delay_s=3.0)
    provider.delay(1.0)
    name = await client.initiate("dial-1", FAR_AWAY, mode="conversation")
    await stage.later(6.0)
    stage.expect(stage.live("out-1"), "a call of which an event told is not there")
    if name is not None:
        await client.speak("speak-1", name, "there you are")


async def renamed_while_dialling(stage: Stage) -> None:
    """Before the provider answers a dial it has given the call another name: both are its names."""
    provider, client = stage.provider, stage.client
    provider.fail("dial", "slow", delay_s=2.0)
    dialling = asyncio.create_task(client.initiate("dial-1", FAR_AWAY, mode="conversation"))
    await asyncio.sleep(0.01)
    provider.lose()
    provider.rename("out-1")
    await asyncio.gather(dialling, provider.run_until_quiet(3.0))
    await stage.quiet()
    provider.keep_keys_to_itself()
    provider.tell("out-1", "call.dtmf", callId="out-1", providerCallId="out-1", digits="1")
    await stage.quiet()
    await stage.restart()
    provider.tell("out-1", "call.dtmf", callId="out-1", providerCallId="out-1", digits="2")
    await stage.quiet()
    provider.leave("out-1")
    await stage.quiet()


async def nameless_ring(stage: Stage) -> None:
    """Nobody knows what came of a dial until its ring time is over: it has failed here, and is hung up once it is found."""
    provider, client = stage.provider, stage.client
    provider.keep_keys_to_itself()
    provider.fail("dial", "unanswered")
    provider.fail("find_by_key", "unavailable", times=6)
    provider.fail("hang_up", "unavailable", times=3)
    name = await client.initiate("dial-1", FAR_AWAY, mode="conversation")
    await stage.later(RING_S + 2.0)
    one = stage.manager.status(name or "") or {}
    stage.expect(one.get("endReason") == "failed", f"a dial of which nobody knows anything is {one.get('endReason')}")
    for _ in range(130):
        await stage.later(2.0)
    stage.expect(not provider.live_calls(), "a call that was given up is still on the line")


async def wrong_mode(stage: Stage) -> None:
    """Somebody asks for a call of a kind that there is not: nobody is dialled, and who asked is told why."""
    try:
        await stage.manager.initiate(FAR_AWAY, "it is me", "shout")
    except ValueError:
        pass
    else:
        stage.expect(False, "a call of a kind that there is not was made")
    stage.expect(not stage.manager.history(), "a call of a kind that there is not is on record")
    call = await stage.picked_up(FRIEND)
    stage.provider.leave(call)
    await stage.quiet()


async def unreachable(stage: Stage) -> None:
    """The manager is set to a provider that cannot reach it, or has no number to call from: nobody is dialled."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    provider.configure(elsewhere=True)
    await stage.restart()
    used = stage.manager.view()["capacity"]["used"]
    await stage.client.initiate("dial-1", FAR_AWAY, mode="conversation")
    one = provider.outer.requests["dial-1"]
    stage.expect(one.outcome == "refused" and one.call is None, f"a call that cannot be made is {one.outcome}")
    stage.expect(stage.manager.view()["capacity"]["used"] == used, "a call that cannot be made takes a line")
    stage.expect(len(stage.manager.history()) == 1, "a call that cannot be made is on record")
    provider.configure(elsewhere=False)
    await stage.restart()
    provider.leave(call)
    await stage.quiet()


async def in_a_session(stage: Stage) -> None:
    """We call somebody where what is said is kept in sessions: it is the one in which their own calls are."""
    await stage.client.initiate("notify-1", FRIEND, message="your parcel is here")
    await stage.later(2.0)
    here = stage.provider.ring(FRIEND)
    await stage.later(2.0)
    keys = {(stage.shown(one) or {}).get("sessionKey") for one in ("out-1", here)}
    stage.expect(len(keys) == 1 and None not in keys, f"calls with one person are in the sessions {keys}")
    stage.provider.leave(here)
    await stage.later(6.0)
    await stage.client.initiate("talk-1", FRIEND, mode="conversation", session_key="another")
    await stage.later(2.0)
    key = (stage.shown("out-2") or {}).get("sessionKey")
    stage.expect(key == "another", f"a call is in the session {key!r}, and was asked for in another")


async def heard_for_long(stage: Stage) -> None:
    """A stream that shows signs of life is not given up, although nothing is said for longer than silence may last."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    first = [stream.token for stream in provider.media.of(call)] or ["none"]
    await stage.later(50.0)
    stage.expect(stage.live(call), "a call whose stream is there was ended for its silence")
    provider.say(call, "I was thinking")
    await stage.quiet()
    provider.reconnect(call)
    await stage.quiet()
    provider.duplicate(f"{call}-2")
    await provider.knock_stream("stream-used", call, first[0])
    await stage.quiet()
    provider.drop_stream(call)
    await stage.quiet(0.5)
    provider.duplicate(f"{call}-2")
    await stage.quiet(0.5)
    provider.reconnect(call)
    await stage.quiet()
    provider.media.moods += [Mood("slow", 1, 3.0)]
    provider.say(call, "what do you think of it?")
    await stage.quiet(0.5)
    provider.leave(call)
    await stage.quiet(0.5)
    provider.duplicate(f"{call}-2")
    await stage.quiet()


async def many_streams(stage: Stage) -> None:
    """A stream is moved again and again, and only a few events of the call are remembered."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND)
    for number in range(4):
        provider.reconnect(call)
        await stage.quiet()
        provider.tell(call, "call.silence", durationMs=number)
        await stage.quiet()
    provider.leave(call)
    await stage.quiet()


async def speaking_at_once(stage: Stage) -> None:
    """We say two things at the same time; the call speaks until the second is over."""
    provider, client = stage.provider, stage.client
    name = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.later(2.0)
    if name is None:
        return
    provider.fail("play", "slow", delay_s=2.0)
    first = asyncio.create_task(client.speak("speak-1", name, "one moment please"))
    await stage.later(1.0)
    provider.fail("play", "slow", delay_s=3.0)
    second = asyncio.create_task(client.speak("speak-2", name, "just one moment"))
    await stage.later(2.0)
    stage.expect(first.done() and not second.done(), "of two sentences the first takes longer")
    stage.expect(stage.state("out-1") == "speaking", f"something is being said, and the call is {stage.state('out-1')}")
    await stage.later(2.0)
    stage.expect(stage.state("out-1") == "listening", f"nobody speaks, and the call is {stage.state('out-1')}")
    await asyncio.gather(first, second)


async def said_and_there(stage: Stage) -> None:
    """What was said is on the disk although the disk refused it: it is written down once."""
    call = await stage.picked_up(FRIEND, stays=True)
    known = (stage.shown(call) or {}).get("callId", "")
    await stage.client.speak("speak-1", known, "one moment please")
    await stage.later(4.0)
    lines = [line["text"] for line in (stage.shown(call) or {}).get("transcript", ())]
    stage.expect(
        lines.count("one moment please") == 1, f"what was said once is written {lines.count('one moment please')} times"
    )
