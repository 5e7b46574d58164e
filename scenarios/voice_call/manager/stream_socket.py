"""One WebSocket of a provider, and how many there may be: ASGI by hand.

Whoever wants a socket closed says so with `close`, at any time and from anywhere; whatever its reader waits for then
ends with TimeoutError, and the reader closes. Not modelled: compression, subprotocols, pings (the server's business).
"""

import asyncio

from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.web import Receive, Scope, Send

NORMAL = 1000
NO_STATUS = 1005
REFUSED = 1008
TOO_LARGE = 1009
FAILED = 1011
RESTART = 1012
LATER = 1013


class StreamRefused(Exception):
    """A socket that may not become a stream: the reason for the log, the code for the peer."""

    def __init__(self, why: str, code: int = REFUSED) -> None:
        super().__init__(why)
        self.why = why
        self.code = code


class StreamSocket:
    """A socket and what is known about it.

    `call_id` and `token` name the stream it became. `heard_at` is the loop's time of the last frame, `left` the code with
    which the peer went.
    """

    def __init__(self, receive: Receive, send: Send, limit_ms: int, frame_limit: int) -> None:
        self.call_id: str | None = None
        self.token: str | None = None
        self.heard_at = asyncio.get_running_loop().time()
        self.left: int | None = None
        self.closing: int | None = None
        self.limit = asyncio.timeout(limit_ms / 1000)
        self._receive = receive
        self._send = send
        self._frame_limit = frame_limit

    async def frame(self) -> str | None:
        """The next text; empty for a binary frame, None when the peer has gone. Raises StreamRefused."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.left = message.get("code", NO_STATUS)
            return None
        self.heard_at = asyncio.get_running_loop().time()
        text = message.get("text") or ""
        if len(text) > self._frame_limit:
            raise StreamRefused("frame-too-large", TOO_LARGE)
        return str(text)

    async def accept(self) -> None:
        """Take the peer's offer."""
        await self._send({"type": "websocket.accept"})

    async def say(self, text: str) -> None:
        """Send a text frame."""
        await self._send({"type": "websocket.send", "text": text})

    def close(self, code: int) -> None:
        """Have the reader end and close with this code; the first who says so decides."""
        if self.closing is not None:
            return
        self.closing = code
        if not self.limit.expired():
            self.limit.reschedule(asyncio.get_running_loop().time())

    async def shut(self, code: int, patience_ms: int) -> None:
        """Tell the peer, unless it has gone; a peer that does not read is not waited for."""
        if self.left is None:
            async with asyncio.timeout(patience_ms / 1000):
                await self._send({"type": "websocket.close", "code": code})


class Seats:
    """How many sockets are open: in all, of one address, and without a `start` yet.

    A seat is taken before anything is awaited, so that no two sockets get the last one.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.taken = 0
        self.pending = 0
        self._by_address: dict[str, int] = {}

    def take(self, address: str) -> None:
        """A seat for a socket from this address. Raises StreamRefused."""
        if self.taken >= self.config.streams_total:
            raise StreamRefused("too-many-streams", LATER)
        if self.pending >= self.config.streams_pending:
            raise StreamRefused("too-many-pending", LATER)
        if self._by_address.get(address, 0) >= self.config.streams_per_address:
            raise StreamRefused("too-many-of-one-address", LATER)
        self.taken += 1
        self.pending += 1
        self._by_address[address] = self._by_address.get(address, 0) + 1

    def start(self) -> None:
        """A socket has become a stream, or never will."""
        self.pending -= 1

    def leave(self, address: str) -> None:
        """Give a seat back."""
        self.taken -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


def address_of(scope: Scope) -> str:
    """Where a socket comes from; all that do not tell are one."""
    client = scope.get("client")
    return str(client[0]) if client else ""
