"""Media streams: who may open one, what is heard on it, and what its end means (catalogue 8.9, classes 20, 22, 26, 58).

A stream is opened with a token that an answer of the webhook handed out; each token opens one. Everything about a
stream is in the record of its call but the socket itself: which one counts, and until when its silence or its absence
is borne. The end of a stream that another one has replaced means nothing. After a restart no socket exists, so the
restore takes the stream away and the same grace begins.

A transcript is an event like speech by webhook: acknowledged (`heard`) when it is durable, and known again by its frame
id, on this stream or a later one of the call: frame ids are unique within a call. Interim transcripts are signs of life.

Not modelled: audio. It goes out by the provider's `play`, so nothing waits for a stream before it speaks.
"""

import asyncio
import hmac
import urllib.parse
from collections.abc import Callable

from scenarios.voice_call.manager.events import CallEvent, Change, EventRules
from scenarios.voice_call.manager.lifecycle import (
    STREAM_GRACE,
    begin_ending,
    connect_stream,
    is_live,
    keep_stream,
    lose_stream,
    without_deadline,
)
from scenarios.voice_call.manager.provider_client import StreamFrame
from scenarios.voice_call.manager.records import CallRecord, Media
from scenarios.voice_call.manager.replies import Replies
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.stream_socket import (
    FAILED,
    LATER,
    NORMAL,
    RESTART,
    Seats,
    StreamRefused,
    StreamSocket,
    address_of,
)
from scenarios.voice_call.manager.switchboard import Switchboard
from scenarios.voice_call.manager.web import Receive, Scope, Send

_OTHER = StreamFrame("other")


