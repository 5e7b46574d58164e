"""How each provider proves that a request is its own. Pure: no clock, no settings, nothing is logged.

Twilio, "Webhooks security": base64 of HMAC-SHA1, keyed with the auth token, over the whole URL followed by the name
and value of each body field, sorted by name; a repeated field counts each different value once. The fragment of a
configured URL (it holds connection overrides) is never sent and not signed. Whether the default port is part of the
URL differs, so both forms are tried, as its own validators do.

Telnyx, "Webhook signing": Ed25519 over `timestamp|body`; who checks also bounds the age of the timestamp.

Plivo, "Signature validation" V3: base64 of HMAC-SHA256, keyed with the auth token, over the URL with its query
sorted, a dot where a query and body fields are both there, the sorted body fields, a dot and the nonce. The header
may hold several signatures. V2 (deprecated): the same hash over the URL without query and the nonce; neither query
nor body is covered, so whoever has seen one such request can send another body under it.
"""

import base64
import hmac
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from scenarios.voice_call.manager.providers.forms import Params, read_query
from scenarios.voice_call.manager.providers.libraries import LibraryMissing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TELNYX_WINDOW_S = 300
_AUTHORITY = re.compile(r"^(https?)://([^/?#]*?)(?::(\d{1,5}))?(?=[/?]|$)")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def same(expected: str, given: str) -> bool:
    """Whether two signatures are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(expected.encode("utf-8"), given.encode("utf-8"))


def _hash(key: str, text: str, algorithm: str) -> str:
    digest = hmac.new(key.encode("utf-8"), text.encode("utf-8"), algorithm).digest()
    return base64.b64encode(digest).decode("ascii")


def _by_name(params: Params) -> list[tuple[str, list[str]]]:
    values: dict[str, list[str]] = {}
    for name, value in params:
        values.setdefault(name, []).append(value)
    return [(name, sorted(values[name])) for name in sorted(values)]


# --- Twilio ----------------------------------------------------------------------------------------------------------


def twilio_signature(auth_token: str, url: str, params: Params) -> str:
    """The signature of a request with these body fields to exactly this URL."""
    fields = "".join(name + value for name, values in _by_name(params) for value in sorted(set(values)))
    return _hash(auth_token, url.partition("#")[0] + fields, "sha1")


def twilio_is_genuine(auth_token: str, url: str, params: Params, given: str) -> bool:
    """Whether `given` signs the request, under the URL with or without its port."""
    return any(same(twilio_signature(auth_token, one, params), given) for one in _ported(url))


def _ported(url: str) -> Iterator[str]:
    yield url
    found = _AUTHORITY.match(url)
    if found is None:
        return
    scheme, host, port = found.groups()
    rest = url[found.end() :]
    yield f"{scheme}://{host}{rest}"
    yield f"{scheme}://{host}:{port or _DEFAULT_PORTS[scheme]}{rest}"


# --- Telnyx ----------------------------------------------------------------------------------------------------------


def telnyx_key(public_key: str) -> "Ed25519PublicKey":
    """The public key as the portal shows it: base64 of the 32 bytes, or of their DER form.

    Raises ValueError for anything else, and LibraryMissing when the library for Ed25519 is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ModuleNotFoundError as error:
        raise LibraryMissing("cryptography", "Telnyx signatures") from error
    try:
        raw = base64.b64decode(public_key, validate=True)
        return Ed25519PublicKey.from_public_bytes(raw[-32:] if raw[:-32] in (b"", _DER_HEAD) else raw)
    except ValueError as error:
        raise ValueError(f"the Telnyx public key {public_key!r} is no base64 of an Ed25519 key: {error}") from error


_DER_HEAD = bytes.fromhex("302a300506032b6570032100")


def telnyx_is_genuine(key: "Ed25519PublicKey", timestamp: str, given: str, body: bytes, now: float) -> bool:
    """Whether `given` (base64) signs body and timestamp (seconds), and the timestamp is within the window of `now`."""
    from cryptography.exceptions import InvalidSignature

    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        return False
    if abs(now - int(timestamp)) > TELNYX_WINDOW_S:
        return False
    try:
        key.verify(base64.b64decode(given, validate=True), timestamp.encode("ascii") + b"|" + body)
    except (InvalidSignature, ValueError):
        return False
    return True


# --- Plivo -----------------------------------------------------------------------------------------------------------


def plivo_v3_signature(auth_token: str, url: str, params: Params, nonce: str) -> str:
    """The signature of a POST with these body fields. Raises ValueError when the query is no UTF-8."""
    base, _, query = url.partition("#")[0].partition("?")
    sorted_query = "&".join(f"{name}={value}" for name, values in _by_name(read_query(query)) for value in values)
    fields = "".join(name + value for name, values in _by_name(params) for value in values)
    mark = "?" if sorted_query or fields else ""
    dot = "." if sorted_query and fields else ""
    return _hash(auth_token, f"{base}{mark}{sorted_query}{dot}{fields}.{nonce}", "sha256")


def plivo_v2_signature(auth_token: str, url: str, nonce: str) -> str:
    """The deprecated signature: it covers neither the query nor the body."""
    return _hash(auth_token, url.partition("#")[0].partition("?")[0] + nonce, "sha256")


def among(expected: str, given: Iterable[str]) -> bool:
    """Whether one of the signatures, each perhaps a list with commas, is the expected one."""
    return any(same(expected, one.strip()) for text in given for one in text.split(","))
