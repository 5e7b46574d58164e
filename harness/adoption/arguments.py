"""Arguments that a function takes: a path below /data, and a text that can be found again in what is shown later.

Chosen by annotation, else by name. A parameter with a default is left alone; one of a type that nobody knows makes the
function one that cannot be called without its author.
"""

import ast
from typing import Final

import msgspec

from harness.adoption.writing import FunctionNode

_PATHS: Final = ("path", "file", "filename", "filepath", "location", "target", "store", "db", "database")
_FOLDERS: Final = ("dir", "directory", "folder", "root", "base", "base_dir", "data_dir", "store_dir")
_KEYS: Final = ("key", "name", "id", "field", "user", "topic", "session_id", "job_id")

_TEMPLATES: Final = {
    "str": "item",
    "bytes": "item.encode()",
    "int": "int(item)",
    "float": "float(item)",
    "dict": '{"item": item}',
    "list": "[item]",
    "tuple": "(item,)",
    "set": "{item}",
    "object": "item",
    "Any": "item",
}
"""How each type carries the text `item`."""

_PLAIN: Final = frozenset({"str", "Any", "object", "None"})
"""What may stand in the brackets of a collection: of other things only its author knows how they are made."""


class Parameter(msgspec.Struct, frozen=True):
    """`kind`: "path", "folder", "key" or "value"; `made`: the expression that a test passes, with {place} for its path."""

    name: str
    kind: str
    made: str
    numeric: bool = False
    by_keyword: bool = False

    def given(self, place: str) -> str:
        text = self.made.replace("{place}", place)
        return f"{self.name}={text}" if self.by_keyword else text


def parameters(function: FunctionNode, *, method: bool) -> list[Parameter] | None:
    """Those that must be given; None where one of them is of a kind that only its author can make."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    required = positional[: len(positional) - len(arguments.defaults)][1 if method else 0 :]
    keywords = [
        argument for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if not default
    ]
    found = [_parameter(argument, argument in keywords) for argument in [*required, *keywords]]
    return [one for one in found if one is not None] if None not in found else None


def with_a_value(given: list[Parameter] | None) -> list[Parameter] | None:
    """The same; a key without anything to keep under it is what is kept."""
    if given is None or any(one.kind == "value" for one in given):
        return given
    return [msgspec.structs.replace(one, kind="value", made="item") if one.kind == "key" else one for one in given]


def _parameter(argument: ast.arg, by_keyword: bool) -> Parameter | None:
    kinds = _types(argument.annotation)
    name = argument.arg.lower().strip("_")
    is_path = "Path" in kinds or "PathLike" in kinds
    untyped_or_text = not kinds or "str" in kinds or is_path
    if untyped_or_text and (name in _FOLDERS or name.endswith(("_dir", "_folder"))):
        return Parameter(argument.arg, "folder", _path("folder", is_path), by_keyword=by_keyword)
    if is_path or (untyped_or_text and (name in _PATHS or name.endswith(("_path", "_file")))):
        return Parameter(argument.arg, "path", _path("path", is_path), by_keyword=by_keyword)
    known = next((kind for kind in kinds if kind in _TEMPLATES), None) if kinds else "str"
    if known is None:
        return None
    if known == "str" and name in _KEYS:
        return Parameter(argument.arg, "key", 'f"key-{item}"', by_keyword=by_keyword)
    return Parameter(argument.arg, "value", _TEMPLATES[known], numeric=known in ("int", "float"), by_keyword=by_keyword)


def _path(kind: str, as_path: bool) -> str:
    return "Path({place})" if as_path else "{place}"


def _types(annotation: ast.expr | None) -> list[str]:
    """The names of an annotation, without what stands in brackets: `dict[str, int] | None` has `dict` and `None`."""
    match annotation:
        case None:
            return []
        case ast.Name(id=name):
            return [name]
        case ast.Attribute(attr=name):
            return [name]
        case ast.Subscript(value=value, slice=inside):
            names = _types(value)
            if names in (["Optional"], ["Annotated"]):
                return _types(inside)
            within = inside.elts if isinstance(inside, ast.Tuple) else [inside]
            return names if all(_PLAIN.issuperset(_types(one)) for one in within) else ["unknown"]
        case ast.BinOp(left=left, right=right):
            return [*_types(left), *_types(right)]
        case ast.Constant(value=str() as text):
            try:
                return _types(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return [text]
        case ast.Constant():
            return ["None"]
        case ast.Tuple(elts=parts):
            return _types(parts[0])
    return ["unknown"]
