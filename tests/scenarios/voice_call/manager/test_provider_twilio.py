"""Twilio's webhooks: who is believed, what their events say, which id they get, and what is answered."""

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
from scenarios.voice_call.manager.providers.signatures import twilio_signature
from scenarios.voice_call.manager.providers.twilio import TwilioProvider

TOKEN = "12345"
CALLBACK = "https://voice.example.com/voice/webhook"
CALL = {"CallSid": "CA1", "From": "+15551112222", "To": "+15550000000", "Direction": "inbound"}
GRANT = StreamGrant("CA1", "twilio:e1", "/voice/stream", 'to"ken&<1>')


class NoTransport:
    async def request(self, method: str, path: str, fields: Fields) -> Reply:
        raise AssertionError(f"a webhook asked {method} {path}")


@pytest.fixture
def twilio() -> TwilioProvider:
    return TwilioProvider(TOKEN, CALLBACK, NoTransport())


def request(fields: Mapping[str, str], query: str = "", **headers: str) -> ProviderRequest:
    return raw_request(urlencode(fields).encode(), query, headers)


def raw_request(body: bytes, query: str = "", headers: Mapping[str, str] | None = None) -> ProviderRequest:
    url = CALLBACK + (f"?{query}" if query else "")
    return ProviderRequest("POST", "/voice/webhook", headers or {}, body, query, url)


def signed(asked: ProviderRequest, token: str = TOKEN) -> ProviderRequest:
    headers = {"x-twilio-signature": twilio_signature(token, asked.url, read_form(asked.body))}
    return ProviderRequest(asked.method, asked.path, headers, asked.body, asked.query, asked.url)


def only(events: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(events) == 1
    return events[0]


# --- who is believed -------------------------------------------------------------------------------------------------


def test_a_signed_request_is_genuine(twilio: TwilioProvider) -> None:
    asked = signed(request(CALL | {"SpeechResult": "Grüße + mehr"}, "turnToken=t1"))
    assert twilio.is_signed(asked.headers) and twilio.verify(asked)


def test_unsigned_and_forged_requests_are_not(twilio: TwilioProvider) -> None:
    asked = request(CALL)
    assert not twilio.is_signed({}) and not twilio.is_signed({"x-twilio-signature": ""})
    assert not twilio.verify(asked)
    assert not twilio.verify(signed(asked, "another token"))
    genuine = signed(asked)
    changed = ProviderRequest("POST", genuine.path, genuine.headers, genuine.body + b"&x=1", "", genuine.url)
    moved = ProviderRequest("POST", genuine.path, genuine.headers, genuine.body, "", "https://other.example.com/")
    assert not twilio.verify(changed) and not twilio.verify(moved)


def test_bytes_that_would_be_replaced_are_not_believed(twilio: TwilioProvider) -> None:
    replaced = signed(request({"CallSid": "\ufffd"}))
    assert twilio.verify(replaced)
    assert not twilio.verify(ProviderRequest("POST", "/", replaced.headers, b"CallSid=%ff", "", replaced.url))


# --- what events say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        ("queued", "call.initiated", None),
        ("initiated", "call.initiated", None),
        ("ringing", "call.ringing", None),
        ("in-progress", "call.answered", None),
        ("completed", "call.ended", "completed"),
        ("busy", "call.ended", "busy"),
        ("no-answer", "call.ended", "no-answer"),
        ("failed", "call.ended", "failed"),
        ("canceled", "call.ended", "hangup-user"),
        ("Completed", "call.ended", "completed"),
    ],
)
def test_statuses(twilio: TwilioProvider, status: str, kind: str, reason: str | None) -> None:
    event = only(twilio.parse(request(CALL | {"CallStatus": status})))
    assert (event["type"], event["reason"]) == (kind, reason)
    assert event["providerCallId"] == "CA1"


def test_who_cancels_a_call_is_who_made_it(twilio: TwilioProvider) -> None:
    event = only(twilio.parse(request(CALL | {"Direction": "outbound-api", "CallStatus": "canceled"})))
    assert event["reason"] == "hangup-bot"


@pytest.mark.parametrize(
    "status", ["transferred", "__class__", "constructor", "toString", "Ended", "complete", "é" * 99]
)
def test_an_unknown_status_ends_nothing_and_is_told(twilio: TwilioProvider, status: str) -> None:
    event = only(twilio.parse(request(CALL | {"CallStatus": status})))
    assert event["type"].startswith("twilio.") and len(event["type"]) < 60
    assert event["reason"] is None


