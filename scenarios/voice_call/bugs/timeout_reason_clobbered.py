"""A call whose time is up is marked with its reason and then ended like any other, which replaces the reason.

History says that we hung up, and nobody sees that the cap did. Source: the timers before pull request 18852.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.due_work import DueWork
from scenarios.voice_call.manager.lifecycle import is_live, owe_hang_up


class MarksAndEnds(DueWork):
    """Writes the reason on a record that is not over, and leaves the rest to the hang-up."""

    def expire_call(self, call_id: str) -> None:
        journal, record = self.desk.journal, self.desk.book.get(call_id)
        if record is not None and is_live(record):
            marked = replace(record, end_reason="timeout", deadlines={})
            journal.commit(record, owe_hang_up(marked, journal.now()), "expired")


BUG = SeededBug(
    id="timeout-reason-clobbered",
    group="extras",
    source="the timers before openclaw/openclaw#18852",
    trigger="a caller who stays until the cap",
    expected="wrong-terminal",
    build=with_parts(due=MarksAndEnds),
    workloads=("long-call",),
)
