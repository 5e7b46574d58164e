"""When a sentence cannot be played the error is passed on, and the call stays in `speaking`.

Source: `speak` before pull request 18852, which later goes back to listening.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.speaking import Speaking


class SpeaksForEver(Speaking):
    """Leaves the state as it was when it began."""

    def play_failed(self, call_id: str, key: str) -> None:
        """The error says it all."""


BUG = SeededBug(
    id="speaking-stuck-after-failed-tts",
    group="extras",
    source="`speak` before openclaw/openclaw#18852",
    trigger="a sentence that the provider refuses to play",
    expected="stale-active",
    build=with_parts(speaking=SpeaksForEver),
    workloads=("unplayed-prompts",),
)
