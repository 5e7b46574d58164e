"""The record of one call, and the lines of the log that carry it.

A line is a change, not a snapshot:
`{"v":1,"seq":N,"gen":G,"call":ID,"kind":K,"body":{"set":…,"add":…},"crc":"…"}`. `set` replaces fields, `add`
extends lists. The identity of the call stands before the body, so that the victim of damage is known, and in
every body (`_IDENTITY`), so that losing one line does not lose the way to the provider. The checksum covers
every byte before it. Fields this version does not know are kept and written back (`extra`, `envelope`).
"""

import json
import re
import zlib
from typing import Any

import msgspec
from msgspec.structs import astuple

VERSION = 1


class TranscriptLine(msgspec.Struct, frozen=True, rename="camel"):
    """One thing said."""

    timestamp: int
    speaker: str
    text: str
    is_final: bool = True


class Turn(msgspec.Struct, frozen=True, rename="camel"):
    """A question asked and the wait for its answer.

    Phases: asking, listening; then one of answered, timed-out, failed, interrupted, ended.
    """

    token: str
    phase: str
    prompt: str
    asked_at: int
    listening_at: int | None = None
    answer: str | None = None

    @property
    def open(self) -> bool:
        """Whether somebody may still answer."""
        return self.phase in ("asking", "listening")


class Media(msgspec.Struct, frozen=True, rename="camel"):
    """The media stream of a call: who may open it, and which one counts.

    `tokens`: by the key of the event whose answer handed it out, so that a repeated delivery gets the same. `used`: each
    opens one stream. `stream`: the one that is connected, by its token; a newer one takes its place.
    """

    tokens: dict[str, str] = {}
    used: tuple[str, ...] = ()
    stream: str | None = None
    connected_at: int | None = None
    disconnected_at: int | None = None


class Reply(msgspec.Struct, frozen=True, rename="camel"):
    """The answer of the assistant to what was heard last.

    Phases: thinking, speaking; then one of done, failed, timed-out, interrupted.
    """

    key: str
    heard: str
    phase: str
    text: str | None = None


class CallRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Everything known about one call. Times are milliseconds since the epoch.

    `standing`: `call`, or an identity that is only remembered: `rejected` (by policy) and `tombstone` (its
    end was heard before its beginning). `greeting`: none, queued, started, done, failed, interrupted,
    skipped. `dial`: intended, created, refused, unknown; None for inbound calls. `hang_up_owed` stays until
    the provider confirmed the end.
    """

    call_id: str
    provider_call_id: str | None = None
    provider: str = ""
    direction: str = ""
    standing: str = "call"
    state: str = "initiated"
    from_: str = msgspec.field(default="unknown", name="from")
    to: str = "unknown"
    session_key: str | None = None
    client_key: str | None = None
    started_at: int = 0
    answered_at: int | None = None
    ended_at: int | None = None
    end_reason: str | None = None
    transcript: tuple[TranscriptLine, ...] = ()
    processed_event_ids: tuple[str, ...] = ()
    processed_event_times: tuple[int, ...] = ()
    stale_before: int = 0
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    deadlines: dict[str, int] = msgspec.field(default_factory=dict)
    greeting: str = "none"
    turn: Turn | None = None
    playing: str | None = None
    ending: str | None = None
    hang_up_owed: bool = False
    owed_since: int | None = None
    dial: str | None = None
    aliases: tuple[str, ...] = ()
    media: Media | None = None
    reply: Reply | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)
    envelope: dict[str, Any] = msgspec.field(default_factory=dict)


class Entry(msgspec.Struct, frozen=True):
    """One readable line of the log."""

    seq: int
    gen: int
    call: str
    kind: str
    body: dict[str, Any]
    envelope: dict[str, Any]
    raw: bytes


class DamagedLine(ValueError):
    """A line that cannot be trusted; `call` is its victim, when the head of the line still tells."""

    def __init__(self, why: str, call: str | None) -> None:
        super().__init__(why)
        self.why = why
        self.call = call


class UnknownLine(ValueError):
    """An intact line of a version or shape this program does not know.

    Kept as it is, its call is uncertain.
    """

    def __init__(self, why: str, call: str | None, seq: int, gen: int) -> None:
        super().__init__(why)
        self.why = why
        self.call = call
        self.seq = seq
        self.gen = gen


_FIELDS = tuple((f.name, f.encode_name) for f in msgspec.structs.fields(CallRecord))
_KNOWN = {f.encode_name: f.type for f in msgspec.structs.fields(CallRecord)}
_GROWING = frozenset(("transcript", "processed_event_ids", "processed_event_times", "aliases"))
_IDENTITY = frozenset(("provider_call_id", "direction", "client_key", "provider"))
_ENVELOPE = frozenset(("v", "seq", "gen", "call", "kind", "body", "crc"))
_HEAD = re.compile(rb'^\{"v":\d+,"seq":\d+,"gen":\d+,"call":("(?:[^"\\]|\\.)*"),"kind":')
_TAIL = re.compile(rb',"crc":"([0-9a-f]{8})"\}$')
_TAIL_LENGTH = len(',"crc":"00000000"}')
_dumps = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode


def delta(before: CallRecord | None, after: CallRecord) -> dict[str, Any]:
    """The body of the line that turns `before` into `after`."""
    fields: dict[str, Any] = {}
    added: dict[str, Any] = {}
    earlier = after if before is None else before
    for (name, encoded), old, new in zip(_FIELDS, astuple(earlier), astuple(after), strict=True):
        if before is not None and name not in _IDENTITY:
            if new is old or new == old:
                continue
            if name in _GROWING and new[: len(old)] == old:
                added[encoded] = msgspec.to_builtins(new[len(old) :])
                continue
        if name in ("call_id", "extra", "envelope"):
            continue
        fields[encoded] = msgspec.to_builtins(new)
    if before is None:
        fields = {k: v for k, v in fields.items() if v is not None} | after.extra
    body: dict[str, Any] = {"set": fields}
    if added:
        body["add"] = added
    return body


def fold(call: str, entries: list[Entry]) -> tuple[CallRecord, bool]:
    """The record after these entries, in the order given, and whether a field could not be read."""
    state: dict[str, Any] = {}
    envelope: dict[str, Any] = {}
    for entry in entries:
        if entry.kind == "snapshot":
            state = {}
        envelope.update(entry.envelope)
        for key, value in entry.body.get("set", {}).items():
            state[key] = list(value) if isinstance(value, list) else value
        for key, values in entry.body.get("add", {}).items():
            state.setdefault(key, []).extend(values)
    return _record(call, state, envelope)


def _record(call: str, state: dict[str, Any], envelope: dict[str, Any]) -> tuple[CallRecord, bool]:
    extra = {key: value for key, value in state.items() if key not in _KNOWN}
    known = {key: value for key, value in state.items() if key in _KNOWN}
    known |= {"callId": call, "extra": extra, "envelope": envelope}
    try:
        return msgspec.convert(known, CallRecord), False
    except msgspec.ValidationError:
        for key in list(known):
            try:
                msgspec.convert(known[key], _KNOWN[key])
            except msgspec.ValidationError:
                extra[key] = known.pop(key)
        return msgspec.convert(known, CallRecord), True


def encode_line(
    *, seq: int, gen: int, call: str, kind: str, body: dict[str, Any], envelope: dict[str, Any] | None = None
) -> bytes:
    """One line of the log, its LF included. Pure ASCII: no byte of it can be taken for a line separator."""
    head = f'{{"v":{VERSION},"seq":{seq},"gen":{gen},"call":{_dumps(call)},"kind":{_dumps(kind)}'
    head += f',"body":{_dumps(body)}'
    for key, value in (envelope or {}).items():
        head += f",{_dumps(key)}:{_dumps(value)}"
    return f'{head},"crc":"{zlib.crc32(head.encode("ascii")):08x}"}}\n'.encode("ascii")


def decode_line(raw: bytes) -> Entry:
    """The entry in a line (without its LF); raises DamagedLine or UnknownLine."""
    tail = _TAIL.search(raw[-_TAIL_LENGTH:])
    if tail is None:
        raise DamagedLine("no checksum at its end", _victim(raw))
    if zlib.crc32(raw[:-_TAIL_LENGTH]) != int(tail[1], 16):
        raise DamagedLine("the checksum does not match", _victim(raw))
    try:
        line = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        # Lone surrogates are legal JSON text to Python's encoder, and not to this decoder.
        try:
            line = json.loads(raw)
        except ValueError as error:
            raise DamagedLine("not JSON", _victim(raw)) from error
    return _entry(line, raw)


def _entry(line: Any, raw: bytes) -> Entry:
    if not isinstance(line, dict):
        raise DamagedLine("not an object", _victim(raw))
    seq, gen, call = line.get("seq"), line.get("gen"), line.get("call")
    if not isinstance(seq, int) or not isinstance(gen, int):
        raise DamagedLine("no sequence number or generation", _victim(raw))
    victim = call if isinstance(call, str) else None
    if line.get("v") != VERSION or victim is None or not _body_is_known(line.get("body")):
        raise UnknownLine(f"version {line.get('v')!r} or its shape is not known", victim, seq, gen)
    envelope = {key: value for key, value in line.items() if key not in _ENVELOPE}
    return Entry(seq, gen, victim, str(line.get("kind")), line["body"], envelope, raw)


def _body_is_known(body: Any) -> bool:
    """Whether a body is nothing but a change: an unknown part may hold what must not be ignored."""
    if not isinstance(body, dict) or not isinstance(body.get("set"), dict):
        return False
    if set(body) - {"set", "add", "covers"}:
        return False
    added = body.get("add", {})
    return isinstance(added, dict) and all(isinstance(values, list) for values in added.values())


def _victim(raw: bytes) -> str | None:
    head = _HEAD.match(raw)
    if head is None:
        return None
    try:
        return str(json.loads(head[1]))
    except ValueError:
        return None