class MediaStreams:
    """An ASGI application for WebSockets. The timers call `watch` and `grace_is_over`."""

    def __init__(self, desk: Switchboard, rules: EventRules, replies: Replies, ready: Callable[[], bool]) -> None:
        self.desk = desk
        self.rules = rules
        self.replies = replies
        self.seats = Seats(desk.config)
        self._ready = ready
        self._sockets: dict[StreamSocket, None] = {}
        self._current: dict[str, StreamSocket] = {}
        self._turned_away: dict[str, str] = {}

    @property
    def in_flight(self) -> int:
        """The sockets that are still being served."""
        return self.seats.taken

    # --- one socket ----------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket, from the offer to its end."""
        address = address_of(scope)
        await receive()
        try:
            self.check_offer(scope)
            self.seats.take(address)
        except StreamRefused as refused:
            self.desk.log.warning("stream-refused", why=refused.why)
            await send({"type": "websocket.close", "code": refused.code})
            return
        config = self.desk.config
        socket = StreamSocket(receive, send, config.stream_start_timeout_ms, config.body_limit)
        try:
            await self.serve(socket, query_token(scope))
        except Exception as error:
            self.desk.log.error("stream-failed", call=socket.call_id, why=f"{type(error).__name__}: {error}")
        finally:
            if socket.call_id is None:
                self.seats.start()
            self.seats.leave(address)

    def check_offer(self, scope: Scope) -> None:
        """Exactly the path, and a manager that takes events. Raises StreamRefused."""
        raw = scope.get("raw_path")
        path = scope["path"] if raw is None else raw.decode("latin-1")
        wanted = self.desk.config.stream_path
        if path not in (wanted, wanted + "/"):
            raise StreamRefused("unknown-path")
        if not self._ready():
            raise StreamRefused("not-ready", LATER)

    async def serve(self, socket: StreamSocket, token: str | None) -> None:
        """Hear a socket out; whatever ends it, the record knows before the peer does."""
        try:
            code = await self.hear_out(socket, token)
        except StreamRefused as refused:
            self.desk.log.warning("stream-refused", call=socket.call_id, why=refused.why)
            code = refused.code
        except Exception as error:
            self.desk.log.error("stream-failed", call=socket.call_id, why=f"{type(error).__name__}: {error}")
            code = FAILED
        noted = self.note_end(socket)
        try:
            await socket.shut(code, self.desk.config.stream_start_timeout_ms)
        except Exception as error:
            self.desk.log.info("stream-not-closed", call=socket.call_id, why=type(error).__name__)
        while not noted and self._ready():
            await asyncio.sleep(self.desk.config.retry_base_ms / 1000)
            noted = self.note_end(socket)

    async def hear_out(self, socket: StreamSocket, token: str | None) -> int:
        """Everything between the offer and the end; the code to close with. Raises StreamRefused."""
        self._sockets[socket] = None
        try:
            async with socket.limit:
                await socket.accept()
                start = await self.first_frame(socket)
                if start is not None:
                    self.connect(socket, start, start.token or token)
                    socket.limit.reschedule(None)
                    await self.listen(socket)
                return NORMAL
        except TimeoutError:
            if not socket.limit.expired():
                raise
            if socket.closing is None:
                raise StreamRefused("no-start-in-time") from None
            return socket.closing
        finally:
            del self._sockets[socket]

    async def first_frame(self, socket: StreamSocket) -> StreamFrame | None:
        """The `start` frame; None when the peer went before. Raises StreamRefused."""
        while (raw := await socket.frame()) is not None:
            frame = self.read(raw)
            if frame.kind == "start":
                return frame
            if frame.kind != "other":
                raise StreamRefused(f"{frame.kind}-before-start")
        return None

    def read(self, raw: str) -> StreamFrame:
        """A frame; one that cannot be read is told, and is nothing but a sign of life."""
        if not raw:
            return _OTHER
        try:
            return self.desk.line.client.read_frame(raw)
        except ValueError:
            self.desk.log.warning("stream-frame-refused", length=len(raw))
            return _OTHER

    async def listen(self, socket: StreamSocket) -> None:
        """Frames, until the peer stops or goes."""
        while (raw := await socket.frame()) is not None:
            frame = self.read(raw)
            if frame.kind == "stop":
                return
            if frame.kind == "transcript" and frame.is_final:
                await self.hear(socket, frame)

    # --- connecting ----------------------------------------------------------------------------------------------

    def connect(self, socket: StreamSocket, start: StreamFrame, given: str | None) -> None:
        """Make the socket the stream of its call, durably. Raises StreamRefused."""
        try:
            self.desk.journal.ensure_writable()
            record = self.caller(start.provider_call_id)
            token = self.admitted_token(record, given)
            after = connect_stream(record, token, self.desk.journal.now(), self.desk.config.media_inactivity_ms)
            self._connect(record, after, token)
        except StoreUnavailable as error:
            raise StreamRefused(f"the store refuses: {error}", LATER) from error
        socket.call_id = record.call_id
        socket.token = token
        self._current[record.call_id] = socket
        self.seats.start()
        self.desk.log.info(self.meaning(record.media), call=record.call_id)

    def _connect(self, record: CallRecord, after: CallRecord, token: str) -> None:
        """Write it; a token whose peer is told to come again may come again, even if the line turns out to be there."""
        self._turned_away[record.call_id] = token
        self.desk.journal.commit(record, after, "stream-connected")
        del self._turned_away[record.call_id]

    def caller(self, provider_call_id: str | None) -> CallRecord:
        """The live call a stream says it belongs to. Raises StreamRefused."""
        record = self.desk.book.find(provider_call_id)
        if record is None or record.standing != "call":
            raise StreamRefused("unknown-call")
        if not is_live(record):
            raise StreamRefused("ended-call")
        return record

    def admitted_token(self, record: CallRecord, given: str | None) -> str:
        """The token, if it is one of this call and has opened nothing yet. Raises StreamRefused.

        Compared in constant time with each there is: how long a refusal takes tells nothing.
        """
        media = record.media or Media()
        offered = (given or "").encode()
        matches = [token for token in media.tokens.values() if hmac.compare_digest(token.encode(), offered)]
        if not offered or not matches:
            raise StreamRefused("wrong-token")
        token = matches[0]
        if token in media.used and not (media.stream == token == self._turned_away.get(record.call_id)):
            raise StreamRefused("used-token")
        return token

    def meaning(self, media: Media | None) -> str:
        """The name of a connection in the log."""
        if media is not None and media.stream is not None:
            return "stream-superseded"
        return "stream-connected" if media is None or media.disconnected_at is None else "stream-regained"

    # --- hearing -------------------------------------------------------------------------------------------------

    async def hear(self, socket: StreamSocket, frame: StreamFrame) -> None:
        """Keep a final transcript, then say so. What the store refuses is not acknowledged: it will be repeated."""
        try:
            self.desk.journal.ensure_writable()
            if not self.is_current(socket):
                return
            self.keep(str(socket.call_id), frame)
        except StoreUnavailable as error:
            self.desk.log.warning("transcript-refused", call=socket.call_id, why=str(error))
            return
        if frame.id is not None:
            await socket.say(self.desk.line.client.heard(frame.id))

    def keep(self, call_id: str, frame: StreamFrame) -> None:
        """The event in a transcript, and the answer that is owed for it: one record. Raises StoreUnavailable."""
        frame_id = frame.id or self.desk.new_id()
        event = CallEvent(
            id=f"stream:{frame_id}",
            type="call.speech",
            call_id=call_id,
            transcript=frame.text,
            turn_token=frame.turn_token,
        )
        decision = self.rules.admit(event, self.desk.journal.now())
        if isinstance(decision, Change) and decision.before is not None:
            after = self.replies.owe(decision.before, decision.after, frame_id, frame.text)
            self.desk.journal.commit(decision.before, after, decision.kind)

    # --- ending --------------------------------------------------------------------------------------------------

    def is_current(self, socket: StreamSocket) -> bool:
        """Whether this socket is the stream of its call, and not one that was replaced."""
        record = self.desk.book.get(socket.call_id or "")
        return record is not None and record.media is not None and socket.token == record.media.stream is not None

    def note_end(self, socket: StreamSocket) -> bool:
        """Write down that a stream has ended, if it counts; False when the store refuses.

        A server that restarts ends sockets, not streams: those stay written as connected, for the restore.
        """
        if self._current.get(socket.call_id or "") is socket:
            del self._current[str(socket.call_id)]
        if not self.is_current(socket) or RESTART in (socket.left, socket.closing):
            return True
        try:
            self.lose(str(socket.call_id), "stream-ended")
        except StoreUnavailable as error:
            self.desk.log.warning("stream-end-not-written", call=socket.call_id, why=str(error))
            return False
        return True

    def lose(self, call_id: str, kind: str) -> None:
        """The stream of a call is gone: the grace begins. Raises StoreUnavailable."""
        self.desk.journal.ensure_writable()
        record = self.desk.book.get(call_id)
        if record is not None and record.media is not None and record.media.stream is not None:
            after = lose_stream(record, self.desk.journal.now(), self.desk.config.stream_grace_ms)
            self.desk.journal.commit(record, after, kind)
            self.desk.log.info(kind, call=call_id)

    def follow(self, record: CallRecord) -> None:
        """Close a socket that is no longer the stream of its call: replaced, given up, or the call is over."""
        socket = self._current.get(record.call_id)
        if socket is not None and (record.media is None or record.media.stream != socket.token):
            del self._current[record.call_id]
            socket.close(NORMAL)

    def stop(self) -> None:
        """Close every socket: the peers may come again."""
        for socket in list(self._sockets):
            socket.close(RESTART)

    # --- timers --------------------------------------------------------------------------------------------------

    def watch(self, call_id: str) -> None:
        """The inactivity deadline: moved on when something was heard since, else the stream is dead.

        Silence is measured by the loop's clock: a wall clock that was set tells nothing about a socket.
        """
        record = self.desk.book.get(call_id)
        if record is None or not is_live(record):
            return
        socket = self._current.get(call_id)
        silent_ms = self.desk.config.media_inactivity_ms
        if socket is not None:
            silent_ms = round((asyncio.get_running_loop().time() - socket.heard_at) * 1000)
        left_ms = self.desk.config.media_inactivity_ms - silent_ms
        if left_ms > 0:
            self.desk.journal.commit(record, keep_stream(record, self.desk.journal.now() + left_ms), "stream-alive")
        else:
            self.lose(call_id, "stream-silent")

    def grace_is_over(self, call_id: str) -> None:
        """No newer stream came: nobody can be heard any more, so the call is ended."""
        record = self.desk.book.get(call_id)
        if record is None or not is_live(record) or STREAM_GRACE not in record.deadlines:
            return
        self.desk.log.info("stream-grace-over", call=call_id)
        ending = begin_ending(without_deadline(record, STREAM_GRACE), "hangup-bot", self.desk.journal.now())
        self.desk.journal.commit(record, ending, "ending")


def query_token(scope: Scope) -> str | None:
    """The token in the query of the address, for providers whose start frame cannot carry one."""
    given = urllib.parse.parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token")
    return given[0] if given else None
