"""Commands to the three providers: what goes out, and which of the three results an answer is."""

import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.provider_choice import PROVIDERS
from scenarios.voice_call.manager.provider_client import (
    CallStatus,
    ProviderClient,
    ProviderRefused,
    ProviderRequest,
    ProviderUnavailable,
    StatusAnswer,
)
from scenarios.voice_call.manager.providers.commands import Fields, KnownKeys, Reply
from scenarios.voice_call.manager.providers.http_transport import HttpTransport, basic, bearer
from scenarios.voice_call.manager.providers.libraries import LibraryMissing
from scenarios.voice_call.manager.providers.plivo import PlivoProvider
from scenarios.voice_call.manager.providers.telnyx import TelnyxProvider, encode_state
from scenarios.voice_call.manager.providers.twilio import TwilioProvider

T = TypeVar("T")
CALLBACK = "https://voice.example.com/voice/webhook"
PUBLIC = base64.b64encode(
    Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
).decode()


class Exchange:
    """A transport that keeps what it was asked, and answers what was planned."""

    def __init__(self, *replies: Reply | Exception) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.replies = list(replies)

    async def request(self, method: str, path: str, fields: Fields) -> Reply:
        self.asked.append((method, path, dict(fields)))
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


def reply(code: int, /, **document: Any) -> Reply:
    return Reply(code, json.dumps(document).encode())


def twilio(exchange: Exchange) -> ProviderClient:
    return TwilioProvider("token", CALLBACK, exchange)


def telnyx(exchange: Exchange, now: Callable[[], float] = lambda: 0.0) -> ProviderClient:
    return TelnyxProvider(PUBLIC, "7267", CALLBACK, exchange, now=now)


def plivo(exchange: Exchange) -> ProviderClient:
    return PlivoProvider("token", CALLBACK, exchange)


MADE = {
    twilio: reply(201, sid="id-1"),
    telnyx: reply(200, data={"call_control_id": "id-1"}),
    plivo: reply(201, request_uuid="id-1"),
}
ALL = pytest.mark.parametrize("make", list(MADE))


def run(work: Awaitable[T]) -> T:
    async def whole() -> T:
        return await work

    return asyncio.run(whole())


def dial(client: ProviderClient, ring_timeout_ms: int = 30_000) -> Awaitable[Any]:
    to, from_ = "+15551112222", "+15550000000"
    return client.dial(key="k&1", to=to, from_=from_, ring_timeout_ms=ring_timeout_ms, message=None)


# --- dialling --------------------------------------------------------------------------------------------------------


@ALL
def test_a_dial_is_created(make: Any) -> None:
    assert run(dial(make(Exchange(MADE[make])))).provider_call_id == "id-1"


@ALL
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_dial_is_refused(make: Any, status: int) -> None:
    with pytest.raises(ProviderRefused, match=str(status)):
        run(dial(make(Exchange(Reply(status)))))


UNKNOWN = [Reply(status) for status in (302, 408, 425, 429, 500, 502, 503, 504)]
LOST = [TimeoutError(), ConnectionResetError(), OSError("gone"), ProviderUnavailable("no answer")]


@ALL
@pytest.mark.parametrize("answer", [*UNKNOWN, *LOST], ids=repr)
def test_a_dial_whose_answer_says_nothing_is_unknown(make: Any, answer: Reply | Exception) -> None:
    with pytest.raises(ProviderUnavailable):
        run(dial(make(Exchange(answer))))


@ALL
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b"\xff", b"[" * 100_000, b'{"data":7,"sid":7}'])
def test_a_dial_that_was_made_and_not_named_is_unknown(make: Any, body: bytes) -> None:
    with pytest.raises(ProviderUnavailable, match="does not name it"):
        run(dial(make(Exchange(Reply(201, body)))))


def test_twilio_carries_the_key_in_its_callbacks() -> None:
    exchange = Exchange(MADE[twilio])
    run(dial(twilio(exchange), 29_001))
    ((method, path, fields),) = exchange.asked
    assert (method, path, fields["Timeout"]) == ("POST", "Calls.json", 30)
    for callback in (fields["Url"], fields["StatusCallback"]):
        assert parse_qs(urlsplit(callback).query) == {"clientKey": ["k&1"]}
        assert urlsplit(callback).fragment == "rc=5&rp=ct,rt,5xx"
    assert fields["StatusCallbackEvent"] == ("initiated", "ringing", "answered", "completed")


