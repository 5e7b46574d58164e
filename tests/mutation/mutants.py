"""Mutants of one source file: mutmut's operators make them, here they get names that do not shift.

A mutant is named by its function and by the change of the line, so that a note about it stays true when other lines
move. What mutmut can change but nobody can select at run time (module and class level, decorated functions) is listed
as not mutable. Texts for people are a class of their own: what stands in a log call, or in the message of an error.

Not modelled: mutants that change more than one place.
"""

import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import Mutation, create_mutations, deep_replace

TEXT: Final = "text"
"""The kind of a mutant that changes only what people read: logs and messages of errors."""

_LOGS: Final = ("log", "_log")
_LEVELS: Final = ("info", "warning", "error")


@dataclass(frozen=True)
class Mutant:
    """One mutant. `source` is the changed function, `first_line` where it begins in the file, and
    `changed_lines` are those that differ, as numbered there; `digest` is of the function as it was: a result belongs
    to it."""

    file: str
    function: str
    change: str
    kind: str
    source: str
    first_line: int
    changed_lines: tuple[int, ...]
    digest: str

    @property
    def name(self) -> str:
        return f"{self.file} {self.function}: {self.change}"


@dataclass(frozen=True)
class Mutated:
    """All mutants of a file, and the places of which mutmut makes none that can be selected."""

    mutants: tuple[Mutant, ...]
    not_mutable: tuple[str, ...]


def mutate(path: Path) -> Mutated:
    """The mutants of this file, in its order."""
    code = path.read_text()
    module, mutations, _, _ = create_mutations(str(path), code)
    qualified = dict(_functions(module))
    # mutmut's own wrapper has copied the tree: lines are those of the text, function by function
    lines = _first_lines(code)
    texts = {id(node) for function in qualified for node in _texts(function)}
    mutants: list[Mutant] = []
    seen: dict[str, int] = {}
    outside: dict[str, int] = {}
    for mutation in mutations:
        function = mutation.contained_by_top_level_function
        if not isinstance(function, cst.FunctionDef):
            text = " ".join(module.code_for_node(mutation.original_node).split())[:60]
            outside[text] = outside.get(text, 0) + 1
            continue
        name = qualified[function]
        original = module.code_for_node(function)
        changed = module.code_for_node(_replaced(function, mutation))
        change = _change(original, changed)
        times = seen[f"{name}: {change}"] = seen.get(f"{name}: {change}", 0) + 1
        if times > 1:
            change += f" (number {times})"
        kind = TEXT if id(mutation.original_node) in texts else ""
        digest = hashlib.sha256(original.encode()).hexdigest()[:12]
        numbers = _changed_lines(original, changed, lines[name])
        mutants.append(Mutant(path.name, name, change, kind, changed, lines[name], numbers, digest))
    decorated = [
        f"{name} (decorated)" for function, name in qualified.items() if function.decorators and not _static(function)
    ]
    return Mutated(tuple(mutants), tuple(decorated) + tuple(f"{text} (outside of functions)" for text in outside))


def _functions(module: cst.Module) -> Iterator[tuple[cst.FunctionDef, str]]:
    for statement in module.body:
        if isinstance(statement, cst.FunctionDef):
            yield statement, statement.name.value
        elif isinstance(statement, cst.ClassDef):
            for member in statement.body.body:
                if isinstance(member, cst.FunctionDef):
                    yield member, f"{statement.name.value}.{member.name.value}"


def _first_lines(code: str) -> dict[str, int]:
    """Where each function begins; its leading comments and blank lines are not counted."""
    wrapper = MetadataWrapper(cst.parse_module(code))
    positions = wrapper.resolve(PositionProvider)
    return {name: positions[function].start.line for function, name in _functions(wrapper.module)}


def _static(function: cst.FunctionDef) -> bool:
    names = [one.decorator.value for one in function.decorators if isinstance(one.decorator, cst.Name)]
    return names in (["staticmethod"], ["classmethod"])


def _replaced(function: cst.FunctionDef, mutation: Mutation) -> cst.FunctionDef:
    return cast(cst.FunctionDef, deep_replace(function, mutation.original_node, mutation.mutated_node))


def _change(original: str, changed: str) -> str:
    """The lines that differ, before and after, each on one line."""
    before, after = original.splitlines(), changed.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    gone: list[str] = []
    come: list[str] = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            gone += before[a:b]
            come += after[c:d]
    return f"{_joined(gone)} → {_joined(come)}"


def _changed_lines(original: str, changed: str, first_line: int) -> tuple[int, ...]:
    """The numbers, in the file, of the lines of the function that differ."""
    before, after = original.splitlines(), changed.splitlines()
    above = next(number for number, line in enumerate(before) if line.startswith(("def ", "async def ")))
    numbers: set[int] = set()
    for tag, a, b, _, _ in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            numbers |= set(range(a, max(b, a + 1)))
    return tuple(sorted(first_line + number - above for number in numbers))


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def _texts(function: cst.FunctionDef) -> Iterator[cst.CSTNode]:
    """Every node that only people read."""
    for node in _below(function):
        if isinstance(node, cst.Call) and _is_log(node.func):
            yield from _below(node)
        elif isinstance(node, cst.Raise) and isinstance(node.exc, cst.Call):
            error = node.exc
            if error.args and all(isinstance(argument.value, cst.BaseString) for argument in error.args):
                yield error
                for argument in error.args:
                    yield from _below(argument)


def _is_log(function: cst.BaseExpression) -> bool:
    if not isinstance(function, cst.Attribute) or function.attr.value not in _LEVELS:
        return False
    owner = function.value
    name = owner.attr.value if isinstance(owner, cst.Attribute) else owner.value if isinstance(owner, cst.Name) else ""
    return name in _LOGS


def _below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _below(child)
