"""HTTP requests and WebSockets to an ASGI application in this process, by hand: no sockets, no client library.

Modelled: a request that arrives whole, or piece by piece, and a response whose completion is seen at the very moment the
application hands over its last byte; a WebSocket that either side closes, or that breaks without a word. Not modelled:
keep-alive, a client that goes away before the answer, binary frames, frames that are lost while the connection holds.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

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


class Pace(msgspec.Struct, frozen=True):
    """How a body arrives: in this many pieces, with so many seconds before each piece but the first."""

    pieces: int = 1
    pause_s: float = 0.0

    def cut(self, body: bytes) -> deque[bytes]:
        """The pieces; a body with fewer bytes ends in empty ones."""
        size = -(-len(body) // self.pieces)
        return deque(body[number * size : (number + 1) * size] for number in range(self.pieces))


AT_ONCE: Final = Pace()


async def send_request(
    application: Application,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    pace: Pace = AT_ONCE,
    on_answer: Callable[[Answer], None] | None = None,
) -> Answer | None:
    """Ask `application`; None when it ended, or raised, without a complete response.

    `on_answer` is called inside the application's last `send`: nothing of the application runs in between.
    """
    status = 0
    parts: list[bytes] = []
    answer: Answer | None = None
    to_come = pace.cut(body)

    async def receive() -> Message:
        if not to_come:
            await asyncio.get_running_loop().create_future()  # the client stays connected until it has its answer
            raise AssertionError("a future without an owner was resolved")
        if len(to_come) < pace.pieces:
            await asyncio.sleep(pace.pause_s)
        return {"type": "http.request", "body": to_come.popleft(), "more_body": bool(to_come)}

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

    named = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    client = ("127.0.0.1", 50000)
    scope = _scope(path, type="http", scheme="http", method=method, headers=named, client=client)
    try:
        await application(scope, receive, send)
    except Exception:
        return answer  # a server closes the connection; what it has sent before counts
    return answer


def _scope(path: str, **own: Any) -> dict[str, Any]:
    """A connection to this path as it is written. `own`: what its type alone has, or has otherwise."""
    shared = {
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "server": ("127.0.0.1", 3334),
        "state": {},
    }
    return shared | own


WENT_AWAY: Final = 1006
"""The code of a connection that ended without a closing frame."""


class Socket:
    """One WebSocket, from the client's side; it is connected as soon as the loop runs on.

    `on_text` and `on_close` are called inside the application's `send`. `code` is how it was closed, by whoever was
    first; a `sever`ed one tells neither side anything.
    """

    def __init__(
        self,
        application: Application,
        path: str,
        *,
        query: str = "",
        address: str = "127.0.0.1",
        on_text: Callable[[str], None],
        on_close: Callable[[int], None],
    ) -> None:
        self.accepted = False
        self.code: int | None = None
        self._severed = False
        self._on_text = on_text
        self._on_close = on_close
        self._inbox: deque[Message] = deque([{"type": "websocket.connect"}])
        self._arrived = asyncio.Event()
        self._arrived.set()
        asked, client = query.encode("ascii"), (address, 50001)
        scope = _scope(path, type="websocket", scheme="ws", query_string=asked, subprotocols=[], client=client)
        self._task = asyncio.get_running_loop().create_task(self._serve(application, scope))

    def send(self, text: str) -> None:
        """A text frame; one that is sent after the end, or over a broken connection, arrives nowhere."""
        if self.code is None and not self._severed:
            self._arrives({"type": "websocket.receive", "text": text})

    def close(self, code: int = 1000) -> None:
        """The client closes the connection, and the application hears of it unless it is broken."""
        if self.code is None:
            self.code = code
            if not self._severed:
                self._arrives({"type": "websocket.disconnect", "code": code})

    def sever(self) -> None:
        """From now on nothing arrives, on neither side."""
        self._severed = True

    def _arrives(self, message: Message) -> None:
        self._inbox.append(message)
        self._arrived.set()

    async def _receive(self) -> Message:
        while not self._inbox:
            self._arrived.clear()
            await self._arrived.wait()
        return self._inbox.popleft()

    async def _send(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            self._closed(int(message.get("code", 1000)))
        elif self.code is not None:
            raise OSError("the client has gone")
        elif message["type"] == "websocket.accept":
            self.accepted = True
        elif message["type"] == "websocket.send" and not self._severed:
            self._on_text(message["text"])

    def _closed(self, code: int) -> None:
        """The application has closed it; it is told of the end as of any other."""
        if self.code is None:
            self.code = code
            self._arrives({"type": "websocket.disconnect", "code": code})
            if not self._severed:
                self._on_close(code)

    async def _serve(self, application: Application, scope: Message) -> None:
        try:
            await application(scope, self._receive, self._send)
        except Exception:  # a server closes the connection
            self._closed(1011)
        self._closed(WENT_AWAY)
