"""Requests and callers that must be turned away."""

from typing import Final

import msgspec

from scenarios.voice_call.deliveries import SIGNATURE, WEBHOOK_PATH, signature
from scenarios.voice_call.stage import BODY_LIMIT, FRIEND, STRANGER, Stage


async def hostile(stage: Stage) -> None:
    """Requests that must be refused, around a call of somebody who may."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    forged = {"id": "forged-1", "type": "call.ringing", "callId": "forged", "direction": "inbound", "from": FRIEND}
    body = msgspec.json.encode({"event": forged | {"providerCallId": "forged", "timestamp": 1}})
    genuine = {SIGNATURE: signature(body), "content-type": "application/json"}
    end = msgspec.json.encode(
        {"event": {"id": "forged-2", "type": "call.ended", "callId": call, "providerCallId": call, "reason": "error"}}
    )
    large = body[:-1] + b" " * BODY_LIMIT + b"}"
    await provider.knock("path", WEBHOOK_PATH + "s", body, genuine)
    await provider.knock("path-below", WEBHOOK_PATH + "/x", body, genuine)
    await provider.knock("method", WEBHOOK_PATH, body, genuine, method="PUT")
    await provider.knock("size", WEBHOOK_PATH, large, {SIGNATURE: signature(large)})
    await provider.knock("signature", WEBHOOK_PATH, body, {SIGNATURE: signature(b"other")})
    await provider.knock("no-signature", WEBHOOK_PATH, end, {})
    await provider.knock("no-json", WEBHOOK_PATH, b"{", {SIGNATURE: signature(b"{")})
    provider.say(call, "it was me")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


HOSTILE_STATUS: Final = {
    "path": 404,
    "path-below": 404,
    "method": 405,
    "size": 413,
    "signature": 401,
    "no-signature": 401,
    "no-json": 400,
    "stream-guess": 1008,
    "stream-no-token": 1008,
    "stream-used": 1008,
    "stream-other-call": 1008,
    "stream-unknown-call": 1008,
    "stream-after-the-end": 1008,
}
"""What each hostile request, or start of a stream, must be answered (catalogue 8.8, 8.9)."""


async def stranger(stage: Stage) -> None:
    """A caller whom the policy rejects; the first hang-up does not get through, and the provider repeats itself."""
    provider = stage.provider
    provider.fail("hang_up", "unavailable")
    call = provider.ring(STRANGER, stays=True)
    await stage.quiet()
    provider.duplicate(f"{call}-1")
    await stage.later(2.0)
    provider.duplicate(f"{call}-1")
    await stage.quiet()
