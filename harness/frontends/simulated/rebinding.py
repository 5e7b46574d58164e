"""The standard library's own Python functions, bound to other globals.

`os.walk`, `os.makedirs`, `os.path.realpath` … call `scandir`, `mkdir`, `lstat` through their module's globals. A
copy of each function over a dictionary of ours calls ours: the behaviour stays that of the running interpreter.
"""

from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any


def rebound(source: Mapping[str, object], names: Iterable[str], into: dict[str, Any]) -> None:
    """Copy the Python functions `names` of the namespace `source` into `into`, which becomes their globals."""
    for name in names:
        function = source[name]
        if isinstance(function, FunctionType):
            into[name] = _copy(function, into)


def _copy(function: FunctionType, namespace: dict[str, Any]) -> Callable[..., Any]:
    copy = FunctionType(function.__code__, namespace, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__doc__ = function.__doc__
    copy.__module__ = function.__module__
    return copy
