"""The bytes of `sessions.json`, and what they say: pure, so that every damage can be tried without a disk.

One JSON object: `{"v":1,"sessions":{KEY:{"sessionId":…,"generation":…,"updatedAt":…,"lines":[{"callId":…,"index":…,
"speaker":…,"text":…,"timestamp":…}],"seen":{CALL:N}}},"crc":"…"}`. The checksum covers every byte before it. Fields this
version does not know are kept and written back: of the envelope, of a session, of a line (`extra`).
"""

import json
import re
import zlib
from typing import Any, NoReturn, TypeVar

import msgspec

VERSION = 1
_TAIL = re.compile(rb',"crc":"([0-9a-f]{8})"\}\n$')
_TAIL_LENGTH = len(',"crc":"00000000"}\n')
_ENVELOPE = frozenset(("v", "sessions", "crc"))
_dumps = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode

StructT = TypeVar("StructT", bound=msgspec.Struct)


class SessionLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing said in a call: the line `index` of the transcript of `call_id`. Times are milliseconds."""

    call_id: str
    index: int
    speaker: str
    text: str
    timestamp: int
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class Session(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was said under one session key since its last reset.

    `generation` grows with every reset: who saves for an older one is late. `seen`: by call, how many lines of its
    transcript were brought over, or were said before the reset; dropped lines count.
    """

    session_id: str
    generation: int
    updated_at: int
    lines: tuple[SessionLine, ...] = ()
    seen: dict[str, int] = msgspec.field(default_factory=dict)
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class SessionFile(msgspec.Struct, frozen=True):
    """All sessions by their keys, and the fields beside them that this version does not know."""

    sessions: dict[str, Session]
    envelope: dict[str, Any]


class DamagedFile(ValueError):
    """Bytes that cannot be trusted."""


class NewerFile(ValueError):
    """An intact file of a version this program does not know: it must not be written over."""


def encode_file(file: SessionFile) -> bytes:
    """The bytes of the file. Pure ASCII."""
    sessions = {key: _encoded_session(session) for key, session in file.sessions.items()}
    head = _dumps({"v": VERSION, "sessions": sessions, **file.envelope})[:-1].encode("ascii")
    return head + f',"crc":"{zlib.crc32(head):08x}"}}\n'.encode("ascii")


def decode_file(data: bytes) -> SessionFile:
    """What these bytes say. Raises DamagedFile or NewerFile."""
    tail = _TAIL.search(data[-_TAIL_LENGTH:])
    if tail is None:
        raise DamagedFile("no checksum at its end")
    if zlib.crc32(data[:-_TAIL_LENGTH]) != int(tail[1], 16):
        raise DamagedFile("the checksum does not match")
    try:
        # Not msgspec: lone surrogates are legal JSON text to Python's encoder, and not to its decoder.
        whole = json.loads(data, parse_constant=_no_constant)
    except ValueError as error:
        raise DamagedFile(f"not JSON: {error}") from error
    if not isinstance(whole, dict) or whole.get("v") != VERSION:
        raise NewerFile(f"version {whole.get('v') if isinstance(whole, dict) else None!r} is not known")
    try:
        sessions = {key: _session(raw) for key, raw in whole["sessions"].items()}
    except (AttributeError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise DamagedFile(f"its shape is not known: {error}") from error
    return SessionFile(sessions, {key: value for key, value in whole.items() if key not in _ENVELOPE})


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _encoded_session(session: Session) -> dict[str, Any]:
    return {
        "sessionId": session.session_id,
        "generation": session.generation,
        "updatedAt": session.updated_at,
        "lines": [_encoded_line(line) for line in session.lines],
        "seen": session.seen,
        **session.extra,
    }


def _encoded_line(line: SessionLine) -> dict[str, Any]:
    return {
        "callId": line.call_id,
        "index": line.index,
        "speaker": line.speaker,
        "text": line.text,
        "timestamp": line.timestamp,
        **line.extra,
    }


def _session(raw: dict[str, Any]) -> Session:
    return _with_extra({**raw, "lines": tuple(_with_extra(line, SessionLine) for line in raw["lines"])}, Session)


def _with_extra(raw: dict[str, Any], struct: type[StructT]) -> StructT:
    known = {field.encode_name for field in msgspec.structs.fields(struct)} - {"extra"}
    extra = {key: value for key, value in raw.items() if key not in known}
    return msgspec.convert({key: raw[key] for key in known if key in raw} | {"extra": extra}, struct)
