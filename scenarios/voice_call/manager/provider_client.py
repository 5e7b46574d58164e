"""The contract with the telephony provider: what may be asked, and the three ways an answer can come out.

It says nothing about how a provider speaks on the wire; `parse` hands over the normalised events of catalogue
8.3.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec


class ProviderUnavailable(Exception):
    """No answer, or an error that says nothing about the effect: the result is unknown."""


class ProviderRefused(Exception):
    """The provider said no: nothing happened."""


class DialResult(msgspec.Struct, frozen=True):
    """A call the provider accepted."""

    provider_call_id: str


class CallStatus(enum.StrEnum):
    """What the provider knows about a call."""

    IN_PROGRESS = "in-progress"
    ENDED = "ended"
    NOT_FOUND = "not-found"
    UNKNOWN = "unknown"


class StatusAnswer(msgspec.Struct, frozen=True):
    """A status, and the end reason (a terminal state of catalogue 8.2) when the call ended."""

    status: CallStatus
    reason: str | None = None


class ProviderRequest(msgspec.Struct, frozen=True):
    """A webhook request as it arrived; header names are lower case. `url` is the public one, which signatures cover."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str = ""
    url: str = ""


class StreamGrant(msgspec.Struct, frozen=True):
    """Leave to open one media stream: for which call, where, and with which token."""

    provider_call_id: str
    event_id: str
    url: str
    token: str


class WebAnswer(msgspec.Struct, frozen=True):
    """The body of a 200: the same for every delivery of the same request."""

    body: bytes = b"OK"
    content_type: str = "text/plain; charset=utf-8"


class StreamFrame(msgspec.Struct, frozen=True):
    """One frame of a media stream, normalised.

    `kind`: start (with `provider_call_id` and `token`), media (a sign of life), transcript (with `id`, `text`, `is_final`,
    `turn_token`), stop, or other.
    """

    kind: str
    provider_call_id: str | None = None
    token: str | None = None
    id: str | None = None
    text: str = ""
    is_final: bool = True
    turn_token: str | None = None


class ProviderClient(Protocol):
    """A provider as the manager sees it."""

    name: str

    def verify(self, request: ProviderRequest) -> bool:
        """Whether the request really comes from this provider."""

    def parse(self, request: ProviderRequest) -> list[dict[str, Any]]:
        """The events in the request, normalised; raises ValueError when the body cannot be read."""

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        """Whether the headers that a signature needs are there at all: asked before the body is read."""

    def answer(self, request: ProviderRequest, grants: Sequence[StreamGrant]) -> WebAnswer:
        """The answer to a request whose events are all durable. Pure: a repeated delivery gets the same bytes."""

    def read_frame(self, raw: str) -> StreamFrame:
        """A text frame of a media stream; raises ValueError when it cannot be read."""

    def heard(self, frame_id: str) -> str:
        """The text frame that tells the provider: the transcript with this id is kept."""

    async def dial(self, *, key: str, to: str, from_: str, ring_timeout_ms: int, message: str | None) -> DialResult:
        """Start a call.

        The same key is the same call, never a second one. ProviderRefused | ProviderUnavailable.
        """

    async def hang_up(self, provider_call_id: str, *, key: str) -> bool:
        """True: ended now. False: was not there, which is success as well. ProviderUnavailable."""

    async def play(self, provider_call_id: str, text: str, *, key: str) -> None:
        """Speak a text. ProviderRefused (the call is gone) | ProviderUnavailable."""

    async def listen(self, provider_call_id: str, *, turn_token: str) -> None:
        """Start listening; speech events carry the turn token."""

    async def stop_listening(self, provider_call_id: str) -> None:
        """Stop listening."""

    async def status(self, provider_call_id: str) -> StatusAnswer:
        """What became of a call. ProviderUnavailable."""

    async def find_by_key(self, key: str) -> str | None:
        """The provider call id made under this client key; None: certainly none. ProviderUnavailable."""
