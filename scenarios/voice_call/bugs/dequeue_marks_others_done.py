"""What is owed is a queue, and whatever is finished is taken off its front, whoever stands there.

When the second of two hang-ups succeeds first, the first one is taken for done and never tried again. Source:
peter-wangxu/persist-queue#89; diamondio/better-queue#7.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import confirm_gone, owed
from scenarios.voice_call.manager.obligations import Obligations
from scenarios.voice_call.manager.records import CallRecord


class PositionalObligations(Obligations):
    """Counts how many are done, not which."""

    async def hang_up(self, record: CallRecord) -> CallRecord:
        await self.desk.line.hang_up(record)
        queue = [one for one in self.desk.book.all() if owed(one) == "hang-up"]
        if not queue:
            return record
        front = queue[0]
        after = confirm_gone(front, front.ending or "hangup-bot", self.desk.journal.now())
        return self.desk.journal.commit(front, after, "hang-up-confirmed")


BUG = SeededBug(
    id="dequeue-marks-others-done",
    group="extras",
    source="peter-wangxu/persist-queue#89; diamondio/better-queue#7",
    trigger="two hang-ups are owed, and the later one succeeds first",
    expected="side-effect-lost",
    build=with_parts(obligations=PositionalObligations),
    workloads=("two-strangers",),
)
