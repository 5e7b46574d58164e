"""A delay of more than 31 bits of milliseconds overflows, and the timer fires at once, as in a runtime that clamps it to 1.

Here it ends the wait for an answer before anybody could give it. Source: openclaw/openclaw#137191; later voice-call code,
which clamps the delays of its timers.
"""

from typing import Final

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.duties import Duty
from scenarios.voice_call.manager.timers import Timers

LONGEST_MS: Final = (1 << 31) - 1


class OverflowingTimers(Timers):
    """Hands the delay on as it comes."""

    def arm(self, key: tuple[str, str], duty: Duty, *, after_ms: int = 0) -> None:
        if duty.due - self._now() > LONGEST_MS:
            duty = replace(duty, due=self._now() + 1)
        super().arm(key, duty, after_ms=after_ms)


BUG = SeededBug(
    id="huge-delay-fires-at-once",
    number=64,
    group="process",
    source="openclaw/openclaw#137191",
    trigger="a limit of thirty days",
    expected="timer-extended",
    build=with_parts(timers=OverflowingTimers),
    workloads=("patient-question",),
)
