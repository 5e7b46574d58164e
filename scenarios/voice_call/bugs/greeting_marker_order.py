"""The first message is marked as spoken after it was played, and nothing is written before.

A death in between plays it again: the caller is greeted twice. Source: openclaw 2026.2.17 clears the mark first (then
it may never be spoken), later versions clear it after success; openclaw/openclaw#40170.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import is_live, move, said
from scenarios.voice_call.manager.speaking import Speaking


class MarksAfterwards(Speaking):
    """Plays, then writes."""

    async def greet(self, call_id: str) -> None:
        record = self.desk.book.get(call_id)
        if record is None or not is_live(record) or record.greeting != "queued":
            return
        phase = await self.attempt_greeting(record, f"greeting:{call_id}")
        current = self.desk.again(call_id)
        after = replace(move(current, "speaking"), greeting=phase)
        if phase == "done":
            after = said(after, "bot", str(current.metadata.get("initialMessage", "")), self.desk.journal.now())
        self.desk.journal.commit(current, self.after_greeting(after), f"greeting-{phase}")


BUG = SeededBug(
    id="greeting-marker-order",
    number=21,
    group="call-manager",
    source="openclaw 2026.2.17 and later; openclaw/openclaw#40170",
    trigger="a death between the playback and its mark",
    expected="side-effect-repeated",
    build=with_parts(speaking=MarksAfterwards),
    workloads=("notify",),
)