def test_telnyx_carries_the_key_in_its_state_and_as_command_id() -> None:
    exchange = Exchange(MADE[telnyx])
    run(dial(telnyx(exchange), 1_000))
    ((method, path, fields),) = exchange.asked
    assert (method, path) == ("POST", "calls")
    assert fields["client_state"] == encode_state("call-key:", "k&1")
    assert (fields["command_id"], fields["timeout_secs"], fields["webhook_url"]) == ("k&1", 5, CALLBACK)


def test_plivo_carries_the_key_in_its_callbacks() -> None:
    exchange = Exchange(MADE[plivo])
    run(dial(plivo(exchange)))
    ((method, path, fields),) = exchange.asked
    assert (method, path, fields["to"]) == ("POST", "Call/", "15551112222")
    for name in ("answer_url", "ring_url", "hangup_url"):
        assert parse_qs(urlsplit(fields[name]).query) == {"clientKey": ["k&1"]}


# --- hanging up ------------------------------------------------------------------------------------------------------


@ALL
def test_a_hang_up_is_done(make: Any) -> None:
    assert run(make(Exchange(Reply(204))).hang_up("id-1", key="h")) is True


@ALL
def test_a_call_that_is_not_there_is_success(make: Any) -> None:
    assert run(make(Exchange(Reply(404), Reply(404))).hang_up("id-1", key="h")) is False


@pytest.mark.parametrize(
    ("make", "over"), [(twilio, reply(400, code=21220)), (telnyx, reply(422, errors=[{"code": "90018"}]))]
)
def test_a_call_that_is_over_is_success(make: Any, over: Reply) -> None:
    assert run(make(Exchange(over)).hang_up("id-1", key="h")) is False


@ALL
@pytest.mark.parametrize("answer", [Reply(400), Reply(401), reply(422, errors=7), Reply(429), Reply(500), OSError()])
def test_a_hang_up_that_failed_in_any_other_way_stays_owed(make: Any, answer: Reply | Exception) -> None:
    with pytest.raises(ProviderUnavailable):
        run(make(Exchange(answer)).hang_up("id-1", key="h"))


def test_plivo_cancels_the_request_where_there_is_no_call_yet() -> None:
    exchange = Exchange(Reply(404), Reply(204))
    assert run(plivo(exchange).hang_up("id-1", key="h")) is True
    assert [path for _, path, _ in exchange.asked] == ["Call/id-1/", "Request/id-1/"]


def test_telnyx_hangs_up_without_a_command_id_that_would_hide_the_second_attempt() -> None:
    exchange = Exchange(Reply(200))
    run(telnyx(exchange).hang_up("v3:a/b", key="h"))
    assert exchange.asked == [("POST", "calls/v3%3Aa%2Fb/actions/hangup", {})]


@ALL
@pytest.mark.parametrize("bad", ["", ".", ".."])
def test_an_id_that_would_mean_every_call_is_never_sent(make: Any, bad: str) -> None:
    exchange = Exchange()
    with pytest.raises(ProviderUnavailable, match="no id of a call"):
        run(make(exchange).hang_up(bad, key="h"))
    assert exchange.asked == []


# --- speaking and listening ------------------------------------------------------------------------------------------


@ALL
def test_a_prompt_is_refused_by_a_call_that_is_gone_and_unknown_without_an_answer(make: Any) -> None:
    for command in (lambda c: c.play("id-1", "hi", key="p"), lambda c: c.listen("id-1", turn_token="t")):
        with pytest.raises(ProviderRefused):
            run(command(make(Exchange(Reply(404)))))
        with pytest.raises(ProviderUnavailable):
            run(command(make(Exchange(Reply(503)))))


def test_twilio_says_words_and_no_markup() -> None:
    exchange = Exchange(Reply(200))
    run(twilio(exchange).play("CA1", "<Hangup/> & \x00\ud800", key="p1"))
    ((_, path, fields),) = exchange.asked
    assert path == "Calls/CA1.json"
    assert "<Say>&lt;Hangup/&gt; &amp; </Say>" in fields["Twiml"]
    assert "after=p1" in fields["Twiml"]


def test_the_turn_token_goes_out_with_each_way_to_listen() -> None:
    exchanges = [Exchange(Reply(200)) for _ in range(3)]
    for make, exchange in zip((twilio, telnyx, plivo), exchanges, strict=True):
        run(make(exchange).listen("id-1", turn_token="t1"))
    sent = [exchange.asked[0][2] for exchange in exchanges]
    assert "turnToken=t1" in sent[0]["Twiml"]
    assert sent[1]["client_state"] == encode_state("turn-token:", "t1")
    assert parse_qs(urlsplit(sent[2]["aleg_url"]).query) == {"after": ["listen:t1"]}


