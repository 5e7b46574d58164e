"""The debugger at a kill-point: the workload of a saved case runs again, and stops in the subject where it died.

Under the debugger the subject's files are the simulated ones and its time stands still: `open("/data/…").read()` shows
what the page cache holds at that moment.
"""

import linecache
import pdb
import sys
from types import FrameType

from harness.explore.life import session
from harness.explore.recording import AnyScenario, record
from harness.explore.saved_case import SavedCase
from harness.own_lines import is_library


class NothingToStopIn(ValueError):
    """The case has no recorded run, or its kill-point is not reached; one sentence."""


def stop_at_kill_point(scenario: AnyScenario, case: SavedCase, position: int | None = None) -> None:
    """Run the workload of `case` and open pdb before item `position` [default: the first death] is recorded.

    At the very end of a run there is no item to stop before: then it stops before the last one. Raises
    NothingToStopIn.
    """
    if case.steps:
        raise NothingToStopIn("a random history is no one run to stop in: harness replay --step walks through it")
    if position is None:
        position = case.deaths[0].position if case.deaths else sys.maxsize
    with session():
        if position > 0:
            position = min(position, record(scenario, case.workload, case.seed, plan=case.plan, settling=False).end - 1)
        if position < 0:
            raise NothingToStopIn(f"workload {case.workload!r} did nothing: there is no call to stop in")
        stop = _Stop(position)
        record(scenario, case.workload, case.seed, plan=case.plan, settling=False, visit=stop)


class _Stop:
    """Opens the debugger once, in the innermost line that belongs to the subject."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.done = False

    def __call__(self, position: int) -> None:
        if position != self.position or self.done:
            return
        self.done = True
        frame = _own_frame(sys._getframe(1))
        debugger = pdb.Pdb(nosigint=True)
        debugger.reset()
        debugger.message(
            f"item {position} is about to happen, issued here; `continue` ends the case, `bt` says how it came"
        )
        # Not `set_trace`: that stops at the next line that is run, deep inside of the simulated call.
        caller: FrameType | None = frame
        while caller is not None:
            caller.f_trace = debugger.trace_dispatch
            caller = caller.f_back
        debugger.interaction(frame, None)
        if not debugger.quitting and debugger.stoplineno != -1:
            sys.settrace(debugger.trace_dispatch)  # `step`, `next`, `until` and breakpoints go on from here


def _own_frame(frame: FrameType) -> FrameType:
    """The nearest frame of the subject; of a mark, that of the world that saw it."""
    nearest: FrameType | None = frame
    while nearest is not None:
        file = nearest.f_code.co_filename
        if not is_library(file):
            linecache.getlines(file)
            return nearest
        nearest = nearest.f_back
    return frame
