"""Calls and events that go by more names than one, or by names that cannot be written."""

from typing import Any, Final

import msgspec

from scenarios.voice_call.deliveries import SIGNATURE, WEBHOOK_PATH, signature
from scenarios.voice_call.stage import FAR_AWAY, FRIEND, OTHER_FRIEND, Stage

_HALF: Final = b"\\ud83d"
"""Half of a character, as JSON may write it: no bytes can be made of it."""


async def by_its_leg(stage: Stage) -> None:
    """A provider calls a call and its leg by two names from the first event on; later it says only one of them."""
    provider = stage.provider
    call = provider.ring(FRIEND, heard=False, stays=True)
    provider.tell(call, "call.ringing", callId="leg-1")
    await stage.quiet()
    provider.press(call, "1")
    provider.tell(call, "call.dtmf", without=("providerCallId",), callId="leg-1", digits="2")
    await stage.quiet()
    await stage.restart()
    provider.tell(call, "call.dtmf", without=("providerCallId",), callId="leg-1", digits="3")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()
    provider.tell(call, "call.dtmf", without=("providerCallId",), digits="4")
    await stage.quiet()


async def by_another_leg(stage: Stage) -> None:
    """An event about a call of ours names a leg that nobody has heard of, and the call itself, but not our key."""
    provider, client = stage.provider, stage.client
    name = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.later(2.0)
    provider.keep_keys_to_itself()
    provider.tell("out-1", "call.dtmf", callId="leg-9", digits="1")
    await stage.quiet()
    await stage.restart()
    provider.tell("out-1", "call.dtmf", callId="leg-9", digits="2")
    await stage.quiet()
    if name is not None:
        await stage.client.end("end-1", name)
    await stage.quiet()


async def after_the_end(stage: Stage) -> None:
    """An event that claims a call which is over under the name of one that goes on: neither gets the other's name."""
    provider = stage.provider
    over, other = provider.ring(FRIEND), provider.ring(OTHER_FRIEND)
    await stage.quiet()
    provider.leave(over)
    await stage.quiet()
    provider.tell(over, "call.dtmf", digits="1", providerCallId=other)
    await stage.quiet()
    provider.say(other, "this is my line")
    await stage.quiet()
    provider.leave(other)
    await stage.quiet()


async def unwritable_names(stage: Stage) -> None:
    """Requests that cannot be read although they are signed are refused for good; strange names that can be, are not."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    good = {"id": "strange-1", "type": "call.dtmf", "callId": call, "providerCallId": call, "timestamp": 1}
    for field in ("id", "type", "callId", "providerCallId", "clientKey", "turnToken", "dedupeKey"):
        await _knock(
            stage, f"half-{field}", good | {"type": "call.speech", "isFinal": True, "transcript": "forged", field: "@"}
        )
    await _knock(stage, "no-object", "a text")
    await _knock(stage, "odd-time", good | {"timestamp": "yesterday"})
    provider.tell(call, "call.silence", without=("callId", "providerCallId"), durationMs=900)
    provider.tell(call, "call.dtmf", id="größer-als-1", digits="1")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


async def _knock(stage: Stage, name: str, event: Any) -> None:
    body = msgspec.json.encode({"event": event}).replace(b'"@"', b'"' + _HALF + b'"')
    await stage.provider.knock(name, WEBHOOK_PATH, body, {SIGNATURE: signature(body)})
