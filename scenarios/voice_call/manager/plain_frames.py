"""The wire format of the mock provider's media streams and answers: one JSON object a frame.

From the provider: `{"event":"start","callId":ID,"token":T}`, `{"event":"media"}`, `{"event":"transcript","id":ID,
"text":…,"isFinal":true,"turnToken":…}`, `{"event":"stop"}`. To the provider: `{"event":"heard","id":ID}` once a
transcript is durable. The answer to a webhook request whose events want a stream:
`{"streams":[{"callId":ID,"eventId":ID,"url":…,"token":T}]}`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from scenarios.voice_call.manager.provider_client import StreamFrame, StreamGrant, WebAnswer

_KINDS = ("start", "media", "transcript", "stop")


def plain_answer(grants: Sequence[StreamGrant]) -> WebAnswer:
    """The grants as JSON; without any, "OK"."""
    if not grants:
        return WebAnswer()
    streams = [{"callId": g.provider_call_id, "eventId": g.event_id, "url": g.url, "token": g.token} for g in grants]
    return WebAnswer(msgspec.json.encode({"streams": streams}), "application/json")


def plain_heard(frame_id: str) -> str:
    """The acknowledgement of a transcript."""
    return msgspec.json.encode({"event": "heard", "id": frame_id}).decode()


def read_plain_frame(raw: str) -> StreamFrame:
    """A frame of the provider. Raises ValueError."""
    try:
        frame = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"a stream frame must be a JSON object: {error}") from None
    kind = frame.get("event")
    fields = {
        "kind": kind if kind in _KINDS else "other",
        "provider_call_id": frame.get("callId"),
        "token": frame.get("token"),
        "id": frame.get("id"),
        "text": frame.get("text", ""),
        "is_final": frame.get("isFinal", True),
        "turn_token": frame.get("turnToken"),
    }
    try:
        return msgspec.convert(fields, StreamFrame)
    except msgspec.ValidationError as error:
        raise ValueError(f"the stream frame {kind!r} cannot be read: {error}") from None
