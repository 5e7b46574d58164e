"""Put one mutant in the place of its function, in this process: for a process that was forked for it.

The function object stays and gets another code, so that every name, table and bound method that refers to it follows.
Line numbers stay those of the file, so that findings name the right lines.
"""

import importlib
import textwrap
from types import FunctionType, ModuleType
from typing import Any

from mutants import Mutant


def select(mutant: Mutant, package: str) -> None:
    """Make the program run this mutant. Raises ValueError where the function cannot be found or replaced."""
    module = importlib.import_module(f"{package}.{mutant.file.removesuffix('.py')}")
    owner, _, name = mutant.function.rpartition(".")
    holder: Any = getattr(module, owner) if owner else module
    target = _plain(vars(holder)[name])
    changed = _compiled(mutant, module, owner, name)
    if changed.__code__.co_freevars != target.__code__.co_freevars:
        raise ValueError(f"{mutant.name}: the mutant closes over other names than the function")
    target.__code__ = changed.__code__
    target.__defaults__ = changed.__defaults__
    target.__kwdefaults__ = changed.__kwdefaults__


def _compiled(mutant: Mutant, module: ModuleType, owner: str, name: str) -> FunctionType:
    lines = mutant.source.strip("\n").splitlines()
    above = next(number for number, line in enumerate(lines) if line.startswith(("def ", "async def ", "@")))
    head = next(number for number, line in enumerate(lines) if line.startswith(("def ", "async def ")))
    text = "\n".join(lines[above:]) + "\n"
    if owner:
        text = f"class {owner}:\n{textwrap.indent(text, '    ')}"
    padding = "\n" * (mutant.first_line - 1 - (head - above) - bool(owner))
    namespace = dict(vars(module))
    exec(compile(padding + text, str(module.__file__), "exec", dont_inherit=True), namespace)
    made: Any = vars(namespace[owner])[name] if owner else namespace[name]
    return _plain(made)


def _plain(function: Any) -> FunctionType:
    plain = getattr(function, "__func__", function)
    if not isinstance(plain, FunctionType):
        raise ValueError(f"{function!r} is no plain function")
    return plain
