"""Whichever stream of a call ends, the call is hung up; and a stream that falls silent is taken for a quiet person.

A provider that moves a stream opens the new one before it closes the old one, so the close of the old one kills a living
call. A proxy that loses the connection tells nobody, and the call waits for its cap. Source: openclaw/openclaw#6702,
#65601, #81122, #125463, #125469; pipecat-ai/pipecat#3140, #3179; livekit/livekit#3376.
"""

from harness.scenario import Facet, SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import begin_ending, is_live, keep_stream
from scenarios.voice_call.manager.media_stream import MediaStreams
from scenarios.voice_call.manager.stream_socket import RESTART, StreamSocket


class AnyEndIsTheEnd(MediaStreams):
    """Knows that a call had a stream, not which."""

    def note_end(self, socket: StreamSocket) -> bool:
        record = self.desk.book.get(socket.call_id or "")
        if record is not None and is_live(record) and RESTART not in (socket.left, socket.closing):
            ending = begin_ending(record, "hangup-bot", self.desk.journal.now())
            self.desk.journal.commit(record, ending, "stream-ended")
        return True

    def watch(self, call_id: str) -> None:
        record = self.desk.book.get(call_id)
        if record is not None and is_live(record):
            due = self.desk.journal.now() + self.desk.config.media_inactivity_ms
            self.desk.journal.commit(record, keep_stream(record, due), "stream-alive")


BUG = SeededBug(
    id="stream-liveness-mistakes",
    number=26,
    group="call-manager",
    source="openclaw/openclaw#6702, #65601, #81122, #125463, #125469; pipecat-ai/pipecat#3140; livekit/livekit#3376",
    trigger="a stream that is moved; a connection that breaks without a word",
    expected="wrong-terminal",
    build=with_parts(streams=AnyEndIsTheEnd),
    workloads=("stream-reconnect", "stream-silent"),
    facets=(
        Facet("superseded-end", ("wrong-terminal",), summary="* was hung up while its stream * was there"),
        Facet("silent-line", ("stale-active",), summary="* was left for *"),
    ),
)
