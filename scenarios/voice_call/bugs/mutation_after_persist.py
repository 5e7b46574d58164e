"""What was said is added to the record in memory after the last write of the step.

The line waits for somebody else's write; a death comes first. Source: `speak` before pull request 18852;
HamedMP/matrix-os#17.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import said
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.speaking import Speaking


class RemembersOnly(Speaking):
    """Keeps the bot's lines in memory."""

    def played(self, call_id: str, text: str, key: str) -> CallRecord:
        current = self.desk.again(call_id)
        after = replace(said(current, "bot", text, self.desk.journal.now()), playing=None)
        self.desk.book.publish(after)
        return after


BUG = SeededBug(
    id="mutation-after-persist",
    number=23,
    group="call-manager",
    source="speak() before #18852; HamedMP/matrix-os#17",
    trigger="a death after a successful speak",
    expected="lost",
    build=with_parts(speaking=RemembersOnly),
    workloads=("two-calls",),
)
