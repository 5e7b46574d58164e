"""The signatures of three providers: published examples hold, and whatever differs from them does not."""

import base64
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from scenarios.voice_call.manager.providers.forms import read_form
from scenarios.voice_call.manager.providers.libraries import LibraryMissing
from scenarios.voice_call.manager.providers.signatures import (
    among,
    plivo_v2_signature,
    plivo_v3_signature,
    same,
    telnyx_is_genuine,
    telnyx_key,
    twilio_is_genuine,
    twilio_signature,
)

# Twilio's own example, in "Webhooks security" and in its client libraries.
TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_PARAMS = (
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
)
TWILIO_SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="

# Plivo's examples, in its client libraries.
PLIVO_TOKEN = "Y2Q2ZDgxZmY5YWRiOTI5YmQ1Njg0MTAxZWIyOTc4"
PLIVO_NONCE = "31627761595286130198"
PLIVO_URL = "https://plivobin.non-prod.plivops.com/api/v1/validate_signature03.xml"
PLIVO_PARAMS = (
    ("Direction", "outbound"),
    ("From", "19792014278"),
    ("ALegUUID", "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36"),
    ("CallStatus", "in-progress"),
    ("BillRate", "0.002"),
    ("ParentAuthID", "MANWVLYTK4ZWU1YTY4QA"),
    ("To", "sip:PlivoSignature382029104058171078704104@phone-qa.voice.plivodev.com"),
    ("ALegRequestUUID", "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36"),
    ("CallUUID", "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36"),
    ("RequestUUID", "3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36"),
    ("SIP-H-To", "<sip:PlivoSignature382029104058171078704104@52.9.11.55;transport=udp>;tag=1"),
    ("SessionStart", "2020-04-08 11:34:33.238707"),
    ("Event", "StartApp"),
)

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
NOW = 1_700_000_000.0


# --- Twilio ----------------------------------------------------------------------------------------------------------


def test_twilio_published_example() -> None:
    assert twilio_signature("12345", TWILIO_URL, TWILIO_PARAMS) == TWILIO_SIGNATURE


