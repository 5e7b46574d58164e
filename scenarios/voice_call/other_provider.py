"""Another telephony provider, to which the manager may be set: it knows none of the calls of the first one.

Modelled: that it answers for itself ("no such call"), whatever is asked about a call of somebody else's. Not modelled:
calls of its own.
"""

from typing import Any, cast

from scenarios.voice_call.manager.provider_client import CallStatus, ProviderClient, ProviderRefused, StatusAnswer
from scenarios.voice_call.provider import Provider


class OtherProvider:
    """Commands find no call here; requests from outside are read as the first provider's are."""

    name = "other"

    def __init__(self, first: Provider) -> None:
        self._first = first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._first, name)

    async def dial(self, **_: object) -> None:
        raise ProviderRefused("dial: this account may not call")

    async def hang_up(self, provider_call_id: str, *, key: str) -> bool:
        return False

    async def play(self, provider_call_id: str, text: str, *, key: str) -> None:
        raise ProviderRefused(f"play: no call {provider_call_id}")

    async def listen(self, provider_call_id: str, *, turn_token: str) -> None:
        raise ProviderRefused(f"listen: no call {provider_call_id}")

    async def stop_listening(self, provider_call_id: str) -> None:
        return None

    async def status(self, provider_call_id: str) -> StatusAnswer:
        return StatusAnswer(CallStatus.NOT_FOUND)

    async def find_by_key(self, key: str) -> str | None:
        return None


def configured(provider: Provider) -> ProviderClient:
    """The provider that the manager is set to."""
    return cast(ProviderClient, OtherProvider(provider)) if provider.outer.elsewhere else provider
