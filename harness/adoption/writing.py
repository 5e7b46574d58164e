"""Which functions of a module change files, which only look at them: read off its syntax tree (`ast`), not run.

A function writes when it opens a file for writing, writes to something, replaces, removes, or calls one of its module
that does. Known by names only: `.write()` of anything counts, a call through a variable or of another module does not.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

_WRITES: Final = frozenset({"write", "writelines", "write_text", "write_bytes", "dump"})
_OF_OS: Final = frozenset({"replace", "rename", "write", "pwrite", "truncate", "ftruncate"})
_READS: Final = frozenset({"read", "readline", "readlines", "read_text", "read_bytes", "load", "loads"})
_MAKES_FOLDERS: Final = frozenset({"makedirs", "mkdir", "listdir", "scandir", "iterdir", "glob"})

REFUSED: Final = frozenset(
    {"sqlite3", "mmap", "subprocess", "threading", "multiprocessing", "concurrent", "ctypes", "dbm", "shelve"}
)
"""Modules whose files or processes the simulated disk does not see (README, "What it does not do")."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Touched(msgspec.Struct, frozen=True):
    """What one function does to files: `modes` are those it opens them with; `calls`: names of functions it calls."""

    writes: bool
    opens: bool
    modes: frozenset[str]
    calls: frozenset[str]


def touches(functions: Mapping[str, FunctionNode]) -> dict[str, Touched]:
    """By name, with what the functions of the same module do that each one calls."""
    own = {name: _own(node) for name, node in functions.items()}
    while True:
        joined = {name: _with_calls(touched, own) for name, touched in own.items()}
        if joined == own:
            return own
        own = joined


def is_folder(parameter: str, functions: list[FunctionNode]) -> bool:
    """Whether something is made, listed or joined below the path that is given as `parameter`."""
    for node in (node for function in functions for node in ast.walk(function)):
        match node:
            case ast.BinOp(left=left, op=ast.Div()) if _is(left, parameter):
                return True
            case ast.Call(func=ast.Attribute(attr="join"), args=[first, _, *_]) if _is(first, parameter):
                return True
            case ast.Call(func=ast.Attribute(attr=name, value=held), args=given) if name in _MAKES_FOLDERS:
                if _is(held, parameter) or (given and _is(given[0], parameter)):
                    return True
    return False


def _own(function: FunctionNode) -> Touched:
    writes, opens = False, False
    modes: set[str] = set()
    calls: set[str] = set()
    for call in _calls(function):
        name, of = _named(call)
        calls.add(name)
        if name == "open" or (of, name) == ("os", "fdopen"):
            opens = True
            mode = _mode(call, of)
            modes.add(mode)
            writes |= any(letter in mode for letter in "wax+")
        elif name in _WRITES or (of in ("os", "shutil") and name in _OF_OS):
            writes = True
            if name.startswith("write_"):
                opens = True
                modes.add("w")
        elif name in _READS:
            opens = True
    return Touched(writes, opens, frozenset(modes), frozenset(calls))


def _with_calls(touched: Touched, own: Mapping[str, Touched]) -> Touched:
    called = [own[name] for name in touched.calls if name in own]
    return Touched(
        touched.writes or any(other.writes for other in called),
        touched.opens or any(other.opens for other in called),
        touched.modes.union(*(other.modes for other in called)),
        touched.calls,
    )


def _calls(function: FunctionNode) -> Iterator[ast.Call]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Call))


def _named(call: ast.Call) -> tuple[str, str]:
    """(name, what stands before its dot)."""
    match call.func:
        case ast.Name(id=name):
            return name, ""
        case ast.Attribute(attr=name, value=ast.Name(id=of)):
            return name, of
        case ast.Attribute(attr=name):
            return name, ""
    return "", ""


def _mode(call: ast.Call, of: str) -> str:
    """Of `open(path, mode)`, `path.open(mode)`, or `os.open(path, flags)`: "a" for flags that create or write."""
    given = [word.value for word in call.keywords if word.arg == "mode"]
    place = 0 if isinstance(call.func, ast.Attribute) and of not in ("os", "io") else 1
    given += call.args[place : place + 1]
    if of == "os":
        flags = ast.unparse(given[0]) if given else ""
        return "a" if any(word in flags for word in ("O_CREAT", "O_WRONLY", "O_RDWR", "O_APPEND")) else "r"
    if not given:
        return "r"
    return given[0].value if isinstance(given[0], ast.Constant) and isinstance(given[0].value, str) else "r"


def _is(node: ast.expr, parameter: str) -> bool:
    """The parameter itself, `self.parameter`, `Path(parameter)`."""
    match node:
        case ast.Name(id=name):
            return name == parameter
        case ast.Attribute(attr=name, value=ast.Name(id="self")):
            return name.lstrip("_") == parameter
        case ast.Call(func=ast.Name(id="Path"), args=[inner]):
            return _is(inner, parameter)
    return False
