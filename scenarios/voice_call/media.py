"""The provider's media streams: WebSockets that it opens to the subject when an answer of the webhook grants one.

A stream carries what people say (transcripts, repeated until the subject has said `heard`, on the next stream if need
be), and signs of life in between. It ends by a stop frame, by the subject's closing, by a death, or by nothing at all.
Frames are those of `manager/plain_frames.py`. Marks: "world" for what people and networks do and for each start frame,
`attempted` and `acknowledged` for transcripts, as for events.

Not modelled: audio, frames that are damaged on their way, two streams of one call over which people are heard.
"""

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from harness.scenario import Run
from scenarios.voice_call.asgi import WENT_AWAY, Answer, Socket
from scenarios.voice_call.deliveries import Deliveries
from scenarios.voice_call.remote import Delivery, Happening, Outer, Plan
from scenarios.voice_call.remote_media import Frame, Media, Stream

STREAM_PATH: Final = "/voice/stream"
BEAT_S: Final = 20.0
"""Between two signs of life."""
REPEAT_S: Final = 2.0
"""How long the provider waits for `heard` before it sends a transcript again on the same stream."""

_MOST_ATTEMPTS: Final = 5
_MOST_STREAMS: Final = 6
_ASK_AFTER_S: Final = 0.5
_LATE_CLOSE_S: Final = 1.0
_AS_LONG_AS_S: Final = 150.0
"""Longer than any call may last: nobody shows signs of life for ever to a subject that does not hang up."""
_BREATH_S: Final = 0.001
"""Long enough for everything that is ready to run, and for nothing that waits for a timer of the subject."""
_BROKEN: Final = frozenset({WENT_AWAY, 1011, 1012, 1013})
"""Codes after which the provider wants to be heard again."""

_encode = msgspec.json.encode


