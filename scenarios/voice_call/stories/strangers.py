"""Requests and callers that must be turned away."""

import asyncio
from typing import Final

import msgspec

from scenarios.voice_call.asgi import Pace
from scenarios.voice_call.deliveries import SIGNATURE, WEBHOOK_PATH, signature
from scenarios.voice_call.stage import BODY_LIMIT, FRIEND, STRANGER, Stage
from scenarios.voice_call.terms import PROMPTLY_S

LOOK_ALIKES: Final = {
    "path-case": "/VOICE/WebHook",
    "path-slashes-behind": WEBHOOK_PATH + "///",
    "path-slashes-before": "/" + WEBHOOK_PATH,
    "path-slashes-within": WEBHOOK_PATH.replace("/", "//"),
    "path-dots": "/voice/x/../webhook",
    "path-dot": "/voice/./webhook",
    "path-encoded": "/voice/%77ebhook",
    "path-encoded-slash": WEBHOOK_PATH + "%2F",
    "path-parameter": WEBHOOK_PATH + ";x=1",
    "path-blank": WEBHOOK_PATH + "%20",
    "path-prefixed": "/x" + WEBHOOK_PATH,
    "path-short": "/voice",
    "path-root": "/",
}
"""Paths that some server would take for the webhook's; ours is that path, and may have one slash at its end."""

PLACES: Final = 8
"""How many requests from one address are served at a time."""

BODY_TIMEOUT_S: Final = 5.0
_SLOWLY: Final = Pace(pieces=12, pause_s=1.0)
"""Never long without a piece, and the last one long after the time for a whole body is over."""


async def hostile(stage: Stage) -> None:
    """Requests that must be refused, around a call of somebody who may."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    body, genuine = _forged()
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


async def look_alikes(stage: Stage) -> None:
    """Requests to paths that resemble the webhook's."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    body, headers = _forged()
    for name, path in LOOK_ALIKES.items():
        await provider.knock(name, path, body, headers)
    provider.leave(call)
    await stage.quiet()


async def slow_body(stage: Stage) -> None:
    """Somebody sends a request piece by piece, each of them soon after the last, and comes to no end."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    body, headers = _forged()
    began = stage.run.now()
    await provider.knock("slow-body", WEBHOOK_PATH, body, headers, pace=_SLOWLY)
    took = stage.run.now() - began
    stage.expect(took < BODY_TIMEOUT_S + PROMPTLY_S, f"somebody waited {took:.0f} s for a body")
    provider.say(call, "quick as ever")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


async def crowd(stage: Stage) -> None:
    """From one address come more requests at once than are served; when they are over there is room again."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    body, headers = _forged()
    names = [f"crowd-{number}" for number in range(1, PLACES + 1)]
    served = [provider.knock(name, WEBHOOK_PATH, body, headers, pace=_SLOWLY) for name in names]
    crowding = asyncio.gather(*served)
    await asyncio.sleep(0.5)
    await provider.knock("one-too-many", WEBHOOK_PATH, body, headers, pace=_SLOWLY)
    await crowding
    provider.say(call, "it is quiet again")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


def _forged() -> tuple[bytes, dict[str, str]]:
    """A request that would be taken if it came at the right place and in time: its body and its headers."""
    event = {"id": "forged-1", "type": "call.ringing", "callId": "forged", "direction": "inbound", "from": FRIEND}
    body = msgspec.json.encode({"event": event | {"providerCallId": "forged", "timestamp": 1}})
    return body, {SIGNATURE: signature(body), "content-type": "application/json"}


HOSTILE_STATUS: Final = {
    "path": 404,
    "path-below": 404,
    "method": 405,
    "size": 413,
    "signature": 401,
    "no-signature": 401,
    "no-json": 400,
    **dict.fromkeys(LOOK_ALIKES, 404),
    **{
        f"half-{field}": 400
        for field in ("id", "type", "callId", "providerCallId", "clientKey", "turnToken", "dedupeKey")
    },
    "no-object": 400,
    "odd-time": 400,
    "slow-body": 408,
    **{f"crowd-{number}": 408 for number in range(1, PLACES + 1)},
    "one-too-many": 503,
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
