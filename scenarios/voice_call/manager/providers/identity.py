"""An id for an event whose provider gives it none: from the authenticated content of its request.

A redelivery repeats the request, so it has the same id. What must differ does, because every signed field counts:
the status, its sequence number, the words, and the turn token that our callback URL carries in its query (two times
"yes" in two turns are two events). What differs between deliveries of one thing is left out: header fields are not
signed (`I-Twilio-Idempotency-Token` among them), and the two fields that tell a fallback URL why it was asked.
"""

import hashlib
from collections.abc import Collection

import msgspec

from scenarios.voice_call.manager.providers.forms import Params


def content_id(provider: str, kind: str, query: str, params: Params, *, leave_out: Collection[str] = ()) -> str:
    """The id of the event of this kind in a request; several events of one request differ by their kind."""
    counted = sorted(pair for pair in params if pair[0] not in leave_out)
    whole = msgspec.json.encode([kind, query, counted])
    return f"{provider}:{hashlib.sha256(whole).hexdigest()[:40]}"


def body_id(provider: str, body: bytes) -> str:
    """The id of the one event of a body."""
    return f"{provider}:{hashlib.sha256(body).hexdigest()[:40]}"
