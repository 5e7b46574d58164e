"""Calls that are heard over media streams: answered by an assistant, cut off, moved, silent, and listened to by others."""

from scenarios.voice_call.remote_media import Mood
from scenarios.voice_call.stage import FRIEND, OTHER_FRIEND, Stage
from scenarios.voice_call.terms import MEDIA_INACTIVITY_S, REPLY_TIMEOUT_S, STREAM_GRACE_S


async def stream(stage: Stage) -> None:
    """Somebody whose ringing was never told is heard and answered; then the stream ends, and none comes after it."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    provider.lose()
    provider.pick_up(call)
    await stage.quiet()
    provider.say(call, "hello")
    await stage.quiet()
    provider.drop_stream(call)
    await stage.later(STREAM_GRACE_S + 1.0)


async def reconnect(stage: Stage) -> None:
    """The stream is moved, broken by a restart, and regained within its grace; the answers are slow, or none."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND)
    provider.media.moods += [Mood("slow", 1, 3.0)]
    provider.say(call, "think about this")
    await stage.quiet()
    provider.say(call, "forget it")
    await stage.later(1.0)
    provider.reconnect(call)
    provider.lose_answers(1)
    await stage.later(5.0)
    provider.media.moods += [Mood("fails"), Mood("says-nothing"), Mood("slow", 1, REPLY_TIMEOUT_S + 1.0)]
    for text in ("does it work?", "say nothing", "take your time"):
        provider.say(call, text)
        await stage.quiet()
    await stage.later(REPLY_TIMEOUT_S + 1.0)
    provider.media.moods += [Mood("slow", 1, 3.0)]
    provider.say(call, "what was that?")
    await stage.quiet()
    await stage.restart()
    await stage.later(4.0)
    provider.say(call, "you are back")
    await stage.quiet()
    provider.drop_stream(call)
    provider.reconnect(call)
    await stage.later(STREAM_GRACE_S + 1.0)
    provider.say(call, "so am I")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


async def silent(stage: Stage) -> None:
    """A connection breaks and nobody is told: the silence is noticed, and the call hung up."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    provider.pick_up(call)
    await stage.quiet()
    await stage.later(15.0)
    provider.silence_stream(call)
    provider.say(call, "can you hear me?")
    await stage.later(MEDIA_INACTIVITY_S + STREAM_GRACE_S + 2.0)


async def stranger(stage: Stage) -> None:
    """Others try to listen and to talk: with a guess, a used token, that of another call, and after the end."""
    provider = stage.provider
    call, other = provider.ring(FRIEND), provider.ring(OTHER_FRIEND)
    provider.pick_up(call)
    provider.pick_up(other)
    await stage.quiet()
    used = [stream.token for stream in provider.media.of(call)] or ["none"]
    await provider.knock_stream("stream-guess", call, "guess")
    await provider.knock_stream("stream-no-token", call, "")
    await provider.knock_stream("stream-used", call, used[0])
    await provider.knock_stream("stream-other-call", other, used[0])
    await provider.knock_stream("stream-unknown-call", "in-9", used[0])
    await provider.knock_stream("stream-path", call, used[0], path="/voice/streams")
    provider.say(call, "it was me")
    await stage.quiet()
    provider.leave(other)
    await stage.quiet()
    await provider.knock_stream("stream-after-the-end", other, used[0])
    provider.leave(call)
    await stage.quiet()


async def renamed(stage: Stage) -> None:
    """The provider calls a call by another id, in the middle of it; the manager is started anew after that."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    provider.say(call, "before")
    await stage.quiet()
    provider.rename(call)
    await stage.quiet()
    provider.say(call, "after")
    provider.duplicate(f"{call}-1")
    await stage.quiet()
    await stage.restart()
    provider.say(call, "much later")
    await stage.quiet(5.0)
    provider.leave(call)
    await stage.quiet()
