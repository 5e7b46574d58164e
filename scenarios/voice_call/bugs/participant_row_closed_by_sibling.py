"""An end is looked up by the numbers of the two parties: the newest call between them is the one that ends.

A person with two lines hangs up on one of them, and the other is closed. Source: mikopbx/Core#1084.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent, EventRules
from scenarios.voice_call.manager.lifecycle import is_live
from scenarios.voice_call.manager.records import CallRecord


class FindsByNumber(EventRules):
    """Takes the newest live call of the caller for the one that ended."""

    def find(self, event: CallEvent) -> CallRecord | None:
        if event.ends:
            legs = [record for record in self.book.all() if is_live(record) and record.from_ == event.from_]
            if legs:
                return legs[-1]
        return super().find(event)


BUG = SeededBug(
    id="participant-row-closed-by-sibling",
    group="extras",
    source="mikopbx/Core#1084",
    trigger="two calls of one person, one of which ends",
    expected="misattributed",
    build=with_parts(rules=FindsByNumber),
    workloads=("two-lines",),
)
