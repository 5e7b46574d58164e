"""Frames of the providers' media streams: JSON objects with an `event`, alike enough to be read in one place.

Audio itself is not looked at: a media frame is a sign of life. None of these streams carries transcripts, so there
is nothing that could be acknowledged either.
"""

from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from scenarios.voice_call.manager.provider_client import StreamFrame


def read_object(raw: str) -> dict[str, Any]:
    """The JSON object of a frame. Raises ValueError."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"a stream frame must be a JSON object: {type(error).__name__}") from None


def part(frame: dict[str, Any], name: str) -> dict[str, Any]:
    """An object in a frame; empty when it is missing or something else."""
    found = frame.get(name)
    return found if isinstance(found, dict) else {}


def words(frame: dict[str, Any], name: str) -> str | None:
    """A text in a frame that is not empty."""
    found = frame.get(name)
    return found if isinstance(found, str) and found else None


def read_stream_frame(raw: str, call_id_name: str, token_part: str) -> StreamFrame:
    """A frame; the start names its call in `call_id_name`, its token, if at all, in the object `token_part`.

    Raises ValueError.
    """
    frame = read_object(raw)
    kind = frame.get("event")
    if kind == "start":
        start = part(frame, "start")
        return StreamFrame("start", words(start, call_id_name), words(part(start, token_part), "token"))
    return StreamFrame(kind if kind in ("media", "stop") else "other")


def nothing_to_acknowledge(provider: str) -> ValueError:
    """Why a stream of this provider acknowledges no transcript."""
    return ValueError(f"media streams of {provider} carry no transcripts; nothing can be acknowledged")


def stream_url(request_url: str, granted: str, token: str | None = None) -> str:
    """Where the provider opens its stream: as granted, on the host it has just asked; the token in the query or not."""
    asked, target = urlsplit(request_url), urlsplit(granted)
    query = target.query if token is None else "&".join(filter(None, (target.query, f"token={quote(token, safe='')}")))
    scheme = target.scheme or ("ws" if asked.scheme == "http" else "wss")
    return urlunsplit((scheme, target.netloc or asked.netloc, target.path, query, ""))
