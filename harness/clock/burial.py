"""End suspended coroutines without running another line of them.

A process that dies runs no `finally`. Python does run them: whoever drops the last reference to a suspended coroutine
has GeneratorExit raised inside it, and its handlers write, unlink and answer as if the process were alive. Here the
interpreter's tracing raises again before each step that a handler would take, innermost frame first, until the
frame is gone: with `sys.settrace` in 3.11 (the exception comes at the very entry of the frame), with instruction
events of `sys.monitoring` from 3.12 on (where an exception at the entry still reaches the handlers).

Not modelled: synchronous generators held by a coroutine (a `contextlib.contextmanager` in a `with` that is open), and
`__del__` methods: these run now. So bury while the dead process' frozen disk is still the active one.
"""

import contextlib
import gc
import sys
from collections.abc import Callable, Coroutine, Iterable
from types import AsyncGeneratorType, CodeType, FrameType
from typing import Any


class _Buried(BaseException):
    """Ends the frames of a dead process; never leaves this module."""


def bury(coroutines: Iterable[Coroutine[Any, Any, Any]]) -> None:
    """Close the coroutines, and what they await; no handler or context manager of theirs runs."""
    frames = [link for coroutine in coroutines for link in reversed(_awaiting(coroutine))]
    if not frames:
        return
    hook = sys.unraisablehook
    sys.unraisablehook = _say_nothing  # of the finalisers that a frozen disk stops
    try:
        _close_all(frames)
    finally:
        sys.unraisablehook = hook


def _awaiting(coroutine: Any) -> list[Any]:
    """The coroutine, what it awaits, what that awaits …: outermost first."""
    chain: list[Any] = []
    link = coroutine
    while link is not None and _frame(link) is not None:
        chain.append(link)
        link = getattr(link, "cr_await", None) or getattr(link, "gi_yieldfrom", None) or getattr(link, "ag_await", None)
        if link is not None and _frame(link) is None:
            # one step of an `async for`: the generator is known to the garbage collector only
            link = next((held for held in gc.get_referents(link) if isinstance(held, AsyncGeneratorType)), None)
    return chain


def _frame(suspended: Any) -> FrameType | None:
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        frame = getattr(suspended, name, None)
        if isinstance(frame, FrameType):
            return frame
    return None


def _say_nothing(unraisable: Any) -> None:
    pass


def _close_traced(frames: list[Any]) -> None:
    outer = sys.gettrace()
    try:
        for suspended in frames:
            frame = _frame(suspended)
            if frame is None or isinstance(suspended, AsyncGeneratorType):
                continue  # an asynchronous generator ends with the closed loop, which runs nothing of it
            frame.f_trace = _raise_in_frame
            del frame  # a frame that is held here outlives its end
            sys.settrace(_raise_in_frame)
            try:
                suspended.close()
            except BaseException:  # the burial itself, or a handler stopped by the frozen disk
                pass
            finally:
                sys.settrace(None)
    finally:
        sys.settrace(outer)


def _raise_in_frame(frame: FrameType, event: str, argument: Any) -> None:
    raise _Buried


def _close_monitored(frames: list[Any]) -> None:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]  # 3.12 and later
    tool = next((number for number in (4, 3, 5, 2) if monitoring.get_tool(number) is None), None)
    if tool is None:
        raise RuntimeError("sys.monitoring: all tool ids are in use; end a debugger or profiler to kill a process")
    event: int = monitoring.events.INSTRUCTION
    codes = {frame.f_code for frame in map(_frame, frames) if frame is not None}
    monitoring.use_tool_id(tool, "harness.clock.burial")
    try:
        monitoring.register_callback(tool, event, _raise_in_code)
        for code in codes:
            monitoring.set_local_events(tool, code, event)
        for suspended in frames:
            if isinstance(suspended, AsyncGeneratorType):
                continue  # ends with the closed loop, which runs nothing of it
            with contextlib.suppress(BaseException):  # as in _close_traced
                suspended.close()
        for code in codes:
            monitoring.set_local_events(tool, code, 0)
        monitoring.register_callback(tool, event, None)
    finally:
        monitoring.free_tool_id(tool)


def _raise_in_code(code: CodeType, offset: int) -> None:
    raise _Buried


_close_all: Callable[[list[Any]], None] = _close_monitored if sys.version_info >= (3, 12) else _close_traced
