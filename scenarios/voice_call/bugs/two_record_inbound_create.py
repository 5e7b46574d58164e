"""A new inbound call is written in two records: the call first, its first event after it.

When the second cannot be written, memory takes the call back and the disk does not; the redelivery makes another id.
After the next restart one caller has two calls. Source: derived from `createInbound` and `processEvent` before pull
request 18852, and any rollback that is made in memory only.
"""

import uuid

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import Absorbed, CallEvent
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.webhook import Webhook


class CreatesThenApplies(Webhook):
    """Creates under an id of its own making, and rolls back in memory."""

    async def apply_one(self, event: CallEvent) -> None:
        self.journal.ensure_writable()
        decision = self.rules.admit(event, self.journal.now())
        if isinstance(decision, Absorbed):
            return
        if decision.before is not None or decision.after.standing != "call":
            self.journal.commit(decision.before, decision.after, decision.kind)
            return
        applied = replace(decision.after, call_id=str(uuid.uuid4()))
        created = replace(applied, processed_event_ids=(), processed_event_times=())
        self.journal.commit(None, created, "created")
        try:
            self.journal.commit(created, applied, event.type)
        except StoreUnavailable:
            book = self.journal.book
            book.replace_all([record for record in book.all() if record.call_id != created.call_id])
            raise


BUG = SeededBug(
    id="two-record-inbound-create",
    number=30,
    group="call-manager",
    source="createInbound() and processEvent() before #18852; derived",
    trigger="the second write fails, the provider redelivers, the process restarts",
    expected="ghost-call",
    build=with_parts(webhook=CreatesThenApplies),
    workloads=("full-disk-batch",),
)