@pytest.mark.parametrize(
    ("word", "direction"),
    [("inbound", "inbound"), ("outbound-api", "outbound"), ("outbound-dial", "outbound"), ("sideways", None)],
)
def test_direction_is_kept(twilio: TwilioProvider, word: str, direction: str | None) -> None:
    assert only(twilio.parse(request(CALL | {"Direction": word, "CallStatus": "ringing"})))["direction"] == direction


def test_speech_carries_its_turn_and_digits_are_told(twilio: TwilioProvider) -> None:
    fields = CALL | {"CallStatus": "in-progress", "SpeechResult": "yes", "Confidence": "0.9"}
    speech = only(twilio.parse(request(fields, "turnToken=t1")))
    assert (speech["type"], speech["transcript"], speech["turnToken"]) == ("call.speech", "yes", "t1")
    pressed = only(twilio.parse(request(CALL | {"CallStatus": "in-progress", "Digits": "12#"})))
    assert (pressed["type"], pressed["digits"]) == ("call.dtmf", "12#")


def test_last_words_come_before_the_end(twilio: TwilioProvider) -> None:
    events = twilio.parse(request(CALL | {"CallStatus": "completed", "SpeechResult": "bye"}))
    assert [event["type"] for event in events] == ["call.speech", "call.ended"]
    assert events[0]["id"] != events[1]["id"]


def test_an_early_event_carries_our_key_back(twilio: TwilioProvider) -> None:
    event = only(twilio.parse(request(CALL | {"CallStatus": "ringing"}, "clientKey=k%2F1")))
    assert event["clientKey"] == "k/1"


def test_time_of_a_status_callback(twilio: TwilioProvider) -> None:
    told = CALL | {"CallStatus": "ringing", "Timestamp": "Tue, 14 Nov 2023 22:13:20 +0000"}
    assert only(twilio.parse(request(told)))["timestamp"] == 1_700_000_000_000
    assert only(twilio.parse(request(told | {"Timestamp": "soon"})))["timestamp"] is None


def test_a_request_that_tells_nothing_has_no_event(twilio: TwilioProvider) -> None:
    assert twilio.parse(request(CALL | {"RecordingUrl": "https://x"})) == []


