"""Known bugs of call managers and event logs, each put back into the reference call manager: one small file a bug.

A bug file holds what its bug does wrong and `BUG`, a `harness.scenario.SeededBug`. It replaces parts of the manager and
nothing else: provider, workloads, observation and contract stay those of the correct one, and nobody tells the judge
that anything is wrong. Importing this package imports none of them.
"""

import functools
import importlib
import pkgutil

from harness.scenario import SeededBug


@functools.cache
def all_bugs() -> tuple[SeededBug, ...]:
    """Every bug of this package, by file name. Raises ValueError where two have the same id."""
    found: dict[str, SeededBug] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        bug = getattr(importlib.import_module(f"{__name__}.{name}"), "BUG", None)
        if bug is None:
            continue  # a base that several bugs share
        if bug.id in found:
            raise ValueError(f"two bugs are called {bug.id!r}, one of them in bugs/{name}.py: give it another id")
        found[bug.id] = bug
    return tuple(found.values())