@ALL
def test_listening_stops(make: Any) -> None:
    exchange = Exchange(Reply(200))
    run(make(exchange).stop_listening("id-1"))
    assert len(exchange.asked) == 1 and exchange.asked[0][0] == "POST"


# --- asking ----------------------------------------------------------------------------------------------------------

LIVE, GONE, OPEN = (StatusAnswer(one) for one in (CallStatus.IN_PROGRESS, CallStatus.NOT_FOUND, CallStatus.UNKNOWN))


@pytest.mark.parametrize(
    ("make", "replies", "answer"),
    [
        (twilio, [reply(200, status="in-progress")], LIVE),
        (twilio, [reply(200, status="completed")], StatusAnswer(CallStatus.ENDED, "completed")),
        (
            twilio,
            [reply(200, status="canceled", direction="outbound-api")],
            StatusAnswer(CallStatus.ENDED, "hangup-bot"),
        ),
        (twilio, [reply(200, status="something new")], OPEN),
        (twilio, [Reply(200, b"<html>")], OPEN),
        (twilio, [Reply(404)], GONE),
        (telnyx, [reply(200, data={"is_alive": True})], LIVE),
        (
            telnyx,
            [reply(200, data={"is_alive": False, "end_time": "2019-01-23T18:11:52Z"})],
            StatusAnswer(CallStatus.ENDED),
        ),
        (telnyx, [reply(200, data={"is_alive": False})], OPEN),
        (telnyx, [reply(200, data={})], OPEN),
        (telnyx, [Reply(404)], GONE),
        (plivo, [Reply(200)], LIVE),
        (plivo, [Reply(404), Reply(200)], LIVE),
        (plivo, [Reply(404), Reply(404), reply(200, call_state="BUSY")], StatusAnswer(CallStatus.ENDED, "busy")),
        (plivo, [Reply(404), Reply(404), reply(200)], StatusAnswer(CallStatus.ENDED)),
        (plivo, [Reply(404), Reply(404), Reply(404)], OPEN),
    ],
)
def test_what_became_of_a_call(make: Any, replies: list[Reply], answer: StatusAnswer) -> None:
    assert run(make(Exchange(*replies)).status("id-1")) == answer


@ALL
@pytest.mark.parametrize("answer", [Reply(401), Reply(422), Reply(429), Reply(500), TimeoutError()])
def test_a_question_without_an_answer_stays_open(make: Any, answer: Reply | Exception) -> None:
    with pytest.raises(ProviderUnavailable):
        run(make(Exchange(answer)).status("id-1"))


@pytest.mark.parametrize(("make", "name"), [(twilio, "CallSid"), (plivo, "CallUUID")])
def test_a_key_is_known_once_a_callback_has_carried_it(make: Any, name: str) -> None:
    client = make(Exchange())
    with pytest.raises(ProviderUnavailable, match="key"):
        run(client.find_by_key("k1"))
    body = f"{name}=id-7&CallStatus=ringing".encode()
    client.parse(ProviderRequest("POST", "/", {}, body, "clientKey=k1", CALLBACK))
    assert run(client.find_by_key("k1")) == "id-7"


def active(*keys: str, after: str | None = None) -> Reply:
    calls = [{"call_control_id": f"c-{key}", "client_state": encode_state("call-key:", key)} for key in keys]
    return reply(200, data=calls, meta={"cursors": {"after": after}})


def test_telnyx_finds_the_active_call_with_the_key_on_any_page() -> None:
    exchange = Exchange(active("a", "b", after="x"), active("k1"))
    assert run(telnyx(exchange).find_by_key("k1")) == "c-k1"
    assert [fields.get("page[after]") for _, _, fields in exchange.asked] == [None, "x"]


def test_telnyx_is_certain_that_there_is_no_call_only_when_every_dial_would_be_listed() -> None:
    clock = [0.0]
    exchange = Exchange(active("a"), active("a"), MADE[telnyx], active("a"), active("a"))
    client = telnyx(exchange, lambda: clock[0])
    with pytest.raises(ProviderUnavailable):
        run(client.find_by_key("k1"))
    clock[0] = 121.0
    assert run(client.find_by_key("k1")) is None
    run(dial(client))
    with pytest.raises(ProviderUnavailable):
        run(client.find_by_key("k1"))
    clock[0] = 242.1
    assert run(client.find_by_key("k1")) is None