class Streams(Deliveries):
    """The part of the provider that speaks over streams; in a world without media it does nothing."""

    def __init__(self, outer: Outer) -> None:
        super().__init__(outer)
        self._sockets: dict[str, Socket] = {}

    @property
    def media(self) -> Media:
        if self.outer.media is None:
            raise RuntimeError("this world has no media streams: give its workload `media`")
        return self.outer.media

    def now(self) -> float:
        """Virtual seconds since the epoch."""
        return self.run.now()

    def changed(self) -> None:
        """Something outside is another than before."""
        self._changed()

    def attach(self, run: Run) -> None:
        super().attach(run)
        self._sockets = {}
        media = self.outer.media
        if media is not None:
            for stream in [one for one in media.streams.values() if one.started_at and one.closed_at is None]:
                self._closed(stream, "death", WENT_AWAY)

    # -- people and networks ---------------------------------------------------------------------------------------

    def drop_stream(self, call: str) -> None:
        """The stream of a call ends, although the call goes on; nobody asks for another one."""
        stream = self.media.current(call)
        if stream is not None:
            self.run.mark("world", f"drop:{stream.id}")
            self._hang_up_stream(stream)

    def silence_stream(self, call: str) -> None:
        """The connection breaks, and neither side is told."""
        stream = self.media.current(call)
        if stream is not None and stream.silent_since is None:
            self.run.mark("world", f"silence:{stream.id}")
            stream.silent_since = self.run.now()
            self._sockets[stream.id].sever()
            self._changed()

    def reconnect(self, call: str) -> Happening | None:
        """The provider moves the stream of a call: it asks for a newer one, and closes the older one afterwards."""
        remote = self.outer.calls[call]
        if not remote.alive or remote.answered_at is None:
            return None
        self.run.mark("world", f"reconnect:{call}")
        return self._happen(call, "call.active", wantsStream=True)

    async def knock_stream(self, name: str, call: str, token: str, path: str = STREAM_PATH) -> None:
        """A stranger opens a stream and talks; "hostile:<name>" tells whether anybody listened (200) or which code came."""
        self.run.mark("attempted", f"hostile:{name}")
        told: list[str] = []
        code = 0
        if self._application is not None:
            socket = Socket(self._application, path, on_text=told.append, on_close=lambda _: None, address="192.0.2.9")
            socket.send(_text({"event": "start", "callId": call, "token": token}))
            socket.send(_text({"event": "transcript", "id": f"{name}-1", "text": f"{name} was here", "isFinal": True}))
            await asyncio.sleep(_BREATH_S)
            code = 200 if told or socket.code is None else socket.code
            socket.close()
        self.run.mark("acknowledged" if code == 200 else "refused", f"hostile:{name}", status=code)
        self.outer.knocks[name] = code
        self._changed()

    # -- what is due -----------------------------------------------------------------------------------------------

    def next_due(self) -> float | None:
        due = super().next_due()
        if self.outer.media is None:
            return due
        times = [at for stream in self.media.streams.values() if (at := self._due(stream)) is not None]
        times += [frame.due for frame in self.media.frames if self._carrier(frame) is not None]
        return min([*times, due] if due is not None else times, default=None)

    async def deliver_due(self) -> bool:
        busy = await super().deliver_due()
        if self.outer.media is None:
            return busy
        while await self._stream_due():
            busy = True
            await super().deliver_due()
        return busy

    def _due(self, stream: Stream) -> float | None:
        """When something is to be done about a stream."""
        if stream.closed_at is not None:
            return None
        ended_at = self.outer.calls[stream.call].ended_at
        if ended_at is not None:
            return ended_at
        if stream.started_at is None:
            return stream.at
        if stream.opened_at is None or stream.last_frame_at is None:
            return None
        beat = stream.last_frame_at + BEAT_S
        lasting = stream.silent_since is None and beat < stream.opened_at + _AS_LONG_AS_S
        times = [at for at in (stream.closes_at, beat if lasting else None) if at is not None]
        return min(times, default=None)

    async def _stream_due(self) -> bool:
        """Do one thing that is due now; whether there was one."""
        now = self.run.now()
        for stream in self.media.streams.values():
            due = self._due(stream)
            if due is not None and due <= now:
                await self._tend(stream, now)
                return True
        for frame in self.media.frames:
            carrier = self._carrier(frame)
            if frame.due <= now and carrier is not None:
                await self._send_transcript(carrier, frame)
                return True
        return False

    async def _tend(self, stream: Stream, now: float) -> None:
        if not self.outer.calls[stream.call].alive or (stream.closes_at is not None and stream.closes_at <= now):
            self._hang_up_stream(stream)
        elif stream.started_at is None:
            await self._open(stream)
        else:
            self._send(stream, {"event": "media"})
        await asyncio.sleep(_BREATH_S)

    # -- the life of a stream ----------------------------------------------------------------------------------------

    def _grant(self, call: str, url: str, token: str) -> None:
        """An answer of the webhook grants a stream: it is opened, once."""
        call = self.outer.renamed.get(call, call)
        if any(stream.token == token for stream in self.media.streams.values()) or call not in self.outer.calls:
            return
        name = f"{call}/{len(self.media.of(call)) + 1}"
        self.media.streams[name] = Stream(name, call, token, url, self.run.now())
        self._changed()

    async def _open(self, stream: Stream) -> None:
        if self._application is None:
            stream.at += 1.0
            self._changed()
            return
        self.run.mark("world", f"start:{stream.id}")
        stream.started_at = stream.last_frame_at = self.run.now()
        self._changed()
        url = urlsplit(stream.url)
        self._sockets[stream.id] = Socket(
            self._application,
            url.path,
            query=url.query,
            on_text=lambda text: self._told(stream, text),
            on_close=lambda code: self._closed(stream, "subject", code),
        )
        self._send(stream, {"event": "start", "callId": stream.call, "token": stream.token})
        await asyncio.sleep(_BREATH_S)
        if stream.closed_at is None:
            self._opened(stream)

    def _opened(self, stream: Stream) -> None:
        """Nobody has turned it away: from now on the call is heard over it."""
        now = self.run.now()
        for older in self.media.of(stream.call):
            if older.is_open:
                older.closes_at = now + _LATE_CLOSE_S
        stream.opened_at = now
        for frame in self.media.frames:
            if frame.call == stream.call:
                frame.due = now
        self._changed()

    def _hang_up_stream(self, stream: Stream) -> None:
        """The provider ends a stream, with a word."""
        socket = self._sockets.get(stream.id)
        self._send(stream, {"event": "stop"})
        self._closed(stream, "provider", 1000)
        if socket is not None:
            socket.close()

    def _closed(self, stream: Stream, by: str, code: int) -> None:
        if stream.closed_at is not None:
            return
        stream.closed_at, stream.by, stream.code = self.run.now(), by, code
        self._changed()
        remote = self.outer.calls[stream.call]
        wanted = self.media.reconnects and code in _BROKEN and remote.alive and remote.given_up_at is None
        planned = any(plan.call == stream.call and plan.action == "ask" for plan in self.outer.plans)
        happenings = self.outer.happenings.values()
        spoken_in = any(one.by_stream and one.call == stream.call and one.attempts for one in happenings)
        if wanted and spoken_in and not planned and len(self.media.of(stream.call)) < _MOST_STREAMS:
            self.outer.plans.append(Plan(self.run.now() + _ASK_AFTER_S, stream.call, "ask"))

    def _ask_for_stream(self, call: str) -> None:
        """A call that nobody hears any more asks to be heard again."""
        remote = self.outer.calls[call]
        if remote.alive and remote.given_up_at is None and self.media.current(call) is None:
            self._happen(call, "call.active", wantsStream=True)

    # -- frames --------------------------------------------------------------------------------------------------------

    def duplicate(self, event: str) -> None:
        happening = self.outer.happenings[event]
        if happening.by_stream:
            self._utter(happening)
        else:
            super().duplicate(event)

    def _utter(self, event: Happening) -> None:
        """Something was said: it goes over the stream, as soon as there is one."""
        event.by_stream = True
        event.pending += 1
        self.media.frames.append(Frame(event.id, event.call, self.run.now()))
        self._changed()

    def _carrier(self, frame: Frame) -> Stream | None:
        return self.media.current(frame.call) if self.outer.calls[frame.call].alive else None

    async def _send_transcript(self, stream: Stream, frame: Frame) -> None:
        event = self.outer.happenings[frame.event]
        if frame.attempt >= _MOST_ATTEMPTS:
            self._drop_frames(event)
            return
        event.attempts += 1
        self.run.mark("attempted", event.id, what=event.kind, call=event.call, attempt=event.attempts)
        frame.attempt += 1
        frame.due = self.run.now() + REPEAT_S
        body = event.body
        said = {"event": "transcript", "id": event.id, "text": body["transcript"], "isFinal": body["isFinal"]}
        self._send(stream, said | ({"turnToken": body["turnToken"]} if "turnToken" in body else {}))
        await asyncio.sleep(_BREATH_S)

    def _send(self, stream: Stream, frame: dict[str, Any]) -> None:
        if stream.silent_since is None:
            stream.last_frame_at = self.run.now()
        if stream.id in self._sockets:
            self._sockets[stream.id].send(_text(frame))
        self._changed()

    def _told(self, stream: Stream, text: str) -> None:
        """The subject says something over a stream."""
        frame = msgspec.json.decode(text)
        event = self.outer.happenings.get(str(frame.get("id")))
        if frame.get("event") != "heard" or event is None or event.call != stream.call:
            return
        if self.outer.lose_answers > 0:
            self.outer.lose_answers -= 1
            self.run.mark("refused", event.id, reason="answer-lost")
            self._changed()
            return
        self.run.mark("acknowledged", event.id, what=event.kind, call=event.call)
        if not event.acknowledged:
            event.acknowledged = True
            event.acknowledged_at = self.run.now()
            event.owed = self._owes(event)
        self._drop_frames(event)

    def _drop_frames(self, event: Happening) -> None:
        event.pending = 0
        self.media.frames = [frame for frame in self.media.frames if frame.event != event.id]
        self._changed()

    # -- what the webhook answers ----------------------------------------------------------------------------------

    def _read_answer(self, delivery: Delivery, answer: Answer, *, arrived: bool) -> None:
        """Remember what a request was answered first, and open what the answer grants."""
        request = " ".join(delivery.events)
        first = self.outer.answers.setdefault(request, answer.body)
        if first != answer.body and request not in self.outer.answered_otherwise:
            self.outer.answered_otherwise.append(request)
        if arrived and self.outer.media is not None and answer.body.startswith(b"{"):
            for grant in msgspec.json.decode(answer.body).get("streams", ()):
                self._grant(grant["callId"], grant["url"], grant["token"])
        self._changed()


def _text(frame: dict[str, Any]) -> str:
    return _encode(frame).decode()
