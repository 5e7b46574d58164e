"""Callers whose words are kept in a session of their own, beside their calls."""

from typing import Final

from scenarios.voice_call.stage import FRIEND, Stage

FRIENDS_SESSION: Final = f"voice:{FRIEND.lstrip('+')}"


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
