"""Whole calls through the manager, told in each provider's own words: redelivered, early, unknown, across restarts."""

import asyncio
import base64
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenarios.voice_call.manager.provider_client import ProviderUnavailable
from scenarios.voice_call.manager.providers.commands import Fields, Reply
from scenarios.voice_call.manager.providers.forms import read_form
from scenarios.voice_call.manager.providers.plivo import PlivoProvider
from scenarios.voice_call.manager.providers.signatures import plivo_v3_signature, twilio_signature
from scenarios.voice_call.manager.providers.telnyx import TelnyxProvider
from scenarios.voice_call.manager.providers.twilio import TwilioProvider

World = Any
PUBLIC_URL = "https://voice.example.com"
CALLBACK = f"{PUBLIC_URL}/voice/webhook"
TOKEN = "12345"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
INBOUND = {"CallSid": "CA1", "From": "+15551112222", "To": "+15550000000", "Direction": "inbound"}


class Account:
    """The provider's side of the commands. `meanwhile` runs while a request is on its way; `lost`: its answer is."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.reply = Reply(200)
        self.lost = False
        self.meanwhile: Callable[[dict[str, Any]], Any] | None = None

    async def request(self, method: str, path: str, fields: Fields) -> Reply:
        self.asked.append((method, path, dict(fields)))
        if self.meanwhile is not None:
            await self.meanwhile(dict(fields))
        if self.lost:
            raise ProviderUnavailable("the answer was lost")
        return self.reply


async def post(manager: Any, body: bytes, query: str, headers: dict[str, str]) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/voice/webhook", "query_string": query.encode("latin-1")}
    await manager.app(scope | {"headers": raw}, receive, send)
    return int(sent[0]["status"]), bytes(sent[1]["body"])


async def from_twilio(manager: Any, fields: dict[str, str], query: str = "") -> tuple[int, bytes]:
    body = urlencode(fields).encode()
    url = CALLBACK + (f"?{query}" if query else "")
    headers = {"x-twilio-signature": twilio_signature(TOKEN, url, read_form(body))}
    return await post(manager, body, query, headers)


async def from_telnyx(manager: Any, now: float, kind: str, event_id: str, **payload: Any) -> int:
    data = {"id": event_id, "event_type": kind, "payload": {"call_control_id": "v3:c1"} | payload}
    body = json.dumps({"data": data}).encode()
    timestamp = str(int(now))
    signature = base64.b64encode(PRIVATE.sign(timestamp.encode() + b"|" + body)).decode()
    headers = {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": signature}
    return (await post(manager, body, "", headers))[0]


async def from_plivo(manager: Any, fields: dict[str, str], query: str = "") -> tuple[int, bytes]:
    body = urlencode(fields).encode()
    url = CALLBACK + (f"?{query}" if query else "")
    headers = {"x-plivo-signature-v3": plivo_v3_signature(TOKEN, url, read_form(body), "n1")}
    return await post(manager, body, query, headers | {"x-plivo-signature-v3-nonce": "n1"})


def said(manager: Any, call: str) -> list[str]:
    return [line["text"] for line in manager.status(call)["transcript"]]


# --- Twilio ----------------------------------------------------------------------------------------------------------


def test_a_twilio_call_told_twice_and_across_a_restart_counts_once(world: World) -> None:
    async def story() -> None:
        world.provider = TwilioProvider(TOKEN, CALLBACK, Account())
        manager = await world.started(public_url=PUBLIC_URL)
        yes = INBOUND | {"CallStatus": "in-progress", "SpeechResult": "yes"}
        told = [
            (INBOUND | {"CallStatus": "ringing"}, ""),
            (INBOUND | {"CallStatus": "in-progress"}, "after=ringing"),
            (yes, "turnToken=t1"),
            (yes, "turnToken=t2"),
            (INBOUND | {"CallStatus": "completed", "CallbackSource": "call-progress-events"}, ""),
        ]
        answers = []
        for fields, query in told:
            answers.append(await from_twilio(manager, fields, query))
            assert await from_twilio(manager, fields, query) == answers[-1]
        world.kill(manager)
        manager = await world.started(public_url=PUBLIC_URL)
        for (fields, query), answer in zip(told, answers, strict=True):
            assert await from_twilio(manager, fields, query) == answer
        assert [status for status, _ in answers] == [200] * 5
        assert said(manager, "CA1") == ["yes", "yes"]
        assert (manager.status("CA1")["state"], len(manager.view()["calls"])) == ("completed", 1)

    world.run(story())


def test_a_status_that_twilio_may_add_ends_no_call(world: World) -> None:
    async def story() -> None:
        world.provider = TwilioProvider(TOKEN, CALLBACK, Account())
        manager = await world.started(public_url=PUBLIC_URL)
        await from_twilio(manager, INBOUND | {"CallStatus": "in-progress"})
        assert (await from_twilio(manager, INBOUND | {"CallStatus": "transferred"}))[0] == 200
        assert manager.status("CA1")["live"]
        assert ("unknown-event-kind", "twilio.transferred") in [(n, f.get("type")) for n, f in world.log.told]

    world.run(story())


def test_a_repeated_twilio_request_gets_the_same_stream_after_a_restart(world: World) -> None:
    async def story() -> None:
        world.provider = TwilioProvider(TOKEN, CALLBACK, Account())
        streaming = {"public_url": PUBLIC_URL, "streaming": True}
        manager = await world.started(**streaming)
        fields = INBOUND | {"CallStatus": "in-progress"}
        status, body = await from_twilio(manager, fields, "after=ringing")
        stream = ElementTree.fromstring(body).find("Connect/Stream")
        assert status == 200 and stream is not None
        assert stream.get("url") == "wss://voice.example.com/voice/stream"
        token = stream[0].get("value")
        assert token
        assert await from_twilio(manager, fields, "after=ringing") == (200, body)
        world.kill(manager)
        world.provider = TwilioProvider(TOKEN, CALLBACK, Account())
        manager = await world.started(**streaming)
        assert await from_twilio(manager, fields, "after=ringing") == (200, body)
        behind = urlsplit(ElementTree.fromstring(body).findtext("Redirect") or "").query
        _, other = await from_twilio(manager, fields, behind)
        next_stream = ElementTree.fromstring(other).find("Connect/Stream")
        assert next_stream is not None and next_stream[0].get("value") not in (None, token)

    world.run(story())


def test_a_stream_is_opened_behind_the_public_prefix(world: World) -> None:
    async def story() -> None:
        prefixed = "https://v.example.com:8443/in"
        world.provider = TwilioProvider(TOKEN, f"{prefixed}/voice/webhook", Account())
        manager = await world.started(public_url=prefixed, streaming=True)
        body = urlencode(INBOUND | {"CallStatus": "in-progress"}).encode()
        signature = twilio_signature(TOKEN, f"{prefixed}/voice/webhook", read_form(body))
        status, answer = await post(manager, body, "", {"x-twilio-signature": signature})
        stream = ElementTree.fromstring(answer).find("Connect/Stream")
        assert status == 200 and stream is not None
        assert stream.get("url") == "wss://v.example.com:8443/in/voice/stream"

    world.run(story())


def test_a_twilio_dial_whose_answer_was_lost_is_found_by_its_first_callback(world: World) -> None:
    async def story() -> None:
        account = Account()
        account.lost = True
        world.provider = TwilioProvider(TOKEN, CALLBACK, account)
        manager = await world.started(public_url=PUBLIC_URL, from_number="+15550000000")
        made = await manager.initiate("+15551112222", key="k1")
        assert made.outcome == "unknown"
        account.lost = False
        query = urlsplit(account.asked[0][2]["StatusCallback"]).query
        fields = INBOUND | {"Direction": "outbound-api", "CallStatus": "in-progress"}
        assert (await from_twilio(manager, fields, query))[0] == 200
        record = manager.status("CA1")
        assert (record["callId"], record["state"]) == (made.call_id, "answered")
        assert (await manager.end(made.call_id)).outcome == "ended"
        assert ("POST", "Calls/CA1.json", {"Status": "completed"}) in account.asked
        assert sum(path == "Calls.json" for _, path, _ in account.asked) == 1

    world.run(story())


@pytest.mark.parametrize("make", [TwilioProvider, PlivoProvider])
def test_a_lost_dial_that_was_given_up_here_is_hung_up_when_it_turns_up_there(world: World, make: Any) -> None:
    async def story() -> None:
        account = Account()
        account.lost = True
        world.provider = make(TOKEN, CALLBACK, account)
        manager = await world.started(public_url=PUBLIC_URL, from_number="+15550000000")
        made = await manager.initiate("+15551112222", key="k1")
        assert made.outcome == "unknown"
        await asyncio.sleep(125)
        assert not manager.status(made.call_id)["live"]
        world.kill(manager)
        account.lost = False
        world.provider = make(TOKEN, CALLBACK, account)
        manager = await world.started(public_url=PUBLIC_URL, from_number="+15550000000")
        account.asked.clear()
        fields = {"CallSid": "c9", "CallUUID": "c9", "Direction": "outbound", "CallStatus": "in-progress"}
        tell = from_twilio if make is TwilioProvider else from_plivo
        assert (await tell(manager, fields, "clientKey=k1"))[0] == 200
        await asyncio.sleep(65)
        assert any("c9" in path for _, path, _ in account.asked)
        assert manager.view()["obligations"] == []
        assert not manager.status(made.call_id)["live"]

    world.run(story())


@pytest.mark.parametrize("skip", [True, False])
def test_a_forged_twilio_request_changes_something_only_where_signatures_are_skipped(world: World, skip: bool) -> None:
    async def story() -> None:
        world.provider = TwilioProvider(TOKEN, CALLBACK, Account())
        manager = await world.started(public_url=PUBLIC_URL, skip_signature_verification=skip)
        body = urlencode(INBOUND | {"CallStatus": "ringing"}).encode()
        status, _ = await post(manager, body, "", {"x-twilio-signature": "forged"})
        assert (status, len(manager.view()["calls"])) == ((200, 1) if skip else (401, 0))

    world.run(story())


# --- Telnyx ----------------------------------------------------------------------------------------------------------


def test_telnyx_tells_about_a_call_before_the_dial_is_answered(world: World) -> None:
    async def story() -> None:
        account = Account()
        account.reply = Reply(200, b'{"data":{"call_control_id":"v3:c1"}}')
        world.provider = TelnyxProvider(PUBLIC, "7267", CALLBACK, account, now=world.now)
        manager = await world.started(public_url=PUBLIC_URL, from_number="+15550000000")
        early: list[int] = []

        async def tell(fields: dict[str, Any]) -> None:
            account.meanwhile = None
            for kind in ("call.initiated", "call.answered"):
                state = {"client_state": fields["client_state"]}
                early.append(await from_telnyx(manager, world.now(), kind, f"e-{kind}", **state))

        account.meanwhile = tell
        made = await manager.initiate("+15551112222", key="k1")
        assert (early, made.outcome) == ([200, 200], "created")
        assert manager.status("v3:c1")["callId"] == made.call_id
        heard = {"transcription_data": {"transcript": "yes", "is_final": True}}
        for event_id in ("t1", "t1", "t2"):
            assert await from_telnyx(manager, world.now(), "call.transcription", event_id, **heard) == 200
        assert said(manager, made.call_id) == ["yes", "yes"]
        assert await from_telnyx(manager, world.now(), "call.hangup", "h", hangup_cause="user_busy") == 200
        assert manager.status(made.call_id)["endReason"] == "busy"

    world.run(story())


def test_a_telnyx_request_that_was_recorded_is_refused_later(world: World) -> None:
    async def story() -> None:
        world.provider = TelnyxProvider(PUBLIC, "7267", CALLBACK, Account(), now=world.now)
        manager = await world.started(public_url=PUBLIC_URL)
        ringing = {"direction": "incoming", "from": "+15551112222"}
        assert await from_telnyx(manager, world.now() - 301, "call.initiated", "e1", **ringing) == 401
        assert await from_telnyx(manager, world.now() - 299, "call.initiated", "e1", **ringing) == 200
        assert [call["direction"] for call in manager.view()["calls"]] == ["inbound"]

    world.run(story())


# --- Plivo -----------------------------------------------------------------------------------------------------------


def test_a_plivo_call_keeps_its_record_when_its_request_becomes_a_call(world: World) -> None:
    async def story() -> None:
        account = Account()
        account.reply = Reply(201, b'{"request_uuid":"r1"}')
        world.provider = PlivoProvider(TOKEN, CALLBACK, account)
        manager = await world.started(public_url=PUBLIC_URL, from_number="+15550000000")
        made = await manager.initiate("+15551112222")
        assert (made.outcome, manager.status("r1")["callId"]) == ("created", made.call_id)
        fields = {"CallUUID": "c1", "RequestUUID": "r1", "Direction": "outbound", "CallStatus": "in-progress"}
        status, body = await from_plivo(manager, fields)
        assert await from_plivo(manager, fields) == (status, body) and status == 200
        assert manager.status("c1")["callId"] == manager.status("r1")["callId"] == made.call_id
        assert (await from_plivo(manager, fields | {"CallStatus": "completed", "Event": "Hangup"}))[0] == 200
        assert manager.status(made.call_id)["endReason"] == "completed"

    world.run(story())


# --- outbound: what is asked first -----------------------------------------------------------------------------------


def test_what_is_missing_is_told_in_order_and_nobody_is_dialled(world: World) -> None:
    async def story() -> None:
        account = Account()
        account.reply = Reply(201, b'{"sid":"CA1"}')
        world.provider = TwilioProvider(TOKEN, CALLBACK, account)
        for given_, why in [
            ({"max_concurrent_calls": 0}, "no public url"),
            ({"max_concurrent_calls": 0, "public_url": PUBLIC_URL}, "capacity"),
            ({"public_url": PUBLIC_URL}, "from_number"),
        ]:
            manager = await world.started(**given_)
            refused = await manager.initiate("+15551112222")
            assert (refused.outcome, refused.call_id) == ("refused", None)
            assert why in refused.reason
            assert manager.view()["capacity"]["used"] == 0
            await manager.stop()
        assert account.asked == []
        manager = await world.started(public_url=PUBLIC_URL, from_number="+15550000009")
        assert (await manager.initiate("+15551112222")).outcome == "created"
        assert account.asked[0][2]["From"] == "+15550000009"

    world.run(story())


def test_the_mock_needs_neither_public_url_nor_number(world: World) -> None:
    async def story() -> None:
        manager = await world.started()
        made = await manager.initiate("+15551112222")
        assert (made.outcome, manager.status(made.call_id)["from"]) == ("created", "+15550000000")

    world.run(story())


# --- anything at all -------------------------------------------------------------------------------------------------

MAKE: dict[str, Callable[[], Any]] = {
    "twilio": lambda: TwilioProvider(TOKEN, CALLBACK, Account()),
    "telnyx": lambda: TelnyxProvider(PUBLIC, "7267", CALLBACK, Account(), now=lambda: 0.0),
    "plivo": lambda: PlivoProvider(TOKEN, CALLBACK, Account()),
}
WORDS = st.text(max_size=8)
CALLS = st.sampled_from(["c1", "c2"]) | WORDS
STATUSES = st.sampled_from(["in-progress", "ringing", "completed", "canceled"]) | WORDS
FORMS = st.fixed_dictionaries(
    {"CallSid": CALLS, "CallUUID": CALLS, "CallStatus": STATUSES, "Direction": st.just("inbound") | WORDS},
    optional=dict.fromkeys(("SpeechResult", "Speech", "Digits", "Timestamp", "From", "Event", "RequestUUID"), WORDS),
).map(lambda form: urlencode(form, errors="replace").encode())
JSON = st.none() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=2)
PAYLOADS = st.fixed_dictionaries(
    {"call_control_id": CALLS | JSON, "direction": st.just("incoming") | JSON},
    optional={"from": JSON, "client_state": JSON, "transcription_data": st.dictionaries(st.just("transcript"), JSON)},
)
DOCUMENTS = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["call.initiated", "call.hangup", "call.transcription"]), "payload": PAYLOADS},
    optional={"id": JSON, "occurred_at": JSON},
).map(lambda data: json.dumps({"data": data}).encode())
LATIN = st.text(st.characters(max_codepoint=255), max_size=12)


@pytest.mark.parametrize("name", list(MAKE))
def test_no_request_is_an_error_of_ours(world: World, name: str) -> None:
    world.provider = MAKE[name]()
    settled = {"inbound_policy": "open", "public_url": PUBLIC_URL, "streaming": True}
    manager = world.loop.run_until_complete(world.started(skip_signature_verification=True, **settled))
    answered: list[int] = []

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(st.binary(max_size=40) | FORMS | DOCUMENTS, LATIN, st.dictionaries(st.sampled_from(["host", "x"]), LATIN))
    def knock(body: bytes, query: str, headers: dict[str, str]) -> None:
        status, _ = world.loop.run_until_complete(post(manager, body, query, headers))
        assert status in (200, 400, 503), (status, world.log.told[-1])
        answered.append(status)

    async def end() -> None:
        knocked = dict.fromkeys(answered)
        assert 400 in knocked and 200 in knocked
        assert not {"request-failed", "event-failed"} & set(world.log.names())

    knock()
    world.run(end())


def test_query_marks_survive_the_way_through_a_url() -> None:
    provider = TwilioProvider(TOKEN, f"{CALLBACK}?tenant=a%26b#rc=1", Account())
    url = urlsplit(provider._callbacks.marked_url("k&1", "after #1", "t=1"))
    expected = {"tenant": ["a&b"], "clientKey": ["k&1"], "after": ["after #1"], "turnToken": ["t=1"]}
    assert (parse_qs(url.query), url.fragment) == (expected, "rc=1")
