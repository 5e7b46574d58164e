"""The line to the provider.

Each request bounded in time, and every failure one of two: refused, or unknown.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.provider_client import (
    DialResult,
    ProviderClient,
    ProviderRefused,
    ProviderUnavailable,
    StatusAnswer,
)
from scenarios.voice_call.manager.records import CallRecord

T = TypeVar("T")


class ProviderLine:
    """Requests about records.

    A record of another provider is never asked about here: its id means nothing there.
    """

    def __init__(self, config: Config, client: ProviderClient) -> None:
        self.config = config
        self.client = client

    async def _ask(self, request: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.config.provider_timeout_ms / 1000):
                return await request
        except (ProviderRefused, ProviderUnavailable):
            raise
        except Exception as error:
            raise ProviderUnavailable(f"the provider's answer is unknown: {type(error).__name__}: {error}") from error

    def _id(self, record: CallRecord) -> str:
        self._same_provider(record)
        if record.provider_call_id is None:
            raise ProviderUnavailable(f"call {record.call_id} has no provider id yet")
        return record.provider_call_id

    def _same_provider(self, record: CallRecord) -> None:
        if record.provider not in ("", self.client.name):
            raise ProviderUnavailable(
                f"call {record.call_id} belongs to provider {record.provider!r}, this is {self.client.name!r}"
            )

    async def dial(self, record: CallRecord, key: str, from_: str) -> DialResult:
        """Dial under the record's key.

        The message is never sent along: the greeting has one owner (`greeting.py`).
        """
        return await self._ask(
            self.client.dial(
                key=key, to=record.to, from_=from_, ring_timeout_ms=self.config.ring_timeout_ms, message=None
            )
        )

    async def hang_up(self, record: CallRecord) -> bool:
        """Hang up, always under the same key."""
        return await self._ask(self.client.hang_up(self._id(record), key=f"hang-up:{record.call_id}"))

    async def play(self, record: CallRecord, text: str, key: str) -> None:
        """Speak."""
        await self._ask(self.client.play(self._id(record), text, key=key))

    async def listen(self, record: CallRecord, token: str) -> None:
        """Listen for the answer of one turn."""
        await self._ask(self.client.listen(self._id(record), turn_token=token))

    async def stop_listening(self, record: CallRecord) -> None:
        """Stop listening."""
        await self._ask(self.client.stop_listening(self._id(record)))

    async def status(self, record: CallRecord) -> StatusAnswer:
        """What became of the call."""
        return await self._ask(self.client.status(self._id(record)))

    async def find(self, record: CallRecord) -> str | None:
        """The provider id of the call dialled under the record's key."""
        self._same_provider(record)
        return await self._ask(self.client.find_by_key(record.client_key or record.call_id))
