"""The web face: one ASGI application that hands each request to its part, and the server's life to the manager."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


async def no_stream(scope: Scope, receive: Receive, send: Send) -> None:
    """A manager without media streams destroys every socket."""
    await send({"type": "websocket.close", "code": 1008})


async def refuse_as_not_ready(send: Send) -> None:
    """Answer with 503: what was asked was not done, and may be asked again."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"0"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


class WebFace:
    """`http` serves every path that `readers` do not; `readers` maps the first part of a path to who serves it."""

    def __init__(
        self,
        http: Application,
        websocket: Application,
        *,
        start: Callable[[], Awaitable[None]],
        stop: Callable[[], Awaitable[None]],
        readers: Mapping[str, Application] | None = None,
    ) -> None:
        self.http = http
        self.websocket = websocket
        self.readers = dict(readers or {})
        self._start = start
        self._stop = stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's life."""
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self.websocket(scope, receive, send)
        else:
            await self.reader_of(scope["path"])(scope, receive, send)

    def reader_of(self, path: str) -> Application:
        """Who serves a path."""
        for prefix, reader in self.readers.items():
            if path == prefix or path.startswith(prefix + "/"):
                return reader
        return self.http

    async def lifespan(self, receive: Receive, send: Send) -> None:
        """A server starts the manager before it binds its socket, and stops it after the last request."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._start()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
