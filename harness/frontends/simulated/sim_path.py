"""`os.path` as the subject sees it: the interpreter's own functions over our `os`."""

import genericpath
import posixpath
import sys
from types import ModuleType
from typing import Any

from harness.frontends.simulated.rebinding import rebound


def make_module(sim_os: ModuleType) -> ModuleType:
    """A module `posixpath` whose functions look at the simulated disk."""
    module = ModuleType("posixpath", posixpath.__doc__)
    space: dict[str, Any] = module.__dict__
    space.update(posixpath.__dict__)
    generic: dict[str, Any] = dict(genericpath.__dict__)
    generic["os"] = sim_os
    rebound(genericpath.__dict__, [name for name in genericpath.__dict__ if name != "__builtins__"], generic)
    for name, value in posixpath.__dict__.items():
        if value is genericpath.__dict__.get(name) and name in generic:
            space[name] = generic[name]
    space["os"] = sim_os
    space["genericpath"] = as_module("genericpath", generic)
    own = [name for name, value in posixpath.__dict__.items() if getattr(value, "__module__", None) == "posixpath"]
    rebound(posixpath.__dict__, own, space)
    return module


def as_module(name: str, space: dict[str, Any]) -> ModuleType:
    module = ModuleType(name, getattr(sys.modules.get(name), "__doc__", None))
    module.__dict__.update(space)
    return module
