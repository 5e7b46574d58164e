"""What became of the calls, for somebody at the same machine: `GET /voice/calls` and `GET /voice/calls/ID`.

Read-only: nothing here reaches the journal. There is no authentication, so it answers only requests that were made on
this machine, for this machine: a tunnel or proxy in front of a loopback port (the usual way to receive webhooks)
brings a foreign `Host` or a forwarding header, and gets what every unknown path gets.
A proxy that rewrites `Host` and adds no header cannot be told from a local client.

`?limit=N` takes the newest N calls (50); ids may be internal ones or the provider's.
"""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from scenarios.voice_call.manager.config import is_loopback
from scenarios.voice_call.manager.web import Message, Receive, Scope, Send

READING_PATH = "/voice/calls"
_DEFAULT_LIMIT = 50
_FORWARDED = frozenset((b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"))


class CallReadings:
    """Answers readers with what `status` and `history` of the manager say."""

    def __init__(
        self,
        status: Callable[[str], dict[str, Any] | None],
        history: Callable[[int], list[dict[str, Any]]],
        ready: Callable[[], bool],
    ) -> None:
        self._status = status
        self._history = history
        self._ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        status, body = self.answer(scope)
        content = json.dumps(body).encode("ascii")
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode("ascii")),
            (b"cache-control", b"no-store"),
        ]
        if status == 405:
            headers.append((b"allow", b"GET"))
        start: Message = {"type": "http.response.start", "status": status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": content})

    def answer(self, scope: Scope) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        if not is_local(scope):
            return 404, {"error": "not found"}
        if scope["method"] != "GET":
            return 405, {"error": f"{scope['method']} is not possible here: calls can only be read"}
        if not self._ready():
            return 503, {"error": "the calls are being restored, or the manager is stopping"}
        call = scope["path"].removeprefix(READING_PATH).strip("/")
        if call:
            found = self._status(call)
            return (404, {"error": f"no call {call!r}"}) if found is None else (200, found)
        try:
            limit = int(parse_qs(scope.get("query_string", b"").decode("latin-1")).get("limit", [_DEFAULT_LIMIT])[0])
        except ValueError:
            limit = -1
        if limit < 1:
            return 400, {"error": "limit must be a number from 1 on"}
        return 200, {"calls": self._history(limit)}


def is_local(scope: Scope) -> bool:
    """Whether a request comes from this machine and names it."""
    client = scope.get("client")
    headers = dict(scope["headers"])
    if client is None or not is_loopback(client[0]) or any(name in _FORWARDED for name in headers):
        return False
    host = headers.get(b"host", b"localhost").decode("latin-1")
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host
    return is_loopback(name)