@pytest.mark.parametrize("answer", [Reply(404), Reply(200, b"[]"), Reply(500), reply(200, data="x")])
def test_telnyx_list_that_cannot_be_read_leaves_the_question_open(answer: Reply) -> None:
    clock = [0.0]
    client = telnyx(Exchange(answer), lambda: clock[0])
    clock[0] = 1_000.0
    with pytest.raises(ProviderUnavailable):
        run(client.find_by_key("k1"))


def test_known_keys_are_bounded_and_forget_the_oldest() -> None:
    keys = KnownKeys()
    for number in range(10_001):
        keys.learn(f"k{number}", f"c{number}")
    keys.learn(None, "c")
    keys.learn("k", None)
    assert (keys.get("k0"), keys.get("k1"), keys.get("k10000"), keys.get("k")) == (None, "c1", "c10000", None)


# --- over HTTP -------------------------------------------------------------------------------------------------------


def over_http(encoding: Any, answer: Callable[[httpx.Request], httpx.Response]) -> HttpTransport:
    return HttpTransport(
        "https://api.example.com/v1/", basic("me", "secret"), encoding, carrier=httpx.MockTransport(answer)
    )


def test_requests_are_encoded_as_the_account_wants() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={"sid": "id-1"})

    async def story() -> None:
        for encoding in ("form", "json"):
            transport = over_http(encoding, answer)
            posted = await transport.request("POST", "Calls.json", {"To": "+1 5", "Event": ("a", "b"), "n": 3})
            assert (posted.status, posted.document()) == (201, {"sid": "id-1"})
            await transport.request("GET", "calls", {"page[limit]": 250})
            await transport.close()

    run(story())
    form, listed, document, _ = seen
    assert str(form.url) == "https://api.example.com/v1/Calls.json"
    assert form.headers["authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert parse_qs(form.content.decode()) == {"To": ["+1 5"], "Event": ["a", "b"], "n": ["3"]}
    assert json.loads(document.content) == {"To": "+1 5", "Event": ["a", "b"], "n": 3}
    assert listed.url.params["page[limit]"] == "250" and listed.content == b""


@pytest.mark.parametrize("error", [httpx.ConnectTimeout("x"), httpx.ReadError("x"), httpx.RemoteProtocolError("x")])
def test_an_answer_that_did_not_arrive_is_unknown(error: Exception) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(ProviderUnavailable, match=type(error).__name__):
        run(over_http("json", answer).request("POST", "calls", {}))


def test_redirects_are_not_followed() -> None:
    moved = over_http("form", lambda request: httpx.Response(302, headers={"location": "https://evil.example.com/"}))
    assert run(moved.request("POST", "Calls.json", {})).status == 302


def test_missing_http_library_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(LibraryMissing, match=r"pip install 'crash-harness\[serve\]'"):
        HttpTransport("https://api.example.com/", bearer("t"), "json")


# --- from the environment --------------------------------------------------------------------------------------------

REAL = sorted(set(PROVIDERS) - {"mock"})
ENVIRONMENT = {
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "t",
    "TELNYX_API_KEY": "k",
    "TELNYX_PUBLIC_KEY": PUBLIC,
    "TELNYX_CONNECTION_ID": "7267",
    "PLIVO_AUTH_ID": "MA1",
    "PLIVO_AUTH_TOKEN": "t",
}


@pytest.mark.parametrize("name", REAL)
def test_a_provider_is_made_from_the_environment(name: str) -> None:
    config = Config(store_dir="/nowhere", public_url="https://voice.example.com/")
    client = PROVIDERS[name](config, ENVIRONMENT)
    assert client.name == name
    assert str(getattr(client, "callback_url", "")).startswith(CALLBACK)


@pytest.mark.parametrize("name", REAL)
def test_every_missing_variable_is_named_and_no_value(name: str) -> None:
    config = Config(store_dir="/nowhere", public_url="https://voice.example.com")
    with pytest.raises(ValueError, match="the environment lacks") as told:
        PROVIDERS[name](config, dict.fromkeys(ENVIRONMENT, ""))
    for variable in ENVIRONMENT:
        assert (variable in str(told.value)) == variable.startswith(name.upper())


@pytest.mark.parametrize("name", REAL)
def test_without_a_public_url_there_is_no_provider(name: str) -> None:
    with pytest.raises(ValueError, match="public_url is not set"):
        PROVIDERS[name](Config(store_dir="/nowhere"), ENVIRONMENT)
