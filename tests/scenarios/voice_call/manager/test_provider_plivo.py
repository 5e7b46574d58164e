"""Plivo's webhooks: who is believed, what their events say, which id they get, and what is answered."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.voice_call.manager.provider_client import ProviderRequest, StreamGrant
from scenarios.voice_call.manager.providers.commands import Fields, Reply
from scenarios.voice_call.manager.providers.forms import read_form
from scenarios.voice_call.manager.providers.plivo import PlivoProvider
from scenarios.voice_call.manager.providers.signatures import plivo_v2_signature, plivo_v3_signature

TOKEN = "my_auth_token"
CALLBACK = "https://voice.example.com/voice/webhook"
CALL = {"CallUUID": "c1", "From": "15551112222", "To": "15550000000", "Direction": "inbound"}
GRANT = StreamGrant("c1", "plivo:e1", "/voice/stream", "to&ken<1>")
V3, V3_NONCE = "x-plivo-signature-v3", "x-plivo-signature-v3-nonce"
V2, V2_NONCE = "x-plivo-signature-v2", "x-plivo-signature-v2-nonce"


class NoTransport:
    async def request(self, method: str, path: str, fields: Fields) -> Reply:
        raise AssertionError(f"a webhook asked {method} {path}")


@pytest.fixture
def plivo() -> PlivoProvider:
    return PlivoProvider(TOKEN, CALLBACK, NoTransport())


def request(fields: Mapping[str, str], query: str = "", headers: Mapping[str, str] | None = None) -> ProviderRequest:
    url = CALLBACK + (f"?{query}" if query else "")
    return ProviderRequest("POST", "/voice/webhook", headers or {}, urlencode(fields).encode(), query, url)


def with_headers(asked: ProviderRequest, headers: Mapping[str, str]) -> ProviderRequest:
    return ProviderRequest(asked.method, asked.path, headers, asked.body, asked.query, asked.url)


def v3(asked: ProviderRequest, token: str = TOKEN, nonce: str = "n1") -> dict[str, str]:
    return {V3: plivo_v3_signature(token, asked.url, read_form(asked.body), nonce), V3_NONCE: nonce}


def v2(asked: ProviderRequest, token: str = TOKEN, nonce: str = "n1") -> dict[str, str]:
    return {V2: plivo_v2_signature(token, asked.url, nonce), V2_NONCE: nonce}


def only(events: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(events) == 1
    return events[0]


# --- who is believed -------------------------------------------------------------------------------------------------


def test_v3_then_v2(plivo: PlivoProvider) -> None:
    asked = request(CALL | {"CallStatus": "ringing"}, "clientKey=k")
    assert plivo.verify(with_headers(asked, v3(asked)))
    assert plivo.verify(with_headers(asked, v2(asked)))
    of_main_account = {"x-plivo-signature-ma-v3": v3(asked)[V3], V3_NONCE: "n1"}
    assert plivo.verify(with_headers(asked, of_main_account))
    several = v3(asked) | {V3: f"{v3(asked, 'old token')[V3]},{v3(asked)[V3]}"}
    assert plivo.verify(with_headers(asked, several))


def test_v2_does_not_help_where_v3_is_there_and_wrong(plivo: PlivoProvider) -> None:
    asked = request(CALL | {"CallStatus": "ringing"})
    assert not plivo.verify(with_headers(asked, v2(asked) | v3(asked, "another token")))
    assert not plivo.verify(with_headers(asked, v2(asked) | {V3_NONCE: "n1"}))
    assert not plivo.is_signed(v2(asked) | {V3_NONCE: "n1"})


@pytest.mark.parametrize("sign", [v3, v2])
def test_forged_and_unsigned_requests_are_not_believed(plivo: PlivoProvider, sign: Any) -> None:
    asked = request(CALL)
    assert not plivo.is_signed({}) and not plivo.verify(asked)
    assert not plivo.verify(with_headers(asked, sign(asked, "another token")))
    for missing in sign(asked):
        rest = {name: value for name, value in sign(asked).items() if name != missing}
        assert not plivo.is_signed(rest)
        assert not plivo.verify(with_headers(asked, rest))
    other_nonce = {name: "n2" if name.endswith("nonce") else value for name, value in sign(asked).items()}
    assert not plivo.verify(with_headers(asked, other_nonce))


def test_v3_covers_the_body(plivo: PlivoProvider) -> None:
    asked = request(CALL)
    assert not plivo.verify(with_headers(request(CALL | {"CallStatus": "completed"}), v3(asked)))


# --- what events say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        ("ringing", "call.ringing", None),
        ("in-progress", "call.answered", None),
        ("completed", "call.ended", "completed"),
        ("busy", "call.ended", "busy"),
        ("no-answer", "call.ended", "no-answer"),
        ("failed", "call.ended", "failed"),
        ("timeout", "call.ended", "failed"),
        ("cancel", "call.ended", "hangup-user"),
        ("parked", "plivo.parked", None),
    ],
)
def test_statuses(plivo: PlivoProvider, status: str, kind: str, reason: str | None) -> None:
    event = only(plivo.parse(request(CALL | {"CallStatus": status})))
    assert (event["type"], event["reason"], event["direction"]) == (kind, reason, "inbound")


def test_an_outbound_call_is_found_by_its_request_too(plivo: PlivoProvider) -> None:
    told = CALL | {"CallStatus": "ringing", "Direction": "outbound", "RequestUUID": "r1"}
    event = only(plivo.parse(request(told, "clientKey=k1")))
    assert (event["callId"], event["providerCallId"], event["clientKey"]) == ("r1", "c1", "k1")


def test_speech_carries_its_turn_and_digits_are_told(plivo: PlivoProvider) -> None:
    fields = CALL | {"CallStatus": "in-progress", "Speech": "yes", "SpeechConfidenceScore": "0.9"}
    speech = only(plivo.parse(request(fields, "turnToken=t1")))
    assert (speech["type"], speech["transcript"], speech["turnToken"]) == ("call.speech", "yes", "t1")
    pressed = only(plivo.parse(request(CALL | {"CallStatus": "in-progress", "Digits": "1"})))
    assert (pressed["type"], pressed["digits"]) == ("call.dtmf", "1")


@pytest.mark.parametrize("fields", [{}, {"CallStatus": "ringing"}, {"CallUUID": ""}])
def test_bodies_that_name_no_call_are_refused(plivo: PlivoProvider, fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="CallUUID"):
        plivo.parse(request(fields))


# --- ids -------------------------------------------------------------------------------------------------------------

FIELDS = st.dictionaries(
    st.sampled_from(["CallStatus", "Speech", "Digits", "Event", "From", "SessionStart"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
)
QUERIES = st.sampled_from(["", "turnToken=t1", "turnToken=t2", "clientKey=k"])


def ids(fields: Mapping[str, str], query: str = "", nonce: str = "n1") -> list[str]:
    asked = request({"CallUUID": "c1"} | dict(fields), query)
    events = PlivoProvider(TOKEN, CALLBACK, NoTransport()).parse(with_headers(asked, v3(asked, nonce=nonce)))
    return [event["id"] for event in events]


@given(FIELDS, QUERIES)
def test_a_redelivery_under_another_nonce_has_the_same_id(fields: dict[str, str], query: str) -> None:
    assert ids(dict(reversed(fields.items())), query, "n2") == ids(fields, query, "n1")


@given(FIELDS, QUERIES, FIELDS, QUERIES)
def test_what_differs_has_another_id(one: dict[str, str], at: str, other: dict[str, str], there: str) -> None:
    if (one, at) == (other, there):
        assert ids(one, at) == ids(other, there)
    else:
        assert not set(ids(one, at)) & set(ids(other, there))


def test_yes_twice_in_two_turns_is_two_events() -> None:
    yes = {"Speech": "yes", "CallStatus": "in-progress"}
    assert ids(yes, "turnToken=t1") != ids(yes, "turnToken=t2")


# --- answers ---------------------------------------------------------------------------------------------------------


def markup(plivo: PlivoProvider, asked: ProviderRequest, *grants: StreamGrant) -> ElementTree.Element:
    answer = plivo.answer(asked, grants)
    assert plivo.answer(asked, grants) == answer
    return ElementTree.fromstring(answer.body)


def test_a_granted_stream_is_opened_with_its_token_in_the_query(plivo: PlivoProvider) -> None:
    root = markup(plivo, request(CALL | {"CallStatus": "in-progress"}), GRANT)
    url = urlsplit(root.findtext("Stream") or "")
    assert (url.scheme, url.netloc, url.path) == ("wss", "voice.example.com", "/voice/stream")
    assert parse_qs(url.query) == {"token": ["to&ken<1>"]}
    again = urlsplit(root.findtext("Redirect") or "")
    assert parse_qs(again.query) == {"after": ["plivo:e1"]}


def test_a_ringing_call_is_picked_up_before_a_stream_is_asked_for(plivo: PlivoProvider) -> None:
    ringing = request(CALL | {"CallStatus": "ringing"})
    assert "wantsStream" not in only(plivo.parse(ringing))
    assert [child.tag for child in markup(plivo, ringing)] == ["Wait", "Redirect"]
    picked_up = request(CALL | {"CallStatus": "in-progress"}, "after=ringing")
    assert only(plivo.parse(picked_up))["wantsStream"] is True
    assert [child.tag for child in markup(plivo, picked_up)] == ["Wait", "Redirect"]


def test_who_is_transferred_to_listen_gets_an_input_whose_result_names_the_turn(plivo: PlivoProvider) -> None:
    asked = request(CALL | {"CallStatus": "in-progress"}, "after=listen%3At1")
    assert "wantsStream" not in only(plivo.parse(asked))
    root = markup(plivo, asked, GRANT)
    assert parse_qs(urlsplit(root.findtext("Redirect") or "").query) == {"after": ["listen:t1"]}
    listen = root.find("GetInput")
    assert listen is not None and listen.get("inputType") == "speech"
    assert parse_qs(urlsplit(listen.get("action") or "").query) == {"turnToken": ["t1"]}


def test_rings_and_ends_get_an_empty_response(plivo: PlivoProvider) -> None:
    for told in ({"Event": "Ring", "CallStatus": "ringing"}, {"Event": "Hangup", "CallStatus": "completed"}):
        assert list(markup(plivo, request(CALL | told), GRANT)) == []


def test_frames(plivo: PlivoProvider) -> None:
    start = plivo.read_frame('{"event":"start","start":{"callId":"c1","streamId":"s"},"extra_headers":"{}"}')
    assert (start.kind, start.provider_call_id, start.token) == ("start", "c1", None)
    assert [plivo.read_frame(f'{{"event":"{kind}"}}').kind for kind in ("media", "playedStream")] == ["media", "other"]
    with pytest.raises(ValueError, match="carry no transcripts"):
        plivo.heard("f1")


# --- anything at all -------------------------------------------------------------------------------------------------

HEADERS = st.dictionaries(
    st.sampled_from([V3, V3_NONCE, V2, V2_NONCE, "x-plivo-signature-ma-v3", "x-plivo-signature-ma-v2"]),
    st.text(st.characters(max_codepoint=255), max_size=40),
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from([*CALL, "CallStatus", "Event", "Speech"]), st.text(max_size=10)).map(
        lambda fields: urlencode(fields, errors="replace").encode()
    ),
)


@given(BODIES, HEADERS, st.text(st.characters(max_codepoint=255), max_size=20), st.text(max_size=20))
def test_whatever_comes_is_read_or_refused(body: bytes, headers: dict[str, str], query: str, host: str) -> None:
    provider = PlivoProvider(TOKEN, CALLBACK, NoTransport())
    asked = ProviderRequest("POST", "/voice/webhook", headers, body, query, f"http://{host}/voice/webhook?{query}")
    provider.is_signed(headers)
    assert provider.verify(asked) is False
    try:
        provider.parse(asked)
    except ValueError:
        return
    provider.answer(asked, [])
