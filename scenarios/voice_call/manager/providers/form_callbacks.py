"""Callbacks that come as forms, in the words Twilio and Plivo share: what one tells, and the URL the next one comes to.

Neither provider repeats anything of ours but the URL it was given, so that one carries the client key, what has
happened before, and the turn token. Neither can be asked for a call by its key: it is known once its dial was answered
or a callback has carried it. Not here: signatures, the fields of one provider only, commands.
"""

from typing import Any

from scenarios.voice_call.manager.provider_client import DialResult, ProviderUnavailable
from scenarios.voice_call.manager.providers.commands import KnownKeys, Reply
from scenarios.voice_call.manager.providers.forms import CLIENT_KEY, TURN_TOKEN, Params, field, with_marks
from scenarios.voice_call.manager.providers.frames import words
from scenarios.voice_call.manager.providers.markup import element, text
from scenarios.voice_call.manager.providers.statuses import direction, end_of, happening

AFTER = "after"
"""The mark that says after what a request is made: the next one must be another one, or its event has the same id."""


class FormCallbacks:
    """The callbacks of one provider account to a URL. `speech`, `confidence`: its names for what a caller said."""

    def __init__(self, provider: str, url: str, *, speech: str, confidence: str) -> None:
        self.provider = provider
        self.url = url
        self._speech = speech
        self._confidence = confidence
        self._keys = KnownKeys()

    # --- what one tells ------------------------------------------------------------------------------------------

    def call(self, params: Params, query: Params, name: str) -> dict[str, Any]:
        """Which call it is about, the fields of each of its events. Raises ValueError where the field is missing."""
        call, key = field(params, name), field(query, CLIENT_KEY)
        if call is None:
            raise ValueError(f"the body names no {name}")
        self._keys.learn(key, call)
        return {
            "providerCallId": call,
            "direction": direction(field(params, "Direction")),
            "from": field(params, "From"),
            "to": field(params, "To"),
            "clientKey": key,
        }

    def told(self, params: Params, query: Params) -> list[dict[str, Any]]:
        """What was said and pressed; what the status says, where that is all or an end."""
        told: list[dict[str, Any]] = []
        speech, digits, status = (field(params, name) for name in (self._speech, "Digits", "CallStatus"))
        if speech is not None:
            heard = {"transcript": speech, "isFinal": True, "confidence": field(params, self._confidence)}
            told.append({"type": "call.speech", "turnToken": field(query, TURN_TOKEN)} | heard)
        if digits is not None:
            told.append({"type": "call.dtmf", "digits": digits})
        towards = direction(field(params, "Direction"))
        if status is not None and (not told or end_of(status, towards) is not None):
            what = happening(self.provider, status, towards)
            told.append({"type": what.type, "reason": what.reason})
        return told

    # --- where the next one comes to -----------------------------------------------------------------------------

    def marked_url(self, key: str | None, after: str | None = None, turn_token: str | None = None) -> str:
        """The URL with these marks."""
        marks = {CLIENT_KEY: key, AFTER: after, TURN_TOKEN: turn_token}
        return with_marks(self.url, {name: value for name, value in marks.items() if value})

    def asks_again(self, key: str | None, after: str | None) -> str:
        """Markup behind which the provider asks how to go on."""
        return element("Redirect", {"method": "POST"}, text(self.marked_url(key, after)))

    # --- keys ----------------------------------------------------------------------------------------------------

    def dialled(self, key: str, reply: Reply, name: str) -> DialResult:
        """The call made under a key: the answer to the dial has its id in a field. Raises ProviderUnavailable."""
        call = words(reply.document(), name)
        if call is None:
            raise ProviderUnavailable(f"{self.provider}: the call was made, and the answer does not name it")
        self._keys.learn(key, call)
        return DialResult(call)

    def call_under(self, key: str) -> str:
        """The call whose dial or callback has carried the key. Raises ProviderUnavailable: that there is none is never
        certain.
        """
        known = self._keys.get(key)
        if known is None:
            why = "no callback has carried this key yet, and a key cannot be looked up"
            raise ProviderUnavailable(f"{self.provider}: {why}")
        return known


def is_over(params: Params) -> bool:
    """Whether the status is an end."""
    return end_of(field(params, "CallStatus") or "", None) is not None


def is_picked_up(params: Params) -> bool:
    """Whether the call is up. While it rings it is picked up first, so that its answer is told, and only then
    streamed: a stream would pick it up as well, and nobody would say so.
    """
    return field(params, "CallStatus") == "in-progress"