@pytest.mark.parametrize("body", [b"", b"CallSid=", b"CallStatus=ringing", b"\xff", b"CallSid=%ff", b"a&" * 1_001])
def test_bodies_that_name_no_call_are_refused(twilio: TwilioProvider, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        twilio.parse(raw_request(body))


# --- ids -------------------------------------------------------------------------------------------------------------

FIELDS = st.dictionaries(
    st.sampled_from(["CallStatus", "SequenceNumber", "SpeechResult", "Digits", "Timestamp", "From", "Confidence"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
)
QUERIES = st.sampled_from(["", "turnToken=t1", "turnToken=t2", "clientKey=k", "after=a"])


def ids(fields: Mapping[str, str], query: str = "", **headers: str) -> list[str]:
    provider = TwilioProvider(TOKEN, CALLBACK, NoTransport())
    return [event["id"] for event in provider.parse(request({"CallSid": "CA1"} | dict(fields), query, **headers))]


@given(FIELDS, QUERIES, st.text(st.characters(codec="ascii"), max_size=5), st.randoms())
def test_a_redelivery_has_the_same_id(fields: dict[str, str], query: str, token: str, random: Any) -> None:
    shuffled = list(fields.items())
    random.shuffle(shuffled)
    again = dict(shuffled) | {"ErrorCode": "11200", "ErrorUrl": CALLBACK}
    assert ids(again, query, **{"i-twilio-idempotency-token": token}) == ids(fields, query)


@given(FIELDS, QUERIES, FIELDS, QUERIES)
def test_what_differs_has_another_id(one: dict[str, str], at: str, other: dict[str, str], there: str) -> None:
    if (one, at) == (other, there):
        assert ids(one, at) == ids(other, there)
    else:
        assert not set(ids(one, at)) & set(ids(other, there))


def test_yes_twice_in_two_turns_is_two_events() -> None:
    yes = {"SpeechResult": "yes", "CallStatus": "in-progress"}
    assert ids(yes, "turnToken=t1") != ids(yes, "turnToken=t2")


def test_each_status_of_a_call_has_an_id_of_its_own() -> None:
    statuses = ["queued", "initiated", "ringing", "in-progress", "completed"]
    assert len({ids({"CallStatus": status})[0] for status in statuses}) == len(statuses)


# --- answers ---------------------------------------------------------------------------------------------------------


def markup(twilio: TwilioProvider, asked: ProviderRequest, *grants: StreamGrant) -> ElementTree.Element:
    answer = twilio.answer(asked, grants)
    assert answer.content_type == "text/xml; charset=utf-8"
    assert twilio.answer(asked, grants) == answer
    return ElementTree.fromstring(answer.body)


def test_a_granted_stream_is_opened_with_its_token_escaped(twilio: TwilioProvider) -> None:
    root = markup(twilio, request(CALL | {"CallStatus": "in-progress"}), GRANT)
    stream = root.find("Connect/Stream")
    assert stream is not None and stream.get("url") == "wss://voice.example.com/voice/stream"
    parameter = stream.find("Parameter")
    assert parameter is not None and parameter.attrib == {"name": "token", "value": 'to"ken&<1>'}


def test_the_request_after_a_stream_is_another_one(twilio: TwilioProvider) -> None:
    asked = request(CALL | {"CallStatus": "in-progress"}, "clientKey=k")
    redirect = markup(twilio, asked, GRANT).findtext("Redirect")
    assert redirect is not None
    url = urlsplit(redirect)
    assert parse_qs(url.query) == {"clientKey": ["k"], "after": ["twilio:e1"]}
    assert url.fragment == "rc=5&rp=ct,rt,5xx"
    again = request(CALL | {"CallStatus": "in-progress"}, url.query)
    assert twilio.parse(again)[0]["id"] != twilio.parse(asked)[0]["id"]


def test_a_ringing_call_is_picked_up_before_a_stream_is_asked_for(twilio: TwilioProvider) -> None:
    ringing = request(CALL | {"CallStatus": "ringing"})
    assert "wantsStream" not in only(twilio.parse(ringing))
    assert [child.tag for child in markup(twilio, ringing)] == ["Play", "Redirect"]
    picked_up = request(CALL | {"CallStatus": "in-progress"}, "after=ringing")
    assert only(twilio.parse(picked_up))["wantsStream"] is True
    assert [child.tag for child in markup(twilio, picked_up)] == ["Pause", "Redirect"]


def test_status_callbacks_and_ends_get_an_empty_response(twilio: TwilioProvider) -> None:
    for told in ({"CallbackSource": "call-progress-events", "CallStatus": "in-progress"}, {"CallStatus": "completed"}):
        asked = request(CALL | told)
        assert "wantsStream" not in only(twilio.parse(asked))
        assert list(markup(twilio, asked, GRANT)) == []


# --- media streams ---------------------------------------------------------------------------------------------------


def test_frames(twilio: TwilioProvider) -> None:
    start = twilio.read_frame('{"event":"start","start":{"callSid":"CA1","customParameters":{"token":"t"}}}')
    assert (start.kind, start.provider_call_id, start.token) == ("start", "CA1", "t")
    kinds = [twilio.read_frame(f'{{"event":"{kind}"}}').kind for kind in ("connected", "media", "mark", "dtmf", "stop")]
    assert kinds == ["other", "media", "other", "other", "stop"]
    with pytest.raises(ValueError, match="carry no transcripts"):
        twilio.heard("f1")


# --- anything at all -------------------------------------------------------------------------------------------------

HEADERS = st.dictionaries(
    st.sampled_from(["x-twilio-signature", "host", "content-type", "i-twilio-idempotency-token"]),
    st.text(st.characters(max_codepoint=255), max_size=40),
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from([*CALL, "CallStatus", "Timestamp", "Digits"]), st.text(max_size=10)).map(
        lambda fields: urlencode(fields, errors="replace").encode()
    ),
)


@given(BODIES, HEADERS, st.text(st.characters(max_codepoint=255), max_size=20), st.text(max_size=20))
def test_whatever_comes_is_read_or_refused(body: bytes, headers: dict[str, str], query: str, host: str) -> None:
    provider = TwilioProvider(TOKEN, CALLBACK, NoTransport())
    asked = ProviderRequest("POST", "/voice/webhook", headers, body, query, f"http://{host}/voice/webhook?{query}")
    provider.is_signed(headers)
    assert provider.verify(asked) is False
    try:
        provider.parse(asked)
    except ValueError:
        return
    provider.answer(asked, [])


@given(st.text(max_size=60))
def test_whatever_frame_comes_is_read_or_refused(raw: str) -> None:
    provider = TwilioProvider(TOKEN, CALLBACK, NoTransport())
    with_refusal = False
    try:
        assert provider.read_frame(raw).kind
    except ValueError:
        with_refusal = True
    assert with_refusal or raw.lstrip().startswith("{")


@pytest.mark.parametrize("raw", ['{"a":' * 50_000, "[1]", "", "\ud800", '{"event":', '"start"'])
def test_frames_that_are_no_objects_are_refused(twilio: TwilioProvider, raw: str) -> None:
    with pytest.raises(ValueError, match="JSON object"):
        twilio.read_frame(raw)
