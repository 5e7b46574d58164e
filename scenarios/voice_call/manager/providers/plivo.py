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
    StatusAnswer,
    StreamFrame,
    StreamGrant,
    WebAnswer,
)
from scenarios.voice_call.manager.providers.commands import CommandLine, Fields, Transport, segment
from scenarios.voice_call.manager.providers.form_callbacks import AFTER, FormCallbacks, is_over, is_picked_up
from scenarios.voice_call.manager.providers.forms import CLIENT_KEY, Params, field, read_form, read_query
from scenarios.voice_call.manager.providers.frames import nothing_to_acknowledge, read_stream_frame, stream_url
from scenarios.voice_call.manager.providers.identity import content_id
from scenarios.voice_call.manager.providers.markup import answer, element, text
from scenarios.voice_call.manager.providers.signatures import among, plivo_v2_signature, plivo_v3_signature
from scenarios.voice_call.manager.providers.statuses import direction, end_of

_V3 = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")
_V2 = ("x-plivo-signature-v2", "x-plivo-signature-ma-v2")
_V3_NONCE = "x-plivo-signature-v3-nonce"
_V2_NONCE = "x-plivo-signature-v2-nonce"
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
        self._callbacks = FormCallbacks(self.name, callback_url, speech="Speech", confidence="SpeechConfidenceScore")

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
        call = self._callbacks.call(params, query, "CallUUID")
        call["callId"] = field(params, "RequestUUID") or field(params, "ALegRequestUUID")
        events = [call | told for told in self._callbacks.told(params, query)]
        for event in events:
            event["id"] = content_id(self.name, event["type"], request.query, params)
        if self._wants_stream(params, query):
            events[-1]["wantsStream"] = True
        return events

    def _asks_for_markup(self, params: Params) -> bool:
        return not is_over(params) and field(params, "Event") not in ("Ring", "Hangup")

    def _wants_stream(self, params: Params, query: Params) -> bool:
        """Whether a stream could be opened now. Who listens for one answer does not open one."""
        listening = (field(query, AFTER) or "").startswith(_LISTEN)
        return self._asks_for_markup(params) and is_picked_up(params) and not listening

    def answer(self, request: ProviderRequest, grants: Sequence[StreamGrant]) -> WebAnswer:
        """Plivo XML that picks up, listens, opens the granted stream, or keeps the call; afterwards Plivo asks again."""
        params, query = read_form(request.body), read_query(request.query)
        if not self._asks_for_markup(params):
            return answer()
        key, after = field(query, CLIENT_KEY), field(query, AFTER)
        if field(params, "CallStatus") == "ringing":
            return answer(element("Wait", {"length": "1"}), self._callbacks.asks_again(key, "ringing"))
        if after is not None and after.startswith(_LISTEN):
            turn_token = after.removeprefix(_LISTEN)
            action = self._callbacks.marked_url(None, None, turn_token)
            told = {"action": action, "method": "POST", "inputType": "speech", "executionTimeout": str(_WAIT_S)}
            # After a minute of silence the same request comes again, and listens again.
            return answer(element("GetInput", told), self._callbacks.asks_again(key, after))
        if not grants:
            return answer(element("Wait", {"length": str(_WAIT_S)}), self._callbacks.asks_again(key, after))
        grant = grants[-1]
        url = text(stream_url(request.url, grant.url, grant.token))
        stream = element("Stream", {"bidirectional": "true", "keepCallAlive": "true"}, url)
        # The next request must be another one: its event gets a token of its own.
        return answer(stream, self._callbacks.asks_again(key, grant.event_id))

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
        callback = self._callbacks.marked_url(key)
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
        return self._callbacks.dialled(key, await self._line.done("POST", "Call/", fields), "request_uuid")

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
        await self._transfer(provider_call_id, self._callbacks.marked_url(None, _LISTEN + turn_token))

    async def stop_listening(self, provider_call_id: str) -> None:
        """Transfer the call to a URL of ours that waits."""
        await self._transfer(provider_call_id, self._callbacks.marked_url(None, "listening"))

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
        return self._callbacks.call_under(key)

    def _call(self, provider_call_id: str) -> str:
        return f"Call/{segment(provider_call_id)}/"
