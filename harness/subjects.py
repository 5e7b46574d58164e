"""Finding scenarios: by the name of an entry point (group `harness.scenarios`), by file, by `module:Class`.

A reference is the text that finds the same scenario again, in this process or another: it is what a repro file keeps.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import _pytest.outcomes

from harness.callables import collecting
from harness.own_lines import place_of
from harness.scenario import Scenario

AnyScenario = Scenario[Any, Any, Any]

GROUP: Final = "harness.scenarios"


class UnknownSubject(ValueError):
    """Nothing is found under this reference; the message says what was looked for and what there is."""


def known_names() -> list[str]:
    return sorted({point.name for point in importlib.metadata.entry_points(group=GROUP)})


def find(reference: str) -> list[AnyScenario]:
    """The scenarios that `reference` means: one for a name or class, one per `crash_test` call for a file.

    `NAME/BUG` is the scenario NAME with its seeded bug BUG.
    """
    file, _, test = reference.partition("::")
    if file.endswith(".py"):
        return list(_in_file(file, test))
    if "/" in reference:
        return [_with_bug(reference)]
    if ":" in reference:
        return [_instance(_attribute(reference), reference)]
    for point in importlib.metadata.entry_points(group=GROUP):
        if point.name == reference:
            try:
                loaded = point.load()
            except (Exception, SystemExit) as error:
                raise UnknownSubject(f"scenario {reference!r} ({point.value}) cannot be loaded: {error}") from error
            return [_instance(loaded, reference)]
    raise UnknownSubject(
        f"no scenario {reference!r}: known names are {', '.join(known_names()) or '(none)'}; "
        "a file (tests/test_log.py) or module:Class works as well"
    )


def find_one(reference: str) -> AnyScenario:
    """Exactly one scenario, as a repro names it."""
    found = find(reference)
    if len(found) > 1:  # several calls in one test: without a number, the first
        found = [scenario for scenario in found if scenario.reference == reference] or found
    if len(found) != 1:
        raise UnknownSubject(f"{reference!r} means {len(found)} scenarios, not one")
    return found[0]


def _with_bug(reference: str) -> AnyScenario:
    name, _, bug_id = reference.rpartition("/")
    bugs = find_one(name).bugs()
    for bug in bugs:
        if bug.id == bug_id:
            return _instance(bug.build(), reference)
    known = ", ".join(bug.id for bug in bugs) or "(none)"
    raise UnknownSubject(f"scenario {name} has no seeded bug {bug_id!r}: known are {known}")


def _attribute(reference: str) -> object:
    module_name, _, path = reference.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), *path.split(".")]):
        raise UnknownSubject(f"{reference!r} is neither a known name, nor a file, nor module:Class")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does: the console script stands in another folder
    try:
        value: object = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise UnknownSubject(
            f"{reference!r}: cannot import {module_name}: {type(error).__name__}: {error}{place_of(error)}"
        ) from error
    for part in path.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise UnknownSubject(f"{reference!r}: {module_name} has no {path}") from None
    return value


def _instance(found: object, reference: str) -> AnyScenario:
    scenario = found
    if isinstance(found, type) and issubclass(found, Scenario):
        try:
            scenario = found()
        except Exception as error:
            raise UnknownSubject(
                f"{reference!r} cannot be made without arguments: {type(error).__name__}: {error}{place_of(error)}"
            ) from error
    if not isinstance(scenario, Scenario):
        kind = found.__name__ if isinstance(found, type) else type(found).__name__
        raise UnknownSubject(f"{reference!r} is a {kind}, not a harness.Scenario")
    scenario.reference = reference
    return scenario


def load_file(file: str) -> ModuleType:
    """Import a Python file under a name of its own; its folder comes first on sys.path, as pytest's rootdir does."""
    path = Path(file).resolve()
    if not path.is_file():
        raise UnknownSubject(f"no file {file}")
    name = f"harness_subject_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UnknownSubject(f"{file} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception | SystemExit):  # sys.exit(0) in a file is no green run
            raise UnknownSubject(
                f"{file} cannot be imported: {type(error).__name__}: {error}{place_of(error)}"
            ) from error
        raise
    return module


def _in_file(file: str, test: str) -> Iterator[AnyScenario]:
    module = load_file(file)
    found = 0
    wanted, _, number = test.partition("#")
    if "[" in wanted:
        raise UnknownSubject(f"{file}::{test} has parameters: run it with pytest")
    for name, function in _tests(module):
        if wanted not in ("", name):
            continue
        if _only_pytest(function):
            if wanted:
                raise UnknownSubject(f"{file}::{name} takes fixtures or parameters: run it with pytest")
            continue
        for index, scenario in enumerate(_collected(function, f"{file}::{name}"), 1):
            reference = f"{file}::{name}" if index == 1 else f"{file}::{name}#{index}"
            if number and number != str(index):
                continue
            scenario.reference = reference
            scenario.name = reference  # type: ignore[misc]  # one class, a name for each instance
            found += 1
            yield scenario
    for name, value in list(vars(module).items()):
        if _is_scenario_of(value, module) and test in ("", name):
            found += 1
            scenario = _instance(value, f"{file}::{name}")
            scenario.name = scenario.name or f"{file}::{name}"  # type: ignore[misc]  # see above
            yield scenario
    if not found:
        what = f"no test or Scenario {test!r}" if test else "no test_* function that calls crash_test, and no Scenario"
        raise UnknownSubject(f"{file} has {what}")


def only_in_pytest(reference: str) -> list[str]:
    """Tests of a file that call `crash_test` but need fixtures or parameters: what `run` cannot reach must be said."""
    file, _, test = reference.partition("::")
    if not file.endswith(".py") or test:
        return []
    return [
        name
        for name, function in _tests(load_file(file))
        if _only_pytest(function) and "crash_test" in inspect.unwrap(function).__code__.co_names
    ]


def _tests(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Test functions, and methods of test classes (bound to a new instance where that is possible), as pytest names them."""
    for name, value in list(vars(module).items()):
        if inspect.isfunction(value) and name.startswith("test_"):
            yield name, value
        elif inspect.isclass(value) and name.startswith("Test") and value.__module__ == module.__name__:
            plain = value.__init__ is object.__init__ and not hasattr(value, "setup_method")
            for method, function in inspect.getmembers(value, inspect.isfunction):
                if method.startswith("test_"):
                    yield f"{name}::{method}", function.__get__(value()) if plain else function


def _only_pytest(function: Any) -> bool:
    if inspect.iscoroutinefunction(function):
        return True
    return any(
        parameter.default is inspect.Parameter.empty
        and parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        for parameter in inspect.signature(function).parameters.values()
    )


def _is_scenario_of(value: object, module: ModuleType) -> bool:
    return (
        inspect.isclass(value)
        and issubclass(value, Scenario)
        and value is not Scenario
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    )


def _collected(function: Any, reference: str) -> Sequence[AnyScenario]:
    with collecting() as scenarios:
        try:
            function()
        except _pytest.outcomes.Skipped:
            return ()
        except (Exception, SystemExit, _pytest.outcomes.OutcomeException) as error:
            if not scenarios:  # after a collected call the test runs on without its outcome, and may stumble over that
                raise UnknownSubject(
                    f"{reference} raises before its crash_test: {type(error).__name__}: {error}{place_of(error)}"
                ) from error
    return scenarios
