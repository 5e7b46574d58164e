"""Values of plain types as JSON and back: what the outside world of a case remembered, in a file that runs no code.

JSON has no bytes, tuples, sets, nor dictionaries with other keys than text; each of them is an object with one key. What
is of any other type, or nested deeper than `DEPTH`, cannot be kept, and is refused by name.
"""

import base64
import binascii
from typing import Any, Final

DEPTH: Final = 40


class NotPlain(ValueError):
    """The value, or what was stored, is not made of plain types; the message names the first one that is not."""


def stored(value: object, depth: int = 0) -> Any:
    """The value as something that JSON has. NotPlain for what it has not."""
    if depth > DEPTH:
        raise NotPlain(f"nested deeper than {DEPTH}")
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    match value:
        case float() if kind is float:
            return {"float": value.hex()}
        case bytes() if kind is bytes:
            return {"bytes": base64.b64encode(value).decode()}
        case list() if kind is list:
            return [stored(one, depth + 1) for one in value]
        case tuple() if kind is tuple:
            return {"tuple": [stored(one, depth + 1) for one in value]}
        case frozenset() | set() if kind in (frozenset, set):
            return {kind.__name__: sorted((stored(one, depth + 1) for one in value), key=repr)}
        case dict() if kind is dict:
            return {"dict": [[stored(key, depth + 1), stored(one, depth + 1)] for key, one in value.items()]}
    raise NotPlain(f"a {kind.__module__}.{kind.__qualname__} cannot be kept as data")


def restored(value: Any, depth: int = 0) -> Any:
    """What `stored` was given. NotPlain for anything that it does not write."""
    if depth > DEPTH:
        raise NotPlain(f"nested deeper than {DEPTH}")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list):
        return [restored(one, depth + 1) for one in value]
    if not isinstance(value, dict) or len(value) != 1:
        raise NotPlain("neither a plain value nor an object with one key")
    ((kind, content),) = value.items()
    try:
        return _made(kind, content, depth)
    except (TypeError, ValueError, binascii.Error) as error:
        raise NotPlain(f"{kind!r} is not what was stored: {error}") from None


def _made(kind: str, content: Any, depth: int) -> Any:
    if kind == "float":
        return float.fromhex(content)
    if kind == "bytes":
        return base64.b64decode(content, validate=True)
    if not isinstance(content, list):
        raise NotPlain(f"{kind!r} is not a list")
    if kind == "dict":
        return {restored(key, depth + 1): restored(one, depth + 1) for key, one in content}
    values = [restored(one, depth + 1) for one in content]
    if kind == "tuple":
        return tuple(values)
    if kind == "set":
        return set(values)
    if kind == "frozenset":
        return frozenset(values)
    raise NotPlain(f"{kind!r} is no kind of value")
