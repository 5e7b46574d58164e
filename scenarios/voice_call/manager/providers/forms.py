"""Bodies of the type application/x-www-form-urlencoded, and the marks we put into the query of our callback URLs.

A body is read strictly: bytes that are no UTF-8 would otherwise be replaced, and two different requests would look
the same to whoever checks a signature or derives an id.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

Params = tuple[tuple[str, str], ...]

CLIENT_KEY = "clientKey"
TURN_TOKEN = "turnToken"
_MOST_FIELDS = 1_000


def read_form(body: bytes) -> Params:
    """The fields of a body, in their order, repeated ones included. Raises ValueError."""
    return read_query(body.decode("utf-8"))


def read_query(query: str) -> Params:
    """The fields of a query, in their order. Raises ValueError."""
    return tuple(parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS))


def field(params: Params, name: str) -> str | None:
    """The first value of a field; None when it is missing or empty."""
    return next((value for key, value in params if key == name and value), None)


def with_marks(url: str, marks: Mapping[str, str]) -> str:
    """The URL with these fields in its query, in the place of fields of the same name; its fragment stays."""
    parts = urlsplit(url)
    kept = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key not in marks]
    return urlunsplit(parts._replace(query=urlencode([*kept, *marks.items()])))
