"""A function of ours beside the real one: which of the two runs is decided by whether a kernel is active."""

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from harness.frontends.simulated.kernel import running

if TYPE_CHECKING:
    from harness.frontends.simulated.kernel import Kernel

P = ParamSpec("P")
R = TypeVar("R")


def served(real: Callable[..., Any]) -> Callable[[Callable[Concatenate["Kernel", P], R]], Callable[P, R]]:
    """Give the function the active kernel; without one the `real` function runs."""

    def serve(function: Callable[Concatenate["Kernel", P], R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*arguments: P.args, **named: P.kwargs) -> R:
            kernel = running.kernel
            if kernel is None:
                result: R = real(*arguments, **named)
                return result
            return function(kernel, *arguments, **named)

        return call

    return serve


def refused(name: str, real: Callable[..., Any], instead: str = "mounted") -> Callable[..., Any]:
    """A function that the simulated disk has no answer to: an escape while a kernel is active."""

    @functools.wraps(real)
    def call(*arguments: Any, **named: Any) -> Any:
        kernel = running.kernel
        if kernel is None:
            return real(*arguments, **named)
        raise kernel.escape(f"{name}({', '.join(repr(argument) for argument in arguments[:2])})", instead)

    return call


def text_of(path: Any) -> str:
    """A path as text, from text, bytes or an os.PathLike."""
    if path.__class__ is str:
        return path
    return os.fsdecode(path)
