"""Commands to a provider, and the three ways an answer can come out (catalogue 5, 6).

2xx: done. 4xx: refused, nothing happened. Anything else says nothing about the effect: 408, 425 and 429 (somebody in
between may have answered), 3xx, 5xx, no answer at all.
"""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from scenarios.voice_call.manager.provider_client import ProviderRefused, ProviderUnavailable

_SAYS_NOTHING = (408, 425, 429)
_MOST_KEYS = 10_000

Fields = Mapping[str, str | int | bool | tuple[str, ...]]


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer that arrived whole."""

    status: int
    body: bytes = b""

    @property
    def done(self) -> bool:
        """Whether the command was carried out."""
        return 200 <= self.status < 300

    def document(self) -> dict[str, Any]:
        """The JSON object in the body; empty when there is none."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class Transport(Protocol):
    """Carries one request to one provider account: it knows the address, the credentials and the encoding."""

    async def request(self, method: str, path: str, fields: Fields) -> Reply:
        """The answer; raises ProviderUnavailable (or OSError, TimeoutError) when none arrived.

        `path` is relative to the account. A tuple among the fields is a repeated field.
        """


class CommandLine:
    """Requests through a transport, their failures told apart."""

    def __init__(self, provider: str, transport: Transport) -> None:
        self.provider = provider
        self.transport = transport

    async def reply(self, method: str, path: str, fields: Fields | None = None) -> Reply:
        """An answer that says something: 2xx or a 4xx. Raises ProviderUnavailable."""
        try:
            reply = await self.transport.request(method, path, fields or {})
        except (OSError, TimeoutError) as error:
            raise ProviderUnavailable(f"{self.provider}: {method} {path}: no answer: {error!r}") from error
        if reply.done or (400 <= reply.status < 500 and reply.status not in _SAYS_NOTHING):
            return reply
        raise ProviderUnavailable(f"{self.provider}: {method} {path}: status {reply.status} says nothing")

    async def done(self, method: str, path: str, fields: Fields | None = None) -> Reply:
        """A 2xx. Raises ProviderRefused or ProviderUnavailable."""
        reply = await self.reply(method, path, fields)
        if not reply.done:
            raise ProviderRefused(f"{self.provider}: {method} {path}: status {reply.status}")
        return reply

    async def known(self, method: str, path: str, fields: Fields | None = None) -> Reply:
        """A 2xx or a 404, for questions where any other refusal leaves the matter open.

        Raises ProviderUnavailable.
        """
        reply = await self.reply(method, path, fields)
        if reply.done or reply.status == 404:
            return reply
        raise ProviderUnavailable(f"{self.provider}: {method} {path}: status {reply.status}")


def segment(provider_call_id: str) -> str:
    """A call's id as one segment of a path.

    Raises ProviderUnavailable for ids that would name another resource: without an id, some requests mean every call
    of the account.
    """
    if provider_call_id in ("", ".", ".."):
        raise ProviderUnavailable(f"{provider_call_id!r} is no id of a call; nothing was asked")
    return quote(provider_call_id, safe="")


class KnownKeys:
    """Which call was made under which client key, as far as this process has heard.

    A memory, not a record: it only ever adds what a provider cannot be asked.
    """

    def __init__(self) -> None:
        self._calls: dict[str, str] = {}

    def learn(self, key: str | None, provider_call_id: str | None) -> None:
        """Remember a pair, the oldest forgotten when there are too many."""
        if not key or not provider_call_id:
            return
        self._calls[key] = provider_call_id
        if len(self._calls) > _MOST_KEYS:
            del self._calls[next(iter(self._calls))]

    def get(self, key: str) -> str | None:
        """The call made under a key."""
        return self._calls.get(key)
