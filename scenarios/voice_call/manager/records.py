"""The record of one call, and the lines of the log that carry it.

A line is a change, not a snapshot:
`{"v":1,"seq":N,"gen":G,"call":ID,"kind":K,"body":{"set":…,"drop":…,"add":…},"crc":"…"}`. `set` replaces fields,
`drop` forgets the beginnings of lists, `add` extends them: however long a call is, its lines stay short. The identity
of the call stands before the body, so that the victim of damage is known, and in every body (`_IDENTITY`), so that
losing one line does not lose the way to the provider. The checksum covers every byte before it. Fields this version
does not know are kept and written back (`extra`, `envelope`).
"""

import json
import re
import zlib
from typing import Annotated, Any, Literal

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


class Media(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The media stream of a call: who may open it, and which one counts.

    `tokens`: by the key of the event whose answer handed it out, so that a repeated delivery gets the same. `used`: each
    opens one stream. `stream`: the one that is connected, by its token; a newer one takes its place.
    """

    tokens: dict[str, str] = {}
    used: tuple[str, ...] = ()
    stream: str | None = None
    connected_at: int | None = None
    disconnected_at: int | None = None


class Reply(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
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


class Body(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A change: fields replaced, lists shortened at their beginning and extended at their end, in this order.

    `covers`: up to this number nothing is missing (of a snapshot).
    """

    set: dict[str, Any]
    drop: dict[str, Annotated[int, msgspec.Meta(ge=0)]] = {}
    add: dict[str, list[Any]] = {}
    covers: int = 0


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One readable line of the log."""

    seq: int
    gen: int
    call: str
    kind: str
    body: Body
    envelope: dict[str, Any]
    raw: bytes


class _Line(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A line as this version writes it."""

    v: Literal[1]
    seq: int
    gen: int
    call: str
    kind: str
    body: Body
    crc: str


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
_MOST_FORGOTTEN = 16
_LINES = msgspec.json.Decoder(_Line)
_NOTHING: dict[str, Any] = {}
_dumps = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode


def delta(before: CallRecord | None, after: CallRecord) -> dict[str, Any]:
    """The body of the line that turns `before` into `after`."""
    fields: dict[str, Any] = {}
    dropped: dict[str, int] = {}
    added: dict[str, Any] = {}
    earlier = after if before is None else before
    for (name, encoded), old, new in zip(_FIELDS, astuple(earlier), astuple(after), strict=True):
        if before is not None and name not in _IDENTITY:
            if new is old or new == old:
                continue
            forgotten = _forgotten(old, new) if name in _GROWING else None
            if forgotten is not None:
                if forgotten:
                    dropped[encoded] = forgotten
                added[encoded] = msgspec.to_builtins(new[len(old) - forgotten :])
                continue
        if name in ("call_id", "extra", "envelope"):
            continue
        fields[encoded] = msgspec.to_builtins(new)
    if before is None:
        fields = {k: v for k, v in fields.items() if v is not None} | after.extra
    body: dict[str, Any] = {"set": fields}
    if dropped:
        body["drop"] = dropped
    if added:
        body["add"] = added
    return body


def _forgotten(old: tuple[Any, ...], new: tuple[Any, ...]) -> int | None:
    """How many elements were forgotten at the beginning, if that and an extension are all that happened."""
    for count in range(min(len(old), _MOST_FORGOTTEN) + 1):
        if new[: len(old) - count] == old[count:]:
            return count
    return None


class RecordFold:
    """The record of one call in the making: entries are applied in order, and may be forgotten then."""

    __slots__ = ("_doubtful", "_envelope", "_state", "seq")

    def __init__(self) -> None:
        self.seq: int | None = None
        self._state: dict[str, Any] = {}
        self._envelope: dict[str, Any] = {}
        self._doubtful = False

    def apply(self, entry: Entry) -> None:
        """Take one more entry; its lists become part of the record."""
        self.seq = entry.seq
        if entry.kind == "snapshot":
            self._state = {}
        if entry.envelope:
            self._envelope.update(entry.envelope)
        self._state.update(entry.body.set)
        for key, count in entry.body.drop.items():
            shortened = self._state.get(key)
            if isinstance(shortened, list):
                del shortened[:count]
            else:
                self._doubtful = True
        for key, values in entry.body.add.items():
            grown = self._state.setdefault(key, [])
            if isinstance(grown, list):
                grown.extend(values)
            else:
                self._doubtful = True

    def record(self, call: str) -> tuple[CallRecord, bool]:
        """The record, and whether a field could not be read."""
        record, doubtful = record_from(call, self._state, self._envelope)
        return record, doubtful or self._doubtful


def record_from(call: str, state: dict[str, Any], envelope: dict[str, Any]) -> tuple[CallRecord, bool]:
    """A record from its fields, and whether one of them could not be read; it is kept in `extra` then."""
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
    if tail is None and raw.endswith(b"\r"):
        return decode_line(raw[:-1])  # an editor has been here; the checksum tells whether it did more
    if tail is None:
        raise DamagedLine("no checksum at its end", _victim(raw))
    if zlib.crc32(raw[:-_TAIL_LENGTH]) != int(tail[1], 16):
        raise DamagedLine("the checksum does not match", _victim(raw))
    try:
        line = _LINES.decode(raw)
    except msgspec.DecodeError:
        return _unusual_entry(raw)
    return Entry(line.seq, line.gen, line.call, line.kind, line.body, _NOTHING, raw)


def _unusual_entry(raw: bytes) -> Entry:
    """The entry in an intact line that this version would not have written just so."""
    try:
        # Lone surrogates are legal JSON text to Python's encoder, and not to the faster decoder.
        line = json.loads(raw)
    except ValueError as error:
        raise DamagedLine("not JSON", _victim(raw)) from error
    if not isinstance(line, dict):
        raise DamagedLine("not an object", _victim(raw))
    seq, gen, call = line.get("seq"), line.get("gen"), line.get("call")
    if not isinstance(seq, int) or not isinstance(gen, int):
        raise DamagedLine("no sequence number or generation", _victim(raw))
    victim = call if isinstance(call, str) else None
    try:
        # A change and nothing else: an unknown part may hold what must not be ignored.
        body = msgspec.convert(line.get("body"), Body)
    except msgspec.ValidationError as error:
        raise UnknownLine(f"its shape is not known: {error}", victim, seq, gen) from error
    if line.get("v") != VERSION or victim is None:
        raise UnknownLine(f"version {line.get('v')!r} is not known", victim, seq, gen)
    envelope = {key: value for key, value in line.items() if key not in _ENVELOPE}
    return Entry(seq, gen, victim, str(line.get("kind")), body, envelope, raw)


def _victim(raw: bytes) -> str | None:
    head = _HEAD.match(raw)
    if head is None:
        return None
    try:
        return str(json.loads(head[1]))
    except ValueError:
        return None
