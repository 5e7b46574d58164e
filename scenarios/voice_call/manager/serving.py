"""The manager behind uvicorn: bind, restore, listen, and a stop that is a success.

The port is bound before the store is touched and listened on after the restore, so a port in use costs nothing, and
nobody is answered by half a manager. SIGTERM and SIGINT end with a drained manager and a normal return: uvicorn by
itself raises the signal again after its shutdown, which makes an orderly stop look like a death. Requests whose clients
keep them waiting are answered with 503 when the patience of a stop is over: that is no error of anybody here.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn

from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.config import EventLog, is_loopback
from scenarios.voice_call.manager.reading import READING_PATH, CallReadings
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.web import Application, Receive, Scope, Send, refuse_as_not_ready


class CannotStart(Exception):
    """Nothing is served, and nothing is held; the text says why and what to do."""


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own, and with an end for every connection."""

    def __init__(self, app: Application, log: EventLog, *, patience_s: int) -> None:
        super().__init__(
            uvicorn.Config(
                self.serve_one,
                interface="asgi3",  # it does not recognise a bound method
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                # Longer than ours: what it finds then does not even take the answer that it was turned away.
                timeout_graceful_shutdown=patience_s + 1,
            )
        )
        self._app = app
        self._log = log
        self._patience_s = patience_s

    async def serve_one(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or turn it away when a stop cuts it short."""
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self.should_exit:
                raise
            if scope["type"] == "http":
                await refuse_as_not_ready(send)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            self._log.info("listening", host=host, port=port)

    def cut_short(self) -> None:
        """The patience is over: nothing is admitted yet of what is still being read."""
        tasks = list(self.server_state.tasks)
        if tasks:
            self._log.warning("requests-cut-short", requests=len(tasks))
        for task in tasks:
            task.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A connection that is being accepted while uvicorn counts them would be served until the patience is over.
        for server in self.servers:
            server.close()
        await asyncio.sleep(0.01)
        last = asyncio.get_running_loop().call_later(self._patience_s, self.cut_short)
        try:
            await super().shutdown(sockets)
        finally:
            last.cancel()


def bind(host: str, port: int) -> socket.socket:
    """A socket on this address that does not listen yet. Raises CannotStart."""
    bound: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        if bound is not None:
            bound.close()
        raise CannotStart(f"cannot bind {host} port {port}: {error}; choose another --port or --host") from error
    return bound


async def serve(manager: CallManager, listener: socket.socket, log: EventLog) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises CannotStart; the store is released in any case."""
    if is_loopback(manager.config.bind_host):
        manager.app.readers[READING_PATH] = CallReadings(manager.status, manager.history, manager.is_ready)
    server = _Server(manager.app, log, patience_s=max(1, manager.config.drain_ms // 1000))
    loop = asyncio.get_running_loop()
    starting = loop.create_task(manager.start())

    def ask_to_stop(number: signal.Signals) -> None:
        log.info("stop-asked", signal=number.name)
        server.force_exit = server.should_exit
        server.should_exit = True
        starting.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask_to_stop, number)
    try:
        await starting
    except StoreUnavailable as error:
        raise CannotStart(str(error)) from error
    except asyncio.CancelledError:
        await manager.stop()
        if not server.should_exit:
            raise
        return
    host, port = listener.getsockname()[:2]
    try:
        await server.serve(sockets=[listener])
    except OSError as error:
        raise CannotStart(f"cannot listen on {host} port {port}: {error}") from error
    finally:
        await manager.stop()
