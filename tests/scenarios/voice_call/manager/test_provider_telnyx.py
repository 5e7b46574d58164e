"""Telnyx's webhooks: who is believed, what their events say, and which id they have."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from scenarios.voice_call.manager.provider_client import ProviderRequest
from scenarios.voice_call.manager.providers.commands import Fields, Reply
from scenarios.voice_call.manager.providers.telnyx import TelnyxProvider, decode_state, encode_state

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
NOW = 1_700_000_000.0
OUR_KEY = encode_state("call-key:", "k1")


class NoTransport:
    async def request(self, method: str, path: str, fields: Fields) -> Reply:
        raise AssertionError(f"a webhook asked {method} {path}")


def provider(now: float = NOW) -> TelnyxProvider:
    callback = "https://voice.example.com/voice/webhook"
    return TelnyxProvider(PUBLIC, "7267", callback, NoTransport(), now=lambda: now)


def raw_request(body: bytes, headers: Mapping[str, str] | None = None) -> ProviderRequest:
    return ProviderRequest("POST", "/voice/webhook", headers or {}, body)


def body(kind: str, *, event_id: str | None = "e1", **payload: Any) -> bytes:
    data = {"event_type": kind, "occurred_at": "2023-11-14T22:13:20.500000Z"}
    whole = {"call_control_id": "v3:c1", "from": "+15551112222", "to": "+15550000000"} | payload
    named = {} if event_id is None else {"id": event_id}
    return json.dumps({"data": data | named | {"payload": whole}}).encode()


def event(kind: str, **payload: Any) -> dict[str, Any]:
    events = provider().parse(raw_request(body(kind, **payload)))
    assert len(events) == 1
    return events[0]


def signed(sent: bytes, at: float = NOW, *, over: bytes | None = None) -> ProviderRequest:
    timestamp = str(int(at))
    signature = PRIVATE.sign(timestamp.encode() + b"|" + (sent if over is None else over))
    headers = {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": base64.b64encode(signature).decode()}
    return raw_request(sent, headers)


# --- who is believed -------------------------------------------------------------------------------------------------


def test_a_signed_request_within_the_window_is_genuine() -> None:
    asked = signed(body("call.answered"))
    assert provider().is_signed(asked.headers)
    assert provider().verify(asked)
    assert provider(NOW + 300).verify(asked) and provider(NOW - 300).verify(asked)


def test_expired_forged_and_unsigned_requests_are_not() -> None:
    asked = signed(body("call.answered"))
    assert not provider(NOW + 301).verify(asked)
    assert not provider(NOW - 301).verify(asked)
    assert not provider().verify(signed(b"{}", over=b"{ }"))
    for missing in asked.headers:
        rest = {name: value for name, value in asked.headers.items() if name != missing}
        assert not provider().is_signed(rest)
        assert not provider().verify(raw_request(asked.body, rest))


# --- what events say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "normalised"),
    [
        ("call.initiated", "call.initiated"),
        ("call.answered", "call.answered"),
        ("call.bridged", "call.active"),
        ("call.speak.started", "call.speaking"),
        ("call.speak.ended", "call.silence"),
        ("call.transcription", "call.speech"),
        ("call.dtmf.received", "call.dtmf"),
        ("call.hangup", "call.ended"),
        ("call.machine.detection.ended", "telnyx.call.machine.detection.ended"),
        ("call.something.new", "telnyx.call.something.new"),
    ],
)
def test_kinds(kind: str, normalised: str) -> None:
    told = event(kind)
    assert told["type"] == normalised
    assert (told["id"], told["providerCallId"], told["timestamp"]) == ("e1", "v3:c1", 1_700_000_000_500)
    assert (told["from"], told["to"]) == ("+15551112222", "+15550000000")


@pytest.mark.parametrize(
    ("word", "direction"),
    [("incoming", "inbound"), ("outgoing", "outbound"), ("sideways", None), (None, None), (7, None)],
)
def test_direction_is_kept(word: object, direction: str | None) -> None:
    assert event("call.initiated", direction=word)["direction"] == direction


def test_our_key_comes_back_and_says_that_the_call_is_ours() -> None:
    told = event("call.answered", client_state=OUR_KEY)
    assert (told["clientKey"], told["direction"]) == ("k1", "outbound")


@pytest.mark.parametrize("state", ["aGF2ZSBhIG5pY2UgZGF5ID1d", "no base64", "//79", "ü", "", None, 7, {}])
def test_state_of_somebody_else_is_no_key(state: object) -> None:
    told = event("call.answered", client_state=state)
    assert (told["clientKey"], told["direction"]) == (None, None)


def test_transcript_confidence_and_turn() -> None:
    heard = {"transcript": "hello", "is_final": True, "confidence": 0.97}
    told = event("call.transcription", transcription_data=heard, client_state=encode_state("turn-token:", "t1"))
    assert (told["transcript"], told["isFinal"], told["confidence"], told["turnToken"]) == ("hello", True, 0.97, "t1")
    assert told["clientKey"] is None
    interim = event("call.transcription", transcription_data=heard | {"is_final": False})
    assert interim["isFinal"] is False


@pytest.mark.parametrize(
    ("cause", "direction", "reason"),
    [
        ("normal_clearing", None, "completed"),
        ("user_busy", None, "busy"),
        ("call_rejected", None, "busy"),
        ("no_answer", None, "no-answer"),
        ("timeout", None, "no-answer"),
        ("time_limit", None, "timeout"),
        ("not_found", None, "failed"),
        ("originator_cancel", "incoming", "hangup-user"),
        ("originator_cancel", "outgoing", "hangup-bot"),
        ("unspecified", None, None),
        ("__class__", None, None),
        (None, None, None),
    ],
)
def test_why_a_call_ended(cause: str | None, direction: str | None, reason: str | None) -> None:
    told = event("call.hangup", hangup_cause=cause, direction=direction)
    assert (told["type"], told["reason"]) == ("call.ended", reason)


def test_a_machine_ends_nothing_and_a_human_is_there() -> None:
    assert event("call.machine.detection.ended", result="human")["type"] == "call.active"
    assert event("call.machine.detection.ended", result="machine")["type"].startswith("telnyx.")
    assert event("call.dtmf.received", digit="5")["digits"] == "5"


def test_what_is_about_no_call_is_left_out() -> None:
    assert provider().parse(raw_request(body("streaming.started"))) == []
    assert provider().parse(raw_request(body("call.answered", call_control_id=None))) == []


@pytest.mark.parametrize(
    "sent", [b"", b"[]", b"{", b'{"data":[]}', b'{"data":{"event_type":7}}', b"\xff", b'"\\ud800"', b'{"a":' * 30_000]
)
def test_bodies_that_cannot_be_read_are_refused(sent: bytes) -> None:
    with pytest.raises(ValueError, match="body"):
        provider().parse(raw_request(sent))


def test_a_time_that_is_none_is_left_out() -> None:
    for written in ("soon", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", ""):
        sent = json.loads(body("call.answered"))
        sent["data"]["occurred_at"] = written
        (told,) = provider().parse(raw_request(json.dumps(sent).encode()))
        assert told["timestamp"] is None or abs(told["timestamp"]) < 10**15


# --- ids -------------------------------------------------------------------------------------------------------------


def test_a_redelivery_with_a_new_signature_has_the_same_id() -> None:
    for event_id in ("e1", None):
        sent = body("call.transcription", event_id=event_id)
        first, again = signed(sent), signed(sent, NOW + 60)
        assert first.headers != again.headers
        assert provider().parse(first)[0]["id"] == provider().parse(again)[0]["id"]


def test_without_an_id_what_differs_has_another_one() -> None:
    sent = [body("call.transcription", event_id=None, transcription_data={"transcript": t}) for t in ("yes", "no")]
    assert len({provider().parse(raw_request(one))[0]["id"] for one in sent}) == 2


@given(st.text(st.characters(codec="utf-8")))
def test_state_brings_any_key_back(key: str) -> None:
    assert decode_state(encode_state("call-key:", key), "call-key:") == key
    assert decode_state(encode_state("call-key:", key), "turn-token:") is None


# --- answers and frames ----------------------------------------------------------------------------------------------


def test_the_answer_is_ok() -> None:
    assert provider().answer(raw_request(body("call.answered")), []).body == b"OK"


def test_frames() -> None:
    start = provider().read_frame('{"event":"start","start":{"call_control_id":"v3:c1"},"stream_id":"s"}')
    assert (start.kind, start.provider_call_id, start.token) == ("start", "v3:c1", None)
    assert [provider().read_frame(f'{{"event":"{kind}"}}').kind for kind in ("media", "stop", "error")] == [
        "media",
        "stop",
        "other",
    ]
    with pytest.raises(ValueError, match="JSON object"):
        provider().read_frame("[]")
    with pytest.raises(ValueError, match="carry no transcripts"):
        provider().heard("f1")


# --- anything at all -------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PARTS = [
    "call_control_id",
    "client_state",
    "direction",
    "hangup_cause",
    "transcription_data",
    "digit",
    "result",
    "from",
]
KINDS = st.sampled_from(["call.answered", "call.hangup", "call.transcription", "call.dtmf.received"]) | JSON
DOCUMENTS = st.fixed_dictionaries(
    {"event_type": KINDS},
    optional={"id": JSON, "occurred_at": JSON, "payload": JSON | st.dictionaries(st.sampled_from(PARTS), JSON)},
).map(lambda data: json.dumps({"data": data}).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["telnyx-timestamp", "telnyx-signature-ed25519"]), st.text(st.characters(max_codepoint=255))
)


@given(st.binary(max_size=60) | DOCUMENTS, HEADERS)
def test_whatever_comes_is_read_or_refused(sent: bytes, headers: dict[str, str]) -> None:
    adapter, asked = provider(), raw_request(sent, headers)
    adapter.is_signed(headers)
    assert adapter.verify(asked) is False
    try:
        events = adapter.parse(asked)
    except ValueError:
        return
    assert all(told["id"] and told["type"] and told["providerCallId"] for told in events)
    adapter.answer(asked, [])