def test_twilio_repeated_fields_count_each_value_once_in_order() -> None:
    params = read_form(b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234")
    assert twilio_signature("12345", TWILIO_URL, params) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="
    assert twilio_signature("12345", TWILIO_URL, (*params, ("Digits", "1234"))) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        (TWILIO_URL, TWILIO_SIGNATURE),
        (TWILIO_URL.replace(".com", ".com:1234"), TWILIO_SIGNATURE),
        (TWILIO_URL.replace(".com", ".com:1234").replace("https", "http"), "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        (TWILIO_URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),  # signed with port 443
        (TWILIO_URL.replace("https", "http"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),  # signed with port 80
    ],
)
def test_twilio_may_sign_with_or_without_the_port(url: str, signature: str) -> None:
    assert twilio_is_genuine("12345", url, TWILIO_PARAMS, signature)


def test_twilio_does_not_sign_the_fragment() -> None:
    assert twilio_is_genuine("12345", TWILIO_URL + "#rc=5&rp=5xx", TWILIO_PARAMS, TWILIO_SIGNATURE)


def test_twilio_does_not_depend_on_the_order_of_fields() -> None:
    assert twilio_is_genuine("12345", TWILIO_URL, TWILIO_PARAMS[::-1], TWILIO_SIGNATURE)


@pytest.mark.parametrize(
    ("token", "url", "params", "given_"),
    [
        ("12346", TWILIO_URL, TWILIO_PARAMS, TWILIO_SIGNATURE),
        ("12345", TWILIO_URL + "&baz=3", TWILIO_PARAMS, TWILIO_SIGNATURE),
        ("12345", TWILIO_URL.replace("mycompany", "theirs"), TWILIO_PARAMS, TWILIO_SIGNATURE),
        ("12345", TWILIO_URL, TWILIO_PARAMS[1:], TWILIO_SIGNATURE),
        ("12345", TWILIO_URL, (*TWILIO_PARAMS, ("x", "")), TWILIO_SIGNATURE),
        ("12345", TWILIO_URL, TWILIO_PARAMS, TWILIO_SIGNATURE.lower()),
        ("12345", TWILIO_URL, TWILIO_PARAMS, ""),
        ("12345", TWILIO_URL, TWILIO_PARAMS, "ü" * 28),
    ],
)
def test_twilio_forgeries(token: str, url: str, params: tuple[tuple[str, str], ...], given_: str) -> None:
    assert not twilio_is_genuine(token, url, params, given_)


def test_many_fields_are_signed_in_linear_time() -> None:
    params = tuple((f"n{i}", "v") for i in range(20_000))
    assert len(twilio_signature("12345", TWILIO_URL, params)) == 28
    assert len(plivo_v3_signature("t", TWILIO_URL, params, "n")) == 44


# --- Telnyx ----------------------------------------------------------------------------------------------------------


def telnyx_signature(timestamp: str, body: bytes) -> str:
    return base64.b64encode(PRIVATE.sign(timestamp.encode() + b"|" + body)).decode()


@pytest.mark.parametrize("age", [0, 299, 300, -300])
def test_telnyx_within_the_window(age: int) -> None:
    timestamp = str(int(NOW) - age)
    assert telnyx_is_genuine(telnyx_key(PUBLIC), timestamp, telnyx_signature(timestamp, b"{}"), b"{}", NOW)


@pytest.mark.parametrize("age", [301, -301, 86_400, 10**9])
def test_telnyx_outside_the_window(age: int) -> None:
    timestamp = str(int(NOW) - age)
    assert not telnyx_is_genuine(telnyx_key(PUBLIC), timestamp, telnyx_signature(timestamp, b"{}"), b"{}", NOW)


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e9", "1700000000.0", " 1700000000", "٣", "9" * 5_000])
def test_telnyx_timestamps_that_are_none(timestamp: str) -> None:
    assert not telnyx_is_genuine(telnyx_key(PUBLIC), timestamp, telnyx_signature("1700000000", b"{}"), b"{}", NOW)


def test_telnyx_forgeries() -> None:
    key, timestamp = telnyx_key(PUBLIC), str(int(NOW))
    genuine = telnyx_signature(timestamp, b"{}")
    other = base64.b64encode(Ed25519PrivateKey.generate().sign(timestamp.encode() + b"|{}")).decode()
    assert not telnyx_is_genuine(key, timestamp, genuine, b"{} ", NOW)
    assert not telnyx_is_genuine(key, str(int(NOW) + 1), genuine, b"{}", NOW)
    for forged in (other, "", "no base64!", "ü", genuine[:-4], base64.b64encode(b"short").decode()):
        assert not telnyx_is_genuine(key, timestamp, forged, b"{}", NOW)


def test_telnyx_key_is_taken_raw_or_as_der() -> None:
    der = PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    timestamp = str(int(NOW))
    for shown in (PUBLIC, base64.b64encode(der).decode()):
        assert telnyx_is_genuine(telnyx_key(shown), timestamp, telnyx_signature(timestamp, b"x"), b"x", NOW)


@pytest.mark.parametrize("shown", ["", "???", "AAAA", base64.b64encode(bytes(33)).decode()])
def test_telnyx_key_that_is_none_is_named(shown: str) -> None:
    with pytest.raises(ValueError, match="Telnyx public key"):
        telnyx_key(shown)


def test_missing_library_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(LibraryMissing, match=r"pip install 'crash-harness\[serve\]'"):
        telnyx_key(PUBLIC)


# --- Plivo -----------------------------------------------------------------------------------------------------------


def test_plivo_v3_published_examples() -> None:
    with_query = plivo_v3_signature(PLIVO_TOKEN, PLIVO_URL + "/?a=b&c=d", PLIVO_PARAMS, PLIVO_NONCE)
    assert with_query == "k7Pusd4OxCIjR5IfA9iedDNu/h/gbdYqdzG/MiYtd1c="
    without = plivo_v3_signature(PLIVO_TOKEN, PLIVO_URL, PLIVO_PARAMS, PLIVO_NONCE)
    assert without == "iAjE5QqI37mbkYe4w3jTMudqEzbDufdqi7sYwTu64e0="


def test_plivo_v2_published_example() -> None:
    signature = "ehV3IKhLysWBxC1sy8INm0qGoQYdYsHwuoKjsX7FsXc="
    assert plivo_v2_signature("my_auth_token", "https://answer.url", "12345") == signature
    assert plivo_v2_signature("my_auth_tokens", "https://answer.url", "12345") != signature


def test_plivo_v3_does_not_depend_on_order_or_fragment() -> None:
    one = plivo_v3_signature(PLIVO_TOKEN, PLIVO_URL + "?a=b&c=d", PLIVO_PARAMS, PLIVO_NONCE)
    assert plivo_v3_signature(PLIVO_TOKEN, PLIVO_URL + "?c=d&a=b#mr=1", PLIVO_PARAMS[::-1], PLIVO_NONCE) == one


@pytest.mark.parametrize(
    ("url", "params", "nonce"),
    [
        (PLIVO_URL + "?a=b", PLIVO_PARAMS, PLIVO_NONCE),
        (PLIVO_URL, PLIVO_PARAMS[1:], PLIVO_NONCE),
        (PLIVO_URL, PLIVO_PARAMS, PLIVO_NONCE + "1"),
        (PLIVO_URL, (), PLIVO_NONCE),
    ],
)
def test_plivo_v3_covers_query_fields_and_nonce(url: str, params: tuple[tuple[str, str], ...], nonce: str) -> None:
    genuine = plivo_v3_signature(PLIVO_TOKEN, PLIVO_URL, PLIVO_PARAMS, PLIVO_NONCE)
    assert plivo_v3_signature(PLIVO_TOKEN, url, params, nonce) != genuine


def test_a_header_may_hold_several_signatures() -> None:
    assert among("two", ["one, two", "three"])
    assert not among("two", ["one,tw", "o"])


WORDS = st.text(st.characters(codec="utf-8"))


@given(WORDS, WORDS)
def test_same_is_equality_for_any_text(one: str, other: str) -> None:
    assert same(one, other) == (one == other)
    assert same(one, one)
