"""The HTTP relay: a server's answers as marks, in their exact place among its operations.

A client that prints a line when it has its answer prints too late: by then the server may have made its next call, and an
acknowledgement sent before a sync would stand after it. So clients talk to a port of ours, and everything is passed on to
the port of the program, byte by byte; what the server has sent is read before its next operation is recorded, for its
`send` had returned then. A request that has been passed on is a mark "attempted", an answer that is complete is
"acknowledged" (2xx) or "refused"; each names method, target and body of the request.

HTTP/1.0 and 1.1, read by h11. What h11 cannot read, and what follows a change of protocol (WebSocket), is passed on
without marks.
"""

import contextlib
import select
import socket
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import h11

from harness.trace import Mark

BODY_MAX: Final = 4096
"""Characters of a request's body that its marks carry."""

_CHUNK: Final = 65_536
_HOST: Final = "127.0.0.1"

Handler = Callable[[], None]


class Loop(Protocol):
    """Who waits for descriptors: the session."""

    def watch(self, descriptor: int, handler: Handler, events: int = select.POLLIN) -> None: ...
    def unwatch(self, descriptor: int) -> None: ...


class Relay:
    """Listens on port `front`, passes on to port `back` of this machine. `listen` takes marks down at once."""

    def __init__(self, front: int, back: int, loop: Loop, listen: Handler) -> None:
        self._back = back
        self._loop = loop
        self._listen = listen
        self._exchanges: set[_Exchange] = set()
        self._socket = socket.create_server((_HOST, front))
        self._socket.setblocking(False)
        loop.watch(self._socket.fileno(), self._accept)

    def marks(self) -> Iterator[Mark]:
        """What servers have answered, and clients asked, since the last time; never waits."""
        for exchange in list(self._exchanges):
            yield from exchange.marks()
            self._attend(exchange)  # what was read just now has no event of its own any more

    def close(self) -> None:
        for exchange in list(self._exchanges):
            self._end(exchange)
        self._loop.unwatch(self._socket.fileno())
        self._socket.close()

    def _accept(self) -> None:
        try:
            client, _ = self._socket.accept()
        except OSError:
            return
        try:
            server = socket.create_connection((_HOST, self._back), timeout=1.0)
        except OSError:  # nobody listens there yet: the client is told as if it had asked there itself
            client.close()
            return
        exchange = _Exchange(client, server)
        self._exchanges.add(exchange)
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _acknowledge_at_once(end)
            self._loop.watch(end.fileno(), lambda: self._serve(exchange))

    def _serve(self, exchange: "_Exchange") -> None:
        self._listen()
        if exchange not in self._exchanges:
            return
        exchange.pass_on()
        if exchange.ended:
            self._end(exchange)
        else:
            self._attend(exchange)

    def _attend(self, exchange: "_Exchange") -> None:
        """Wait for what is still to come of this exchange, and for room where something is to be passed on."""
        for end, waiting, done in (
            (exchange.client, exchange.to_client, exchange.client_done),
            (exchange.server, exchange.to_server, exchange.server_done),
        ):
            if done and not waiting and not exchange.unsettled:
                self._loop.unwatch(end.fileno())  # it would be found readable for ever
            else:
                events = (0 if done else select.POLLIN) | (select.POLLOUT if waiting or exchange.unsettled else 0)
                self._loop.watch(end.fileno(), lambda: self._serve(exchange), events)

    def _end(self, exchange: "_Exchange") -> None:
        self._exchanges.discard(exchange)
        for end in (exchange.client, exchange.server):
            self._loop.unwatch(end.fileno())
            end.close()


