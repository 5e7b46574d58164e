"""Twilio: Programmable Voice webhooks, TwiML answers, the Calls resource.

Sources: Twilio documentation, "Webhooks security", "TwiML Voice: Twilio's request", "Call resource" (status callback
parameters, call status values), "TwiML <Gather>", "Media Streams: WebSocket messages".

Modelled: form bodies, signature, statuses, speech and digits of <Gather>, streams through <Connect>. Twilio has no
event ids; `identity.py` derives them. Our callback URLs carry the client key and the turn token in their query, which
is signed. Not modelled: recordings, answering machine detection, legs of <Dial>, audio into a running stream (a
prompt replaces the running TwiML, the stream opens anew behind it).

The fragment of our callback URLs asks for retries ("Webhook connection overrides"); whoever configures the URL of a
number must write it there too, or what is refused is lost until the next poll.

Twilio cannot be asked for a call by a key of ours. A dial whose answer was lost is found again when its first callback
arrives; until then the question stays open.
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
from scenarios.voice_call.manager.providers.commands import CommandLine, Fields, Transport, segment
from scenarios.voice_call.manager.providers.form_callbacks import AFTER, FormCallbacks, is_over, is_picked_up
from scenarios.voice_call.manager.providers.forms import CLIENT_KEY, Params, field, read_form, read_query
from scenarios.voice_call.manager.providers.frames import nothing_to_acknowledge, read_stream_frame, stream_url
from scenarios.voice_call.manager.providers.identity import content_id
from scenarios.voice_call.manager.providers.instants import from_mail_date
from scenarios.voice_call.manager.providers.markup import answer, document, element, text
from scenarios.voice_call.manager.providers.signatures import twilio_is_genuine
from scenarios.voice_call.manager.providers.statuses import answer_of, direction

_SIGNATURE = "x-twilio-signature"
# A fallback URL is asked with the same fields and these.
_OF_THE_DELIVERY = ("ErrorCode", "ErrorUrl")
# Without it a 503 is final: by default only failed connections are tried again, once.
_RETRIES = "rc=5&rp=ct,rt,5xx"
_PAUSE_S = 60
# Whoever asked decides when to stop listening; 5 s of silence, the default, would.
_LISTEN_S = "180"
_CALL_IS_OVER = 21220
_PROGRESS = ("initiated", "ringing", "answered", "completed")


class TwilioProvider:
    """One Twilio account. `callback_url` is where Twilio reaches the webhook, in public."""

    name = "twilio"

    def __init__(self, auth_token: str, callback_url: str, transport: Transport) -> None:
        self.callback_url = callback_url if "#" in callback_url else f"{callback_url}#{_RETRIES}"
        self._auth_token = auth_token
        self._line = CommandLine(self.name, transport)
        self._callbacks = FormCallbacks(self.name, self.callback_url, speech="SpeechResult", confidence="Confidence")

    # --- webhook -------------------------------------------------------------------------------------------------

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        """Whether there is a signature."""
        return bool(headers.get(_SIGNATURE))

    def verify(self, request: ProviderRequest) -> bool:
        """Whether the signature is that of URL and body."""
        given = request.headers.get(_SIGNATURE, "")
        try:
            return bool(given) and twilio_is_genuine(self._auth_token, request.url, read_form(request.body), given)
        except ValueError:
            return False

    def parse(self, request: ProviderRequest) -> list[dict[str, Any]]:
        """What was said, then what the status says. Raises ValueError for a request about no call."""
        params, query = read_form(request.body), read_query(request.query)
        call = self._callbacks.call(params, query, "CallSid")
        call["timestamp"] = from_mail_date(field(params, "Timestamp"))
        events = [call | told for told in self._callbacks.told(params, query)]
        for event in events:
            event["id"] = content_id(self.name, event["type"], request.query, params, leave_out=_OF_THE_DELIVERY)
        if self._wants_stream(params):
            events[-1]["wantsStream"] = True
        return events

    def _asks_for_markup(self, params: Params) -> bool:
        """Whether the answer's TwiML is carried out: not that of a status callback, nor of a call that is over."""
        return not is_over(params) and field(params, "CallbackSource") is None

    def _wants_stream(self, params: Params) -> bool:
        """Whether a stream could be opened now."""
        return self._asks_for_markup(params) and is_picked_up(params)

    def answer(self, request: ProviderRequest, grants: Sequence[StreamGrant]) -> WebAnswer:
        """TwiML that picks up, opens the granted stream, or keeps the call; afterwards Twilio asks again."""
        params, query = read_form(request.body), read_query(request.query)
        if not self._asks_for_markup(params):
            return answer()
        key = field(query, CLIENT_KEY)
        if field(params, "CallStatus") == "ringing":
            # <Pause> in the first place would let it ring; half a second of silence does not.
            return answer(element("Play", {"digits": "w"}), self._callbacks.asks_again(key, "ringing"))
        if not grants:
            return answer(self._pause(), self._callbacks.asks_again(key, field(query, AFTER)))
        grant = grants[-1]
        token = element("Parameter", {"name": "token", "value": grant.token})
        stream = element("Stream", {"url": stream_url(request.url, grant.url)}, token)
        # The next request must be another one: its event gets a token of its own.
        return answer(element("Connect", {}, stream), self._callbacks.asks_again(key, grant.event_id))

    def _pause(self) -> str:
        return element("Pause", {"length": str(_PAUSE_S)})

    # --- media streams -------------------------------------------------------------------------------------------

    def read_frame(self, raw: str) -> StreamFrame:
        """A frame of Media Streams. Raises ValueError."""
        return read_stream_frame(raw, "callSid", "customParameters")

    def heard(self, frame_id: str) -> str:
        """Never asked for: no frame is a transcript. Raises ValueError."""
        raise nothing_to_acknowledge("Twilio")

    # --- commands ------------------------------------------------------------------------------------------------

    async def dial(self, *, key: str, to: str, from_: str, ring_timeout_ms: int, message: str | None) -> DialResult:
        """Create a call whose callbacks carry the key."""
        callback = self._callbacks.marked_url(key)
        spoken = {} if message is None else {"Twiml": document(element("Say", {}, text(message)))}
        fields: Fields = {
            "To": to,
            "From": from_,
            "Timeout": max(1, -(-ring_timeout_ms // 1000)),
            "StatusCallback": callback,
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": _PROGRESS,
            **(spoken or {"Url": callback, "Method": "POST"}),
        }
        return self._callbacks.dialled(key, await self._line.done("POST", "Calls.json", fields), "sid")

    async def hang_up(self, provider_call_id: str, *, key: str) -> bool:
        """Complete the call, ringing or not."""
        reply = await self._line.reply("POST", self._call(provider_call_id), {"Status": "completed"})
        if reply.done:
            return True
        if reply.status == 404 or reply.document().get("code") == _CALL_IS_OVER:
            return False
        raise ProviderUnavailable(f"twilio: the hang-up was refused with status {reply.status}")

    async def play(self, provider_call_id: str, text_: str, *, key: str) -> None:
        """Say it, then ask us how to go on."""
        await self._run(provider_call_id, element("Say", {}, text(text_)), self._callbacks.asks_again(None, key))

    async def listen(self, provider_call_id: str, *, turn_token: str) -> None:
        """Gather speech; the result comes to a URL with the turn token."""
        action = self._callbacks.marked_url(None, None, turn_token)
        gather = {"input": "speech", "action": action, "method": "POST", "speechTimeout": "auto", "timeout": _LISTEN_S}
        await self._run(provider_call_id, element("Gather", gather), self._callbacks.asks_again(None, turn_token))

    async def stop_listening(self, provider_call_id: str) -> None:
        """Wait instead."""
        await self._run(provider_call_id, self._pause(), self._callbacks.asks_again(None, "listening"))

    async def _run(self, provider_call_id: str, *markup: str) -> None:
        await self._line.done("POST", self._call(provider_call_id), {"Twiml": document(*markup)})

    async def status(self, provider_call_id: str) -> StatusAnswer:
        """What the Calls resource says."""
        reply = await self._line.known("GET", self._call(provider_call_id))
        if reply.status == 404:
            return StatusAnswer(CallStatus.NOT_FOUND)
        found = reply.document()
        towards = found.get("direction")
        return answer_of(str(found.get("status")), direction(towards if isinstance(towards, str) else None))

    async def find_by_key(self, key: str) -> str | None:
        """The call whose callback has carried the key; Twilio itself cannot be asked."""
        return self._callbacks.call_under(key)

    def _call(self, provider_call_id: str) -> str:
        return f"Calls/{segment(provider_call_id)}.json"
