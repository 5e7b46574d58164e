"""A delay that comes out negative is not armed: what fell due while nobody was there is never done."""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.duties import Duty
from scenarios.voice_call.manager.timers import Timers


class PositiveTimers(Timers):
    """Arms what lies ahead."""

    def arm(self, key: tuple[str, str], duty: Duty, *, after_ms: int = 0) -> None:
        if duty.fixed and duty.due + after_ms - self._now() < 0:
            return
        super().arm(key, duty, after_ms=after_ms)


BUG = SeededBug(
    id="clock-and-delay-arithmetic",
    number=64,
    group="process",
    source="openclaw/openclaw#137191; Metaswitch/chronos#85; miniupnp/miniupnp#295",
    trigger="a restart after something fell due",
    expected="timer-lost",
    build=with_parts(timers=PositiveTimers),
    workloads=("notify-while-away",),
)
