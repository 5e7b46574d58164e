"""A new outbound call is put into the active map before its first record is written; when that fails, it stays there.

Nobody was dialled, the caller is told so, and the slot is taken until the next restart: the entry has no timer and no
provider id, so nothing ever ends it. Source: openclaw/openclaw#129473, fixed by #129847 (write first, publish after).
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.outbound import InitiateResult, Outbound


class PublishThenWrite(Outbound):
    """Makes a call visible first and durable second."""

    async def initiate(
        self, to: str, message: str | None, mode: str, session_key: str | None, key: str | None
    ) -> InitiateResult:
        journal, book = self.desk.journal, self.desk.book
        journal.ensure_writable()
        known = book.find_by_key(key)
        if known is not None:
            return self.result_of(known)
        if len(book.in_use()) >= self.desk.config.max_concurrent_calls:
            return InitiateResult("refused", None, "capacity")
        call_id = self.desk.new_id()
        from_number = self.desk.config.from_number or ""
        record = self.intent(call_id, to, from_number, message, mode, session_key, key)
        book.publish(record)
        journal.write(None, record, "intent")
        journal.follow(record)
        self.obligations.dialing[call_id] = None
        try:
            return await self.dial(record)
        finally:
            del self.obligations.dialing[call_id]
            journal.follow(self.desk.again(call_id))


BUG = SeededBug(
    id="phantom-slot-after-failed-first-write",
    number=4,
    group="call-manager",
    source="openclaw/openclaw#129473, #129847",
    trigger="one transient error on the very first write of an outbound call",
    expected="wedged-capacity",
    build=with_parts(outbound=PublishThenWrite),
    workloads=("full-disk-dial",),
)
