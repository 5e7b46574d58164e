"""What somebody who resets a session knows of it: what it held before, and how far its calls had come.

It is kept in the request (`remote.Request.answer`), because it survives the subject.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec


class SessionMemory(msgspec.Struct, frozen=True):
    """The session before the reset, and the number of lines of each of its calls when the reset was done.

    `lines` are (call, number of the line in it). What lies between the two may be in the session or not.
    """

    session_id: str | None
    lines: tuple[tuple[str, int], ...] = ()
    lengths: dict[str, int] = {}


class Sessions(Protocol):
    """Who shows sessions and calls."""

    def session(self, key: str) -> Mapping[str, Any] | None:
        """One session, or None."""

    def history(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest calls."""


_decoder: Final = msgspec.json.Decoder(SessionMemory)


def memory_of(key: str, manager: Sessions) -> SessionMemory:
    """What can be seen of a session now."""
    session = manager.session(key)
    lengths = {one["callId"]: len(one["transcript"]) for one in manager.history() if one["sessionKey"] == key}
    if session is None:
        return SessionMemory(None, (), lengths)
    lines = tuple((line["callId"], int(line["index"])) for line in session["lines"])
    return SessionMemory(session["sessionId"], lines, lengths)


def encode_memory(memory: SessionMemory) -> str:
    return msgspec.json.encode(memory).decode()


def decode_memory(text: str | None) -> SessionMemory:
    """Raises ValueError for what is none."""
    if text is None:
        raise ValueError("a reset without a memory: Client.reset_session writes it")
    return _decoder.decode(text)
