"""A timer removes itself, tries once, and nothing tries again when the provider does not answer.

The call is over in the books, and rings on at the provider. Source: the timers before pull request 18852;
openclaw/openclaw#137574, #137636; iterate/iterate#2624.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.timers import Timers


class OneShot(Timers):
    """Fires each timer once, whatever comes of it."""

    def _again(self, key: tuple[str, str], failed: bool) -> None:
        if not failed:
            super()._again(key, failed)


BUG = SeededBug(
    id="timer-single-shot-after-failed-hangup",
    number=14,
    group="call-manager",
    source="openclaw/openclaw#137574, #137636; iterate/iterate#2624",
    trigger="a provider error on the only attempt of a hang-up",
    expected="orphan-remote",
    build=with_parts(timers=OneShot),
    workloads=("stranger",),
)
