"""Commands over HTTPS, with httpx (extra `serve`): the only file of this package that opens connections.

Modelled: one account, its address, credentials and encoding. No redirects, no retries: whoever asks knows whether a
repetition is safe. An answer that did not arrive whole is ProviderUnavailable, whatever became of the request.
"""

import base64
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from scenarios.voice_call.manager.provider_client import ProviderUnavailable
from scenarios.voice_call.manager.providers.commands import Fields, Reply
from scenarios.voice_call.manager.providers.libraries import LibraryMissing

if TYPE_CHECKING:
    import httpx

Encoding = Literal["form", "json"]
_TIMEOUT_S = 10.0


def basic(user: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def bearer(token: str) -> str:
    """The value of an Authorization header (RFC 6750)."""
    return f"Bearer {token}"


def _library() -> ModuleType:
    try:
        import httpx
    except ModuleNotFoundError as error:
        raise LibraryMissing("httpx", "commands to a provider") from error
    return httpx


class HttpTransport:
    """Requests to one account. `base_url` ends with a slash; `carrier` replaces the network in tests."""

    def __init__(
        self,
        base_url: str,
        authorization: str,
        encoding: Encoding,
        *,
        carrier: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        self._httpx = _library()
        self._encoding = encoding
        self._client: httpx.AsyncClient = self._httpx.AsyncClient(
            base_url=base_url, headers={"authorization": authorization}, timeout=_TIMEOUT_S, transport=carrier
        )

    async def request(self, method: str, path: str, fields: Fields) -> Reply:
        """The answer. Raises ProviderUnavailable."""
        try:
            response = await self._client.request(method, path, **self._sent(method, fields))
        except (self._httpx.HTTPError, self._httpx.InvalidURL, self._httpx.StreamError) as error:
            raise ProviderUnavailable(f"{method} {path}: no answer: {type(error).__name__}: {error}") from error
        return Reply(response.status_code, response.content)

    def _sent(self, method: str, fields: Fields) -> dict[str, Any]:
        if not fields:
            return {}
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
        if method in ("GET", "DELETE"):
            return {"params": values}
        return {"json": values} if self._encoding == "json" else {"data": values}

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()
