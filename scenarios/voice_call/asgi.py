"""One HTTP request to an ASGI application in this process, by hand: no sockets, no client library.

Modelled: a request that arrives whole, and a response whose completion is seen at the very moment the application
hands over its last byte. Not modelled: slow bodies, keep-alive, a client that goes away before the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

import msgspec

Message: TypeAlias = MutableMapping[str, Any]
Application: TypeAlias = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


class Answer(msgspec.Struct, frozen=True):
    """A complete HTTP response."""

    status: int
    body: bytes = b""

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


async def send_request(
    application: Application,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    on_answer: Callable[[Answer], None] | None = None,
) -> Answer | None:
    """Ask `application`; None when it ended, or raised, without a complete response.

    `on_answer` is called inside the application's last `send`: nothing of the application runs in between.
    """
    status = 0
    parts: list[bytes] = []
    answer: Answer | None = None
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}
        await asyncio.get_running_loop().create_future()  # the client stays connected until it has its answer
        raise AssertionError("a future without an owner was resolved")

    async def send(message: Message) -> None:
        nonlocal status, answer
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body" and answer is None:
            parts.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                answer = Answer(status, b"".join(parts))
                if on_answer is not None:
                    on_answer(answer)

    raw = path.encode("ascii")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": raw,
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 3334),
        "state": {},
    }
    try:
        await application(scope, receive, send)
    except Exception:
        return answer  # a server closes the connection; what it has sent before counts
    return answer
