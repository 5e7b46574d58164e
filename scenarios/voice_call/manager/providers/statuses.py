"""The statuses that Twilio and Plivo share, as events and end reasons of catalogue 8.2 and 8.3.

A status nobody knows is not an end: it becomes an event of a kind of its own, which the rules keep, tell in the log,
and let change nothing. Look-ups go through `get` on plain dicts of lower-case words, so that no default and no
inherited name stands in for a status.
"""

import re

import msgspec

from scenarios.voice_call.manager.provider_client import CallStatus, StatusAnswer

_STATES = {
    "queued": "call.initiated",
    "initiated": "call.initiated",
    "ringing": "call.ringing",
    "in-progress": "call.answered",
}
_ENDS = {
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no-answer",
    "failed": "failed",
    # Plivo: connecting took too long, at a carrier or in its own network.
    "timeout": "failed",
}
_CANCELLED = ("canceled", "cancelled", "cancel")
_UNFIT = re.compile(r"[^a-z0-9-]+")


class Happening(msgspec.Struct, frozen=True):
    """The kind of an event, and the reason when it is an end."""

    type: str
    reason: str | None = None


def direction(word: str | None) -> str | None:
    """`inbound` or `outbound` for any of a provider's words (`outbound-api`, `outbound-dial`, …); else None."""
    if word is None:
        return None
    first = word.lower().partition("-")[0]
    return first if first in ("inbound", "outbound") else None


def end_of(status: str, towards: str | None) -> str | None:
    """The end reason of a status; None when it is no end. Who cancels a ringing call is the one who made it."""
    word = status.lower()
    if word in _CANCELLED:
        return "hangup-user" if towards == "inbound" else "hangup-bot"
    return _ENDS.get(word)


def happening(provider: str, status: str, towards: str | None) -> Happening:
    """What a status says."""
    reason = end_of(status, towards)
    if reason is not None:
        return Happening("call.ended", reason)
    known = _STATES.get(status.lower())
    return Happening(known or f"{provider}.{_UNFIT.sub('-', status.lower())[:40]}")


def answer_of(status: str, towards: str | None) -> StatusAnswer:
    """A status as the answer to the question what became of a call."""
    reason = end_of(status, towards)
    if reason is not None:
        return StatusAnswer(CallStatus.ENDED, reason)
    return StatusAnswer(CallStatus.IN_PROGRESS if status.lower() in _STATES else CallStatus.UNKNOWN)
