"""Plivo: Voice webhooks, Plivo XML answers, the Call resource.

Sources: Plivo documentation, "Signature validation" (V3, and V2 which is deprecated), "XML request" (parameters and
call status values), "GetInput", "AudioStream", "Make a call", "Hang up a call".

Modelled: form bodies, signatures, statuses, speech and digits of <GetInput>, streams. Plivo has no event ids;
`identity.py` derives them. The callback URLs carry the client key and the turn token in their query. A dial answers a
request id; events name it beside the call's own id, so both lead to the record. Not modelled: conferences, machine
detection, times (Plivo writes them without a zone, so none is taken).

V2 is taken only from a request without any V3 header. It signs neither query nor body (`signatures.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from scenarios.voice_call.manager.provider_client import (
    CallStatus,
    DialResult,
    ProviderRequest,
    ProviderUnavailable,
    StatusAnswer,
    StreamFrame,
    StreamGrant,
    WebAnswer,
)
from scenarios.voice_call.manager.providers.commands import CommandLine, Fields, KnownKeys, Transport, segment
from scenarios.voice_call.manager.providers.forms import (
    CLIENT_KEY,
    TURN_TOKEN,
    Params,
    field,
    read_form,
    read_query,
    with_marks,
)
from scenarios.voice_call.manager.providers.frames import nothing_to_acknowledge, read_stream_frame, stream_url
from scenarios.voice_call.manager.providers.identity import content_id
from scenarios.voice_call.manager.providers.markup import answer, element, text
from scenarios.voice_call.manager.providers.signatures import among, plivo_v2_signature, plivo_v3_signature
from scenarios.voice_call.manager.providers.statuses import direction, end_of, happening

_V3 = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")
_V2 = ("x-plivo-signature-v2", "x-plivo-signature-ma-v2")
_V3_NONCE = "x-plivo-signature-v3-nonce"
_V2_NONCE = "x-plivo-signature-v2-nonce"
_AFTER = "after"
_LISTEN = "listen:"
_WAIT_S = 60
_LIVE = ("live", "queued")


class PlivoProvider:
    """One Plivo account. `callback_url` is where Plivo reaches the webhook, in public."""

    name = "plivo"

    def __init__(self, auth_token: str, callback_url: str, transport: Transport) -> None:
        self.callback_url = callback_url
        self._auth_token = auth_token
        self._line = CommandLine(self.name, transport)
        self._keys = KnownKeys()

    # --- webhook -------------------------------------------------------------------------------------------------

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        """Whether there is a signature with its nonce."""
        names, nonce = (_V3, _V3_NONCE) if self._has_v3(headers) else (_V2, _V2_NONCE)
        return bool(headers.get(nonce)) and any(headers.get(name) for name in names)

    def _has_v3(self, headers: Mapping[str, str]) -> bool:
        return any(name in headers for name in (*_V3, _V3_NONCE))

    def verify(self, request: ProviderRequest) -> bool:
        """Whether V3 holds; V2 is asked only when there is no V3."""
        headers = request.headers
        if not self.is_signed(headers):
            return False
        try:
            if self._has_v3(headers):
                params, nonce = read_form(request.body), headers[_V3_NONCE]
                expected = plivo_v3_signature(self._auth_token, request.url, params, nonce)
                return among(expected, (headers.get(name, "") for name in _V3))
            expected = plivo_v2_signature(self._auth_token, request.url, headers[_V2_NONCE])
            return among(expected, (headers.get(name, "") for name in _V2))
        except ValueError:
            return False

    def parse(self, request: ProviderRequest) -> list[dict[str, Any]]:
        """What was said, then what the status says. Raises ValueError for a request about no call."""
        params, query = read_form(request.body), read_query(request.query)
        call = field(params, "CallUUID")
        if call is None:
            raise ValueError("the body names no CallUUID")
        self._keys.learn(field(query, CLIENT_KEY), call)
        common = {
            "callId": field(params, "RequestUUID") or field(params, "ALegRequestUUID"),
            "providerCallId": call,
            "direction": direction(field(params, "Direction")),
            "from": field(params, "From"),
            "to": field(params, "To"),
            "clientKey": field(query, CLIENT_KEY),
        }
        events = [common | told for told in self._told(params, query)]
        for event in events:
            event["id"] = content_id(self.name, event["type"], request.query, params)
        if self._wants_stream(params, query):
            events[-1]["wantsStream"] = True
        return events

    def _told(self, params: Params, query: Params) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        speech, digits, status = (field(params, name) for name in ("Speech", "Digits", "CallStatus"))
        if speech is not None:
            heard = {"transcript": speech, "isFinal": True, "confidence": field(params, "SpeechConfidenceScore")}
            told.append({"type": "call.speech", "turnToken": field(query, TURN_TOKEN)} | heard)
        if digits is not None:
            told.append({"type": "call.dtmf", "digits": digits})
        towards = direction(field(params, "Direction"))
        if status is not None and (not told or end_of(status, towards) is not None):
            what = happening(self.name, status, towards)
            told.append({"type": what.type, "reason": what.reason})
        return told

    def _asks_for_markup(self, params: Params) -> bool:
        over = end_of(field(params, "CallStatus") or "", None) is not None
        return not over and field(params, "Event") not in ("Ring", "Hangup")

    def _wants_stream(self, params: Params, query: Params) -> bool:
        """Whether a stream could be opened now. While it rings, the call is picked up first, so that its answer is
        told; and who listens for one answer does not open a stream.
        """
        listening = (field(query, _AFTER) or "").startswith(_LISTEN)
        return self._asks_for_markup(params) and field(params, "CallStatus") == "in-progress" and not listening

    def answer(self, request: ProviderRequest, grants: Sequence[StreamGrant]) -> WebAnswer:
        """Plivo XML that picks up, listens, opens the granted stream, or keeps the call; afterwards Plivo asks again."""
        params, query = read_form(request.body), read_query(request.query)
        if not self._asks_for_markup(params):
            return answer()
        key, after = field(query, CLIENT_KEY), field(query, _AFTER)
        if field(params, "CallStatus") == "ringing":
            return answer(element("Wait", {"length": "1"}), self._asks_again(key, "ringing"))
        if after is not None and after.startswith(_LISTEN):
            turn_token = after.removeprefix(_LISTEN)
            action = self._callback(None, None, turn_token)
            told = {"action": action, "method": "POST", "inputType": "speech", "executionTimeout": str(_WAIT_S)}
            # After a minute of silence the same request comes again, and listens again.
            return answer(element("GetInput", told), self._asks_again(key, after))
        if not grants:
            return answer(element("Wait", {"length": str(_WAIT_S)}), self._asks_again(key, after))
        grant = grants[-1]
        url = text(stream_url(request.url, grant.url, grant.token))
        stream = element("Stream", {"bidirectional": "true", "keepCallAlive": "true"}, url)
        # The next request must be another one: its event gets a token of its own.
        return answer(stream, self._asks_again(key, grant.event_id))

    def _asks_again(self, key: str | None, after: str | None) -> str:
        return element("Redirect", {"method": "POST"}, text(self._callback(key, after)))

    def _callback(self, key: str | None, after: str | None = None, turn_token: str | None = None) -> str:
        marks = {CLIENT_KEY: key, _AFTER: after, TURN_TOKEN: turn_token}
        return with_marks(self.callback_url, {name: value for name, value in marks.items() if value})

    # --- media streams -------------------------------------------------------------------------------------------

    def read_frame(self, raw: str) -> StreamFrame:
        """A frame of an audio stream; its token stands in the query of the URL. Raises ValueError."""
        return read_stream_frame(raw, "callId", "extra_headers")

    def heard(self, frame_id: str) -> str:
        """Never asked for: no frame is a transcript. Raises ValueError."""
        raise nothing_to_acknowledge("Plivo")

    # --- commands ------------------------------------------------------------------------------------------------

    async def dial(self, *, key: str, to: str, from_: str, ring_timeout_ms: int, message: str | None) -> DialResult:
        """Make a call whose callbacks carry the key; the message, if there is one, is the manager's to play."""
        callback = self._callback(key)
        fields: Fields = {
            "to": to.lstrip("+"),
            "from": from_.lstrip("+"),
            "ring_timeout": max(1, -(-ring_timeout_ms // 1000)),
            "answer_url": callback,
            "answer_method": "POST",
            "ring_url": callback,
            "ring_method": "POST",
            "hangup_url": callback,
            "hangup_method": "POST",
        }
        call = (await self._line.done("POST", "Call/", fields)).document().get("request_uuid")
        if not isinstance(call, str) or not call:
            raise ProviderUnavailable("plivo: the call was made, and the answer does not name it")
        self._keys.learn(key, call)
        return DialResult(call)

    async def hang_up(self, provider_call_id: str, *, key: str) -> bool:
        """Hang up the call; where it has none yet, cancel the request for it."""
        for resource in ("Call", "Request"):
            reply = await self._line.known("DELETE", f"{resource}/{segment(provider_call_id)}/")
            if reply.done:
                return True
        return False

    async def play(self, provider_call_id: str, text: str, *, key: str) -> None:
        """Speak."""
        await self._line.done("POST", f"{self._call(provider_call_id)}Speak/", {"text": text})

    async def listen(self, provider_call_id: str, *, turn_token: str) -> None:
        """Transfer the call to a URL of ours that answers <GetInput>."""
        await self._transfer(provider_call_id, self._callback(None, _LISTEN + turn_token))

    async def stop_listening(self, provider_call_id: str) -> None:
        """Transfer the call to a URL of ours that waits."""
        await self._transfer(provider_call_id, self._callback(None, "listening"))

    async def _transfer(self, provider_call_id: str, url: str) -> None:
        fields: Fields = {"legs": "aleg", "aleg_url": url, "aleg_method": "POST"}
        await self._line.done("POST", self._call(provider_call_id), fields)

    async def status(self, provider_call_id: str) -> StatusAnswer:
        """Live or queued, or in the records of ended calls.

        In none of them says nothing: a call between two of these lists is in neither.
        """
        for kind in _LIVE:
            if (await self._line.known("GET", self._call(provider_call_id), {"status": kind})).done:
                return StatusAnswer(CallStatus.IN_PROGRESS)
        reply = await self._line.known("GET", self._call(provider_call_id))
        if not reply.done:
            return StatusAnswer(CallStatus.UNKNOWN)
        found = reply.document()
        towards, state = found.get("call_direction"), found.get("call_state")
        reason = end_of(str(state).lower(), direction(towards if isinstance(towards, str) else None))
        return StatusAnswer(CallStatus.ENDED, reason)

    async def find_by_key(self, key: str) -> str | None:
        """The call whose callback has carried the key; Plivo itself cannot be asked."""
        known = self._keys.get(key)
        if known is None:
            raise ProviderUnavailable("plivo: no callback has carried this key yet, and a key cannot be looked up")
        return known

    def _call(self, provider_call_id: str) -> str:
        return f"Call/{segment(provider_call_id)}/"
