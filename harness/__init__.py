"""Crash-recovery and fault-injection testing: every legal post-crash disk state, every failing call, one verdict.

`crash_test` is the short form, `Scenario` the full one. Both are imported on first use: `import harness` is cheap.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.assertion import crash_test
    from harness.regression import regression_test, step
    from harness.scenario import Action, Case, Guarantee, Phase, Run, Scenario, World
    from harness.verdict import Violation

__all__ = [
    "Action",
    "Case",
    "Guarantee",
    "Phase",
    "Run",
    "Scenario",
    "Violation",
    "World",
    "__version__",
    "crash_test",
    "regression_test",
    "step",
]

__version__ = "0.1.0"

_HOMES = {
    "crash_test": "harness.assertion",
    "regression_test": "harness.regression",
    "step": "harness.regression",
    "Violation": "harness.verdict",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES.get(name, "harness.scenario")), name)
