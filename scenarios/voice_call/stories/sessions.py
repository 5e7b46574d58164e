"""Callers whose words are kept in a session of their own, beside their calls."""

from typing import Final

from scenarios.voice_call.stage import FRIEND, Stage

FRIENDS_SESSION: Final = f"voice:{FRIEND.lstrip('+')}"


async def heard_and_kept(stage: Stage) -> None:
    """Somebody calls twice and is heard over streams; between the two their session begins anew, under a new manager."""
    provider = stage.provider
    for number in (1, 2):
        call = provider.ring(FRIEND)
        provider.pick_up(call)
        await stage.quiet()
        provider.say(call, f"this is my call number {number}")
        await stage.quiet()
        provider.leave(call)
        await stage.quiet()
        if number == 1:
            await stage.client.reset_session("reset-1", FRIENDS_SESSION)
            await stage.restart()


async def sessions(stage: Stage) -> None:
    """Somebody whose ringing was never told says something, the session is begun anew, and something more is said."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    provider.lose()
    provider.say(call, "old")
    await stage.quiet()
    await stage.client.reset_session("reset-1", FRIENDS_SESSION)
    provider.say(call, "new")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()
