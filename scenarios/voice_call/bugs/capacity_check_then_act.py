"""Free lines are counted, then something is awaited, then the line is taken: the count is old by then.

Two requests in one moment both find the last line free. Source: jambonz/sbc-inbound#177, jambonz/sbc-outbound#151;
openclaw/openclaw#145047.
"""

import asyncio

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.core import CallBook
from scenarios.voice_call.manager.outbound import InitiateResult, Outbound


class UncheckedBook(CallBook):
    """Takes a slot without looking: somebody has looked before."""

    def reserve(self, call_id: str, limit: int) -> None:
        self._reserved[call_id] = None


class LooksThenLeaps(Outbound):
    """Checks the capacity, waits for its turn, dials."""

    async def initiate(
        self, to: str, message: str | None, mode: str, session_key: str | None, key: str | None
    ) -> InitiateResult:
        known = self.desk.book.find_by_key(key)
        if known is None and len(self.desk.book.in_use()) >= self.desk.config.max_concurrent_calls:
            return InitiateResult("refused", None, "capacity")
        await asyncio.sleep(0)
        return await super().initiate(to, message, mode, session_key, key)


BUG = SeededBug(
    id="capacity-check-then-act",
    number=31,
    group="call-manager",
    source="jambonz/sbc-inbound#177; jambonz/sbc-outbound#151; openclaw/openclaw#145047",
    trigger="two requests for the last free line at once",
    expected="wedged-capacity",
    build=with_parts(book=UncheckedBook, outbound=LooksThenLeaps),
    workloads=("at-once",),
)
