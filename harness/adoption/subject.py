"""What of a module a crash test can drive: a class that is given its path, or a pair of functions, that write and show.

Among several the one with the most to go on is taken: it has a reader, its writer takes a value, its name says what it does.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from harness.adoption.arguments import Parameter, parameters, with_a_value
from harness.adoption.writing import REFUSED, FunctionNode, Touched, is_folder, touches

_WRITERS: Final = (
    "append", "add", "put", "set", "push", "enqueue", "submit", "save", "store", "record", "write", "log", "insert", "update",
)  # fmt: skip
_READERS: Final = (
    "load", "read", "get", "items", "all", "entries", "events", "jobs", "records", "pending", "values", "list", "state",
    "__iter__", "__getitem__", "__str__",
)  # fmt: skip
_SHOWS_NOTHING: Final = (
    "path",
    "file",
    "dir",
    "folder",
    "exists",
    "closed",
    "open",
    "size",
    "count",
    "is",
    "has",
    "lock",
    "new",
)
"""Words in the names of what gives something back that was never put in."""

_COLLECTS: Final = frozenset({"append", "add", "extend", "insert", "setdefault", "update", "appendleft"})


class Reader(msgspec.Struct, frozen=True):
    """How what was written is seen again: the expression, with {self} for the object (a class) and {place} for its path."""

    shown: str
    by_key: bool = False


class Subject(msgspec.Struct, frozen=True):
    """`owner` is the class ("" for functions), `made` the arguments of its constructor; `place` is the path below /data.

    `replaces`: a value takes the place of the one before. `others`: what else could have been taken.
    """

    file: Path
    owner: str
    made: tuple[Parameter, ...]
    writer: str
    given: tuple[Parameter, ...]
    reader: Reader | None
    place: str
    replaces: bool
    writer_awaits: bool = False
    reader_awaits: bool = False
    others: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """What a test imports from the module."""
        if self.owner:
            return [self.owner]
        shown = [self.reader.shown.partition("(")[0]] if self.reader is not None else []
        return sorted({self.writer, *shown})

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (*self.made, *self.given)


class Looked(msgspec.Struct, frozen=True):
    """A module: its best subject, what it imports that the simulated disk refuses, whether it can be started by itself."""

    file: Path
    subject: Subject | None
    refused: tuple[str, ...]
    is_script: bool


def look_at(file: Path) -> Looked:
    """Read one Python file. Raises SyntaxError, UnicodeDecodeError and OSError as they come."""
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    found = sorted(_subjects(file, tree), key=_worth, reverse=True)
    best = None
    if found:
        others = tuple(dict.fromkeys(other.owner or other.writer for other in found[1:]))
        own = found[0].owner or found[0].writer
        best = msgspec.structs.replace(found[0], others=tuple(name for name in others if name != own))
    return Looked(file, best, _refused(tree), _is_script(tree))


def _worth(subject: Subject) -> tuple[bool, bool, int, bool]:
    """More is better; sorting keeps the order of the file where nothing tells two apart."""
    name = subject.writer.partition("_")[0]
    rank = _WRITERS.index(name) if name in _WRITERS else len(_WRITERS)
    return (subject.reader is not None, bool(subject.given), -rank, bool(subject.owner))


def _subjects(file: Path, tree: ast.Module) -> Iterator[Subject]:
    functions = {node.name: node for node in tree.body if isinstance(node, FunctionNode)}
    touched = touches(functions)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _of_class(file, node, functions)
    for name, function in functions.items():
        if not name.startswith("_") and touched[name].writes:
            yield from _of_functions(file, name, function, functions, touched)


def _of_class(file: Path, node: ast.ClassDef, functions: Mapping[str, FunctionNode]) -> Iterator[Subject]:
    methods = {child.name: child for child in node.body if isinstance(child, FunctionNode)}
    made = _constructor(node, methods)
    if made is None or not _has_place(made):
        return
    touched = touches({**functions, **methods})
    if not any(touched[name].opens or touched[name].writes for name in methods):
        return
    for name, method in methods.items():
        given = with_a_value(parameters(method, method=True))
        if name.startswith("_") or not touched[name].writes or given is None or _has_place(given) or _is_static(method):
            continue
        if not any(one.kind == "value" for one in given):
            continue
        keyed = any(one.kind == "key" for one in given)
        reader = _method_reader(methods, touched, keyed) or _attribute_reader(methods)
        yield Subject(
            file,
            node.name,
            tuple(made),
            name,
            tuple(given),
            reader,
            _place(file, made, list(methods.values())),
            replaces=_replaces(touched[name]) and not keyed and not _collects(methods),
            writer_awaits=isinstance(method, ast.AsyncFunctionDef),
            reader_awaits=reader is not None and _awaits(reader, methods),
        )


def _of_functions(
    file: Path,
    name: str,
    function: FunctionNode,
    functions: Mapping[str, FunctionNode],
    touched: Mapping[str, Touched],
) -> Iterator[Subject]:
    given = with_a_value(parameters(function, method=False))
    if given is None or not _has_place(given) or not any(one.kind == "value" for one in given):
        return
    keyed = any(one.kind == "key" for one in given)
    reader = None
    for other in _ranked(functions):
        taken = parameters(functions[other], method=False)
        if (
            other == name
            or touched[other].writes
            or not touched[other].opens
            or taken is None
            or not _returns(functions[other])
        ):
            continue
        kinds = [one.kind for one in taken]
        if [kind for kind in kinds if kind not in ("path", "folder")] == (["key"] if keyed else []) and _has_place(
            taken
        ):
            arguments = ", ".join(one.given("{place}") for one in taken)
            reader = Reader(f"{other}({arguments})", by_key=keyed)
            break
    yield Subject(
        file,
        "",
        (),
        name,
        tuple(given),
        reader,
        _place(file, given, [function]),
        replaces=_replaces(touched[name]) and not keyed and not _reads_first(function),
        writer_awaits=isinstance(function, ast.AsyncFunctionDef),
        reader_awaits=reader is not None
        and isinstance(functions[reader.shown.partition("(")[0]], ast.AsyncFunctionDef),
    )


def _constructor(node: ast.ClassDef, methods: Mapping[str, FunctionNode]) -> list[Parameter] | None:
    """What the class must be given; a dataclass its annotated fields."""
    if "__init__" in methods:
        return parameters(methods["__init__"], method=True)
    if not any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return None
    fields = [
        ast.arg(child.target.id, child.annotation)
        for child in node.body
        if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name) and child.value is None
    ]
    none = ast.arguments(posonlyargs=[], args=fields, kwonlyargs=[], kw_defaults=[], defaults=[])
    return parameters(ast.FunctionDef(node.name, none, [], [], None), method=False)


def _method_reader(methods: Mapping[str, FunctionNode], touched: Mapping[str, Touched], keyed: bool) -> Reader | None:
    """A method that changes nothing and gives something back, for the key or for nothing."""
    for wanted in (True, False) if keyed else (False,):
        for name in _ranked(methods):
            taken = parameters(methods[name], method=True)
            if taken is None or touched[name].writes or not _returns(methods[name]) or _is_static(methods[name]):
                continue
            if name.startswith("_") and name not in ("__iter__", "__getitem__", "__str__"):
                continue
            if name not in _READERS and {*name.split("_")} & {*_SHOWS_NOTHING}:
                continue
            if len(taken) != wanted or (wanted and taken[0].kind not in ("key", "value")):
                continue
            if name == "__getitem__":
                return Reader('{self}[f"key-{item}"]', by_key=True)
            if name in ("__iter__", "__str__"):
                return Reader("list({self})" if name == "__iter__" else "str({self})")
            if _is_property(methods[name]):
                return Reader(f"{{self}}.{name}")
            argument = 'f"key-{item}"' if wanted else ""
            return Reader(f"{{self}}.{name}({argument})", by_key=wanted)
    return None


def _attribute_reader(methods: Mapping[str, FunctionNode]) -> Reader | None:
    """A public attribute that the constructor fills with what it has read."""
    for node in ast.walk(methods["__init__"]) if "__init__" in methods else ():
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            match target:
                case ast.Attribute(attr=name, value=ast.Name(id="self")) if name in _READERS and not name.startswith(
                    "_"
                ):
                    return Reader(f"{{self}}.{name}")
    return None


def _ranked(functions: Mapping[str, FunctionNode]) -> list[str]:
    """Names of readers, the most telling first."""

    def rank(name: str) -> int:
        head = name if name.startswith("__") else name.partition("_")[0]
        return _READERS.index(head) if head in _READERS else len(_READERS)

    return sorted(functions, key=rank)


def _replaces(touched: Touched) -> bool:
    """A file that is opened for writing anew, and never for appending, holds one value."""
    return any("w" in mode for mode in touched.modes) and not any("a" in mode for mode in touched.modes)


def _collects(methods: Mapping[str, FunctionNode]) -> bool:
    """The object keeps what it was given in a collection, and writes all of it."""
    for method in methods.values():
        for node in ast.walk(method):
            match node:
                case ast.Call(func=ast.Attribute(attr=name, value=ast.Attribute(value=ast.Name(id="self")))):
                    if name in _COLLECTS:
                        return True
                case ast.Assign(targets=[ast.Subscript(value=ast.Attribute(value=ast.Name(id="self")))]):
                    return True
    return False


def _reads_first(function: FunctionNode) -> bool:
    """It looks at what is there before it writes: it may keep it."""
    words = {
        node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    attributes = {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)}
    return any(word.startswith(("load", "read")) for word in words | attributes)


def _awaits(reader: Reader, methods: Mapping[str, FunctionNode]) -> bool:
    name = reader.shown.removeprefix("{self}.").partition("(")[0]
    return isinstance(methods.get(name), ast.AsyncFunctionDef)


def _returns(function: FunctionNode) -> bool:
    return any(
        (isinstance(node, ast.Return) and node.value is not None) or isinstance(node, ast.Yield | ast.YieldFrom)
        for node in ast.walk(function)
    )


def _is_static(function: FunctionNode) -> bool:
    return any(ast.unparse(one) in ("staticmethod", "classmethod") for one in function.decorator_list)


def _is_property(function: FunctionNode) -> bool:
    return any("property" in ast.unparse(one) for one in function.decorator_list)


def _has_place(given: Sequence[Parameter]) -> bool:
    return any(one.kind in ("path", "folder") for one in given)


def _place(file: Path, given: Sequence[Parameter], functions: list[FunctionNode]) -> str:
    place = next(one for one in given if one.kind in ("path", "folder"))
    if place.kind == "folder" or is_folder(place.name, functions):
        return "/data"
    return f"/data/{file.stem.strip('_') or 'state'}.data"


def _refused(tree: ast.Module) -> tuple[str, ...]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return tuple(sorted(names & REFUSED))


def _is_script(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) for node in tree.body)
