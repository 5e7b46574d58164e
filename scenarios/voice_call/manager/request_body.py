"""What is read of a request before anybody believes it: bounded in size and in time.

A request that is turned away here has changed nothing; its status is all it gets.
"""

import asyncio

from scenarios.voice_call.manager.web import Receive

# More digits than this are more bytes than any limit, and int() refuses very long texts.
_MOST_DIGITS = 15


class Refused(Exception):
    """A request that gets this status and nothing else."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def announced_length(headers: dict[str, str]) -> int:
    """The length that the header promises; 0 when it is silent. Raises Refused 400 or 413."""
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal()):
        raise Refused(400)
    if len(length) > _MOST_DIGITS:
        raise Refused(413)
    return int(length)


async def read_body(headers: dict[str, str], receive: Receive, *, limit: int, timeout_ms: int) -> bytes:
    """The body, of at most `limit` bytes. Raises Refused 400, 408 or 413."""
    if announced_length(headers) > limit:
        raise Refused(413)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(408)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise Refused(413)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise Refused(408) from None
