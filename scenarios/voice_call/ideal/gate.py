"""The web face: one path, one method, one kind of body. What a request tells becomes true as a whole, or not at all."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, NoReturn

from scenarios.voice_call.ideal.desk import Desk
from scenarios.voice_call.ideal.facts import AnyFact
from scenarios.voice_call.ideal.reports import NotYet, decide, read
from scenarios.voice_call.manager.provider_client import ProviderRequest
from scenarios.voice_call.manager.store import StoreUnavailable

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Turned(Exception):
    """This request gets this answer, and has no effect."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def _turn(status: HTTPStatus) -> NoReturn:
    raise Turned(status)


class Gate:
    """The ASGI application. `open` says whether events are taken; `begin` and `finish` are for servers with a lifespan."""

    def __init__(
        self,
        desk: Desk,
        is_open: Callable[[], bool],
        begin: Callable[[], Awaitable[None]],
        finish: Callable[[], Awaitable[None]],
    ) -> None:
        self.desk = desk
        self.inside = 0
        self._is_open = is_open
        self._begin = begin
        self._finish = finish

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, or the life of a server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            self.inside += 1
            try:
                await self._answer(await self._status(scope, receive), send)
            finally:
                self.inside -= 1
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _status(self, scope: Message, receive: Receive) -> HTTPStatus:
        try:
            return await self._take(scope, receive)
        except Turned as turned:
            return turned.status
        except (NotYet, StoreUnavailable) as error:
            self.desk.log.info("come-again", why=str(error))
            return HTTPStatus.SERVICE_UNAVAILABLE
        except Exception as error:
            self.desk.log.error("request-broke", why=f"{type(error).__name__}: {error}")
            return HTTPStatus.INTERNAL_SERVER_ERROR

    async def _take(self, scope: Message, receive: Receive) -> HTTPStatus:
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        if raw.removesuffix(b"/") != self.desk.config.webhook_path.encode():
            _turn(HTTPStatus.NOT_FOUND)
        if scope["method"] != "POST":
            _turn(HTTPStatus.METHOD_NOT_ALLOWED)
        if not self._is_open():
            _turn(HTTPStatus.SERVICE_UNAVAILABLE)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request = ProviderRequest("POST", scope["path"], headers, await self._body(headers, receive))
        if not self.desk.client.verify(request):
            _turn(HTTPStatus.UNAUTHORIZED)
        try:
            reports = [read(one) for one in self.desk.client.parse(request)]
        except ValueError:
            _turn(HTTPStatus.BAD_REQUEST)
        if not self._is_open():
            _turn(HTTPStatus.SERVICE_UNAVAILABLE)
        book, now = self.desk.book.copy(), self.desk.now()
        news: list[AnyFact] = []
        for report in reports:
            follows = decide(book, report, self.desk.config, now)
            book.fold(follows)
            news += follows
        self.desk.commit(news)
        return HTTPStatus.OK

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        limit = self.desk.config.body_limit
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limit:
            _turn(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body, more = b"", True
        try:
            async with asyncio.timeout(self.desk.config.body_timeout_ms / 1000):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        _turn(HTTPStatus.REQUEST_TIMEOUT)
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > limit:
                        _turn(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        except TimeoutError:
            _turn(HTTPStatus.REQUEST_TIMEOUT)
        return body

    async def _answer(self, status: HTTPStatus, send: Send) -> None:
        body = status.phrase.encode()
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append((b"allow", b"POST"))
        await send({"type": "http.response.start", "status": status.value, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.startup":
                try:
                    await self._begin()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif kind == "lifespan.shutdown":
                await self._finish()
                await send({"type": "lifespan.shutdown.complete"})
                return
