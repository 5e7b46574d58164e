"""The end of a media stream is an end of a socket and nothing else: the call goes on with nobody to be heard.

Source: openclaw/openclaw#6702, #18435; remoteclaw/remoteclaw#3006.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.media_stream import MediaStreams
from scenarios.voice_call.manager.stream_socket import StreamSocket


class ShrugsAtEnds(MediaStreams):
    """Sockets come and go."""

    def note_end(self, socket: StreamSocket) -> bool:
        return True


BUG = SeededBug(
    id="stream-end-ignored",
    number=26,
    group="call-manager",
    source="openclaw/openclaw#6702, #18435; remoteclaw/remoteclaw#3006",
    trigger="a stream that ends while the call goes on",
    expected="stale-active",
    build=with_parts(streams=ShrugsAtEnds),
    workloads=("stream",),
)