class _Exchange:
    """One connection of a client and the one to the server that belongs to it.

    `client_done`: the client asks nothing more, and the server has been told so. `ended`: the server answers nothing more.
    """

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.to_server = bytearray()
        self.to_client = bytearray()
        self.client_done = False
        self.server_done = False
        self._told_server = False
        self._broken = False
        self._asked = h11.Connection(h11.SERVER)
        self._answered = h11.Connection(h11.CLIENT)
        self._readable = True
        self._request = ""
        self._body = bytearray()
        self._status = 0

    @property
    def ended(self) -> bool:
        return self._broken or (self.server_done and not self.to_client)

    @property
    def unsettled(self) -> bool:
        """An end has closed, and nobody has drawn the consequence yet: `pass_on`, and then `ended`."""
        return self.ended or (self.client_done and not self._told_server)

    def marks(self) -> Iterator[Mark]:
        """Read both ends, without waiting; what came is to be passed on."""
        # the answer first: the client cannot have asked anything new before it got it
        came = None if self.server_done else _read(self.server)
        self.server_done |= came == b""
        if came:
            self.to_client += came
            yield from self._follow(self._answers, came)
        asked = None if self.client_done else _read(self.client)
        self.client_done |= asked == b""
        if asked:
            self.to_server += asked
            yield from self._follow(self._requests, asked)

    def pass_on(self) -> None:
        for end, waiting in ((self.client, self.to_client), (self.server, self.to_server)):
            try:
                while waiting:
                    del waiting[: end.send(waiting)]
            except BlockingIOError:
                continue
            except OSError:
                self._broken = True
        if self.client_done and not self.to_server and not self._told_server:
            self._told_server = True
            with contextlib.suppress(OSError):
                self.server.shutdown(socket.SHUT_WR)

    def _follow(self, read: Callable[[bytes], Iterator[Mark]], data: bytes) -> Iterator[Mark]:
        if self._readable:
            try:
                yield from read(data)
            except h11.ProtocolError:
                self._readable = False

    def _requests(self, data: bytes) -> Iterator[Mark]:
        self._asked.receive_data(data)
        while True:
            event = self._asked.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Request):
                self._request = f"{event.method.decode()} {event.target.decode()}"
                self._body.clear()
                # as 1.1, whatever it was: that is what h11 sends, and nothing of it leaves
                self._answered.send(h11.Request(method=event.method, target=event.target, headers=event.headers))
            elif isinstance(event, h11.Data):
                self._body += event.data
                self._answered.send(event)
            elif isinstance(event, h11.EndOfMessage):
                self._answered.send(h11.EndOfMessage())
                yield Mark("attempted", self._what())
            else:
                return

    def _answers(self, data: bytes) -> Iterator[Mark]:
        self._answered.receive_data(data)
        while True:
            event = self._answered.next_event()
            if event is h11.NEED_DATA:
                return
            if event is h11.PAUSED:
                self._readable = self._answered.their_state is not h11.SWITCHED_PROTOCOL
                return
            if isinstance(event, h11.Response):
                self._status = event.status_code
            elif isinstance(event, h11.EndOfMessage):
                kind = "acknowledged" if 200 <= self._status < 300 else "refused"
                yield Mark(kind, self._what(), {"status": self._status})
                yield from self._next()
                return
            elif isinstance(event, h11.ConnectionClosed):
                return

    def _next(self) -> Iterator[Mark]:
        """Ready for the next request on this connection, if it may have one; it may be here already."""
        if self._answered.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            self._readable = False
            return
        self._answered.start_next_cycle()
        early, _ = self._asked.trailing_data
        self._asked = h11.Connection(h11.SERVER)
        if early:
            yield from self._requests(early)

    def _what(self) -> str:
        body = self._body.decode("utf-8", "backslashreplace")
        return f"{self._request} {body[:BODY_MAX]}".rstrip()


def _acknowledge_at_once(end: socket.socket) -> None:
    """Else the last part of an answer that is sent in parts waits for us in the server's kernel (Nagle's algorithm), and
    is not there to be read though it was sent. Does not last: to be said again after each read (tcp(7))."""
    if hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _read(end: socket.socket) -> bytes | None:
    """All that is there; None where nothing is, empty at the end."""
    read = bytearray()
    while True:
        try:
            data = end.recv(_CHUNK)
        except BlockingIOError:
            return bytes(read) or None
        except OSError:
            data = b""
        if not data:
            return bytes(read)
        read += data
        _acknowledge_at_once(end)
