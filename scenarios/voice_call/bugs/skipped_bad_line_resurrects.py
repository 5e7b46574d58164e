"""Lines that cannot be read are passed over in silence, and the newest readable line of a call wins.

When that is the line before its end, the call is active again, and nobody is told that it is not certain. Source: the
loader before pull request 18852; garden-co/jazz#1374.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.log_reading import LogReader
from scenarios.voice_call.manager.store import Store


class SkippingReader(LogReader):
    """Has no doubts."""

    def doubt(self, call: str | None, why: str, number: int) -> None:
        """A line more or less."""


class SkippingStore(Store):
    reader = SkippingReader


BUG = SeededBug(
    id="skipped-bad-line-resurrects",
    number=39,
    group="store",
    source="garden-co/jazz#1374; the loader before openclaw/openclaw#18852",
    trigger="the record of an end becomes unreadable, and the provider does not answer at the next start",
    expected="resurrected",
    build=with_parts(store=SkippingStore),
    workloads=("damaged-line",),
)
