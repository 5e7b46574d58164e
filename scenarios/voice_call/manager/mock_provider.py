"""The provider "mock": no telephone, calls in a dict, events as plain JSON.

Wire format of its webhook: `{"event": {...}}` or `{"events": [...]}` with the events of catalogue 8.3. Every
request is taken for genuine: bind it to loopback. It keeps nothing over a restart, so it knows a call it was
not asked to dial only by name: an id that contains "stale", "ended" or "completed" is over, any other in
progress (catalogue 8.7).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scenarios.voice_call.manager.plain_frames import plain_answer, plain_heard, read_plain_frame
from scenarios.voice_call.manager.provider_client import (
    CallStatus,
    DialResult,
    ProviderRequest,
    StatusAnswer,
    StreamFrame,
    StreamGrant,
    WebAnswer,
)


class MockProvider:
    """An in-process provider for the desk and for real HTTP clients."""

    name = "mock"

    def __init__(self) -> None:
        self._by_key: dict[str, str] = {}
        self._ended: dict[str, str] = {}

    def verify(self, request: ProviderRequest) -> bool:
        """Everybody is who they say."""
        return True

    def parse(self, request: ProviderRequest) -> list[dict[str, Any]]:
        """The events of a body; entries that name no kind or no call are left out. Raises ValueError."""
        body = json.loads(request.body)
        if not isinstance(body, dict):
            raise ValueError('the body must be {"event": {...}} or {"events": [...]}')
        events = body.get("events", [body["event"]] if "event" in body else [])
        if not isinstance(events, list):
            raise ValueError('"events" must be a list')
        return [event for event in events if isinstance(event, dict) and self._is_event(event)]

    def _is_event(self, event: dict[str, Any]) -> bool:
        return bool(event.get("type")) and bool(event.get("callId") or event.get("providerCallId"))

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        """Nothing is signed."""
        return True

    def answer(self, request: ProviderRequest, grants: Sequence[StreamGrant]) -> WebAnswer:
        """OK, or the streams that may be opened, as JSON."""
        return plain_answer(grants)

    def read_frame(self, raw: str) -> StreamFrame:
        """A frame as JSON. Raises ValueError."""
        return read_plain_frame(raw)

    def heard(self, frame_id: str) -> str:
        """The acknowledgement of a transcript."""
        return plain_heard(frame_id)

    async def dial(self, *, key: str, to: str, from_: str, ring_timeout_ms: int, message: str | None) -> DialResult:
        """A call named after its key: the same key is the same call, over restarts too."""
        return DialResult(self._by_key.setdefault(key, f"mock-{key}"))

    async def hang_up(self, provider_call_id: str, *, key: str) -> bool:
        """Over now, or over before."""
        if (await self.status(provider_call_id)).status is CallStatus.ENDED:
            return False
        self._ended[provider_call_id] = "hangup-bot"
        return True

    async def play(self, provider_call_id: str, text: str, *, key: str) -> None:
        """Nobody hears it."""

    async def listen(self, provider_call_id: str, *, turn_token: str) -> None:
        """Speech comes by webhook; it must carry the turn token, which `status` shows."""

    async def stop_listening(self, provider_call_id: str) -> None:
        """Nothing was started."""

    async def status(self, provider_call_id: str) -> StatusAnswer:
        """By memory, else by name."""
        if provider_call_id in self._ended:
            return StatusAnswer(CallStatus.ENDED, self._ended[provider_call_id])
        if any(word in provider_call_id for word in ("stale", "ended", "completed")):
            return StatusAnswer(CallStatus.ENDED, "completed")
        return StatusAnswer(CallStatus.IN_PROGRESS)

    async def find_by_key(self, key: str) -> str | None:
        """Calls of an earlier process are not known here."""
        return self._by_key.get(key)
