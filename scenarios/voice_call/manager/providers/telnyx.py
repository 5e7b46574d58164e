"""Telnyx: Call Control webhooks and commands.

Sources: Telnyx developer documentation, "Webhook signing" and "Receiving webhooks", API reference "Call commands"
(dial, hangup, speak, transcription start and stop), "Retrieve a call status", "List all active calls", callbacks
`call.*`, "Media streaming over WebSocket".

Modelled: JSON bodies with event id and time, signature with its window, the kinds below. The client key travels in
`client_state` (base64), which every later event of the call repeats until a command gives another; the turn token
travels so with the transcription. Not modelled: answering (an incoming call must be answered by a command that the
manager does not know), conferences, bridges, recordings. A machine that answers is told, and ends nothing: the call is
still up.
"""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

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
from scenarios.voice_call.manager.providers.frames import nothing_to_acknowledge, part, read_stream_frame, words
from scenarios.voice_call.manager.providers.identity import body_id
from scenarios.voice_call.manager.providers.instants import from_iso
from scenarios.voice_call.manager.providers.signatures import telnyx_is_genuine, telnyx_key

_SIGNATURE = "telnyx-signature-ed25519"
_TIMESTAMP = "telnyx-timestamp"
_DIRECTIONS = {"incoming": "inbound", "inbound": "inbound", "outgoing": "outbound", "outbound": "outbound"}
_KINDS = {
    "call.initiated": "call.initiated",
    "call.answered": "call.answered",
    "call.bridged": "call.active",
    "call.speak.started": "call.speaking",
    # Catalogue 8.3 has no kind for the end of a prompt; this one is kept and changes nothing.
    "call.speak.ended": "call.silence",
    "call.transcription": "call.speech",
    "call.dtmf.received": "call.dtmf",
    "call.hangup": "call.ended",
}
_MACHINE_DETECTION = ("call.machine.detection.ended", "call.machine.premium.detection.ended")
_HANGUP_CAUSES = {
    "normal_clearing": "completed",
    "user_busy": "busy",
    "call_rejected": "busy",
    "no_answer": "no-answer",
    "no_user_response": "no-answer",
    # Nobody answered within `timeout_secs`; the limit of an answered call is `time_limit`.
    "timeout": "no-answer",
    "time_limit": "timeout",
    "not_found": "failed",
    "invalid_number_format": "failed",
    "unallocated_number": "failed",
    "destination_out_of_order": "failed",
    "service_unavailable": "failed",
}
_KEY_MARK = "call-key:"
_TURN_MARK = "turn-token:"
_ALREADY_ENDED = "90018"
# Longer than a call can be on its way without being listed: ringing included.
_SETTLED_S = 120
_MOST_PAGES = 40


def encode_state(mark: str, value: str) -> str:
    """A `client_state` of ours."""
    return base64.b64encode((mark + value).encode("utf-8")).decode("ascii")


def decode_state(state: str | None, mark: str) -> str | None:
    """What stands behind this mark in a `client_state`; None for somebody else's."""
    try:
        whole = base64.b64decode(state or "", validate=True).decode("utf-8")
    except ValueError:
        return None
    return whole.removeprefix(mark) if whole.startswith(mark) else None


