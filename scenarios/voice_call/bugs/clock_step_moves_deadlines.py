"""Time that passes is measured with the wall clock: a timer fires when the clock shows its instant, and not before.

When somebody sets the clock back by ten minutes, a call gets ten minutes more. Source: Metaswitch/chronos#85;
miniupnp/miniupnp#295.
"""

import asyncio
from typing import Final

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.timers import Timers

LONGEST_SLEEP_S: Final = 60.0


class WallClockTimers(Timers):
    """Sleeps until the wall clock says that it is time."""

    def _wake(self, key: tuple[str, str]) -> None:
        armed = self._armed[key]
        left = (armed.due - self._now()) / 1000
        if left > 0:
            armed.handle = asyncio.get_running_loop().call_later(min(left, LONGEST_SLEEP_S), self._wake, key)
            return
        armed.loop_due = asyncio.get_running_loop().time()
        super()._wake(key)


BUG = SeededBug(
    id="clock-step-moves-deadlines",
    number=64,
    group="process",
    source="Metaswitch/chronos#85; miniupnp/miniupnp#295",
    trigger="the wall clock is set back in the middle of a call",
    expected="timer-extended",
    build=with_parts(timers=WallClockTimers),
    workloads=("clock-set-back",),
)
