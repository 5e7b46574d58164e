"""Two paths start the first message, the answer of the call and the connection of its stream; nobody owns it.

Both find it pending, wait the half second that the stream needs, and play it. Source: openclaw/openclaw#36869, #40170,
#85846, #86285, #29862.
"""

import asyncio
from typing import Any

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import is_live, move, said
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.speaking import Speaking
from scenarios.voice_call.manager.states import is_conversational


class TwoOwners(Speaking):
    """`greet` is called by the timer, and by a task that each answer starts; it looks, waits, and plays."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._connecting: set[str] = set()
        self._streams: set[asyncio.Task[None]] = set()

    def follow(self, record: CallRecord) -> None:
        super().follow(record)
        if record.greeting == "queued" and is_conversational(record.state) and record.call_id not in self._connecting:
            self._connecting.add(record.call_id)
            stream = asyncio.get_running_loop().create_task(self.greet(record.call_id))
            self._streams.add(stream)
            stream.add_done_callback(self._streams.discard)

    async def greet(self, call_id: str) -> None:
        record = self.desk.book.get(call_id)
        if record is None or not is_live(record) or record.greeting != "queued":
            return
        await asyncio.sleep(0.5)
        phase = await self.attempt_greeting(record, f"greeting:{call_id}")
        current = self.desk.again(call_id)
        if not is_live(current) or current.greeting != "queued":
            return
        after = replace(move(current, "speaking"), greeting=phase)
        if phase == "done":
            after = said(after, "bot", str(current.metadata.get("initialMessage", "")), self.desk.journal.now())
        self.desk.journal.commit(current, self.after_greeting(after), f"greeting-{phase}")


BUG = SeededBug(
    id="greeting-double-trigger",
    number=22,
    group="call-manager",
    source="openclaw/openclaw#36869, #40170, #85846, #86285, #29862",
    trigger="an answered call whose stream connects",
    expected="side-effect-repeated",
    build=with_parts(speaking=TwoOwners),
    workloads=("notify",),
)