class TelnyxProvider:
    """One Call Control application. `now` is the wall clock in seconds."""

    name = "telnyx"

    def __init__(
        self,
        public_key: str,
        connection_id: str,
        callback_url: str,
        transport: Transport,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.callback_url = callback_url
        self._key = telnyx_key(public_key)
        self._connection_id = connection_id
        self._line = CommandLine(self.name, transport)
        self._now = now
        self._quiet_since = now()

    # --- webhook -------------------------------------------------------------------------------------------------

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        """Whether there are a signature and its time."""
        return bool(headers.get(_SIGNATURE)) and bool(headers.get(_TIMESTAMP))

    def verify(self, request: ProviderRequest) -> bool:
        """Whether time and body are signed, and the time is near."""
        if not self.is_signed(request.headers):
            return False
        headers = request.headers
        return telnyx_is_genuine(self._key, headers[_TIMESTAMP], headers[_SIGNATURE], request.body, self._now())

    def parse(self, request: ProviderRequest) -> list[dict[str, Any]]:
        """The event of the body; none when it is about no call. Raises ValueError."""
        data = part(self._document(request.body), "data")
        kind, payload = words(data, "event_type"), part(data, "payload")
        if kind is None:
            raise ValueError("the body names no data.event_type")
        call = words(payload, "call_control_id")
        if call is None or not kind.startswith("call."):
            return []
        state = words(payload, "client_state")
        key = decode_state(state, _KEY_MARK)
        towards = _DIRECTIONS.get(words(payload, "direction") or "") or (None if key is None else "outbound")
        event = {
            "id": words(data, "id") or body_id(self.name, request.body),
            "type": _KINDS.get(kind, f"{self.name}.{kind[:60]}"),
            "providerCallId": call,
            "timestamp": from_iso(words(data, "occurred_at")),
            "direction": towards,
            "from": words(payload, "from"),
            "to": words(payload, "to"),
            "clientKey": key,
        }
        return [event | self._details(kind, payload, state, towards)]

    def _document(self, body: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ValueError(f"the body is no JSON object: {type(error).__name__}") from None

    def _details(self, kind: str, payload: dict[str, Any], state: str | None, towards: str | None) -> dict[str, Any]:
        if kind == "call.transcription":
            heard = part(payload, "transcription_data")
            return {
                "transcript": words(heard, "transcript") or "",
                "isFinal": heard.get("is_final") is not False,
                "confidence": heard.get("confidence"),
                "turnToken": decode_state(state, _TURN_MARK),
            }
        if kind == "call.hangup":
            return {"reason": self._end_reason(words(payload, "hangup_cause"), towards)}
        if kind == "call.dtmf.received":
            return {"digits": words(payload, "digit")}
        if kind in _MACHINE_DETECTION and words(payload, "result") == "human":
            return {"type": "call.active"}
        return {}

    def _end_reason(self, cause: str | None, towards: str | None) -> str | None:
        if cause == "originator_cancel":
            return "hangup-user" if towards == "inbound" else "hangup-bot"
        return _HANGUP_CAUSES.get(cause or "")

    def answer(self, request: ProviderRequest, grants: Sequence[StreamGrant]) -> WebAnswer:
        """OK: instructions are commands, not answers."""
        return WebAnswer()

    # --- media streams -------------------------------------------------------------------------------------------

    def read_frame(self, raw: str) -> StreamFrame:
        """A frame of media streaming; its token stands in the query of the URL. Raises ValueError."""
        return read_stream_frame(raw, "call_control_id", "custom_parameters")

    def heard(self, frame_id: str) -> str:
        """Never asked for: no frame is a transcript. Raises ValueError."""
        raise nothing_to_acknowledge("Telnyx")

    # --- commands ------------------------------------------------------------------------------------------------

    async def dial(self, *, key: str, to: str, from_: str, ring_timeout_ms: int, message: str | None) -> DialResult:
        """Dial; the message, if there is one, is the manager's to play once somebody answered."""
        self._quiet_since = self._now()
        fields: Fields = {
            "connection_id": self._connection_id,
            "to": to,
            "from": from_,
            "timeout_secs": min(120, max(5, -(-ring_timeout_ms // 1000))),
            "webhook_url": self.callback_url,
            "client_state": encode_state(_KEY_MARK, key),
            "command_id": key,
        }
        data = part((await self._line.done("POST", "calls", fields)).document(), "data")
        call = words(data, "call_control_id")
        if call is None:
            raise ProviderUnavailable("telnyx: the call was made, and the answer does not name it")
        return DialResult(call)

    async def hang_up(self, provider_call_id: str, *, key: str) -> bool:
        """Hang up, without a `command_id`: a repetition within a minute would be ignored, and answered 200."""
        reply = await self._line.reply("POST", self._action(provider_call_id, "hangup"))
        if reply.done:
            return True
        errors = reply.document().get("errors")
        codes = [str(one.get("code")) for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
        if reply.status == 404 or _ALREADY_ENDED in codes:
            return False
        raise ProviderUnavailable(f"telnyx: the hang-up was refused with status {reply.status}, codes {codes}")

    async def play(self, provider_call_id: str, text: str, *, key: str) -> None:
        """Speak."""
        fields: Fields = {"payload": text, "voice": "female", "language": "en-US", "command_id": key}
        await self._line.done("POST", self._action(provider_call_id, "speak"), fields)

    async def listen(self, provider_call_id: str, *, turn_token: str) -> None:
        """Transcribe the caller."""
        fields: Fields = {
            "transcription_tracks": "inbound",
            "client_state": encode_state(_TURN_MARK, turn_token),
            "command_id": turn_token,
        }
        await self._line.done("POST", self._action(provider_call_id, "transcription_start"), fields)

    async def stop_listening(self, provider_call_id: str) -> None:
        """Stop transcribing."""
        await self._line.done("POST", self._action(provider_call_id, "transcription_stop"))

    async def status(self, provider_call_id: str) -> StatusAnswer:
        """Alive or ended; neither while it is still being dialled."""
        reply = await self._line.known("GET", f"calls/{segment(provider_call_id)}")
        if reply.status == 404:
            return StatusAnswer(CallStatus.NOT_FOUND)
        data = part(reply.document(), "data")
        if data.get("is_alive") is True:
            return StatusAnswer(CallStatus.IN_PROGRESS)
        ended = data.get("is_alive") is False and words(data, "end_time") is not None
        return StatusAnswer(CallStatus.ENDED if ended else CallStatus.UNKNOWN)

    async def find_by_key(self, key: str) -> str | None:
        """The active call that carries the key.

        None only when no dial, of this process or one before it, can still be on its way into the list.
        """
        settled = self._now() - self._quiet_since > _SETTLED_S
        wanted, after = encode_state(_KEY_MARK, key), ""
        for _ in range(_MOST_PAGES):
            fields: Fields = {"page[limit]": 250, **({"page[after]": after} if after else {})}
            path = f"connections/{segment(self._connection_id)}/active_calls"
            page = (await self._line.known("GET", path, fields)).document()
            calls = page.get("data")
            if not isinstance(calls, list):
                break
            for call in calls:
                if isinstance(call, dict) and call.get("client_state") == wanted:
                    return words(call, "call_control_id")
            after = words(part(part(page, "meta"), "cursors"), "after") or ""
            if not after and settled:
                return None
            if not after:
                break
        raise ProviderUnavailable("telnyx: no active call carries this key so far; it may still be on its way")

    def _action(self, provider_call_id: str, action: str) -> str:
        return f"calls/{segment(provider_call_id)}/actions/{action}"
