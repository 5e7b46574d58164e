"""The continuation of a hang-up writes its own end over the one that is there.

A call that had timed out becomes one that we hung up. Source: `endCall` before pull request 18852;
openclaw/openclaw#133811; pipecat-ai/pipecat#2145.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.obligations import Obligations
from scenarios.voice_call.manager.records import CallRecord


class LastEndWins(Obligations):
    """After the request it writes what it set out to write, whatever the record says by now."""

    async def hang_up(self, record: CallRecord) -> CallRecord:
        await self.desk.line.hang_up(record)
        current = self.desk.again(record.call_id) if record.standing == "call" else record
        after = replace(
            current,
            state="hangup-bot",
            end_reason="hangup-bot",
            ended_at=self.desk.journal.now(),
            deadlines={},
            hang_up_owed=False,
            owed_since=None,
        )
        return self.desk.journal.commit(current, after, "hang-up-confirmed")


BUG = SeededBug(
    id="terminal-record-rewritten",
    number=25,
    group="call-manager",
    source="openclaw/openclaw#133811; pipecat-ai/pipecat#2145",
    trigger="the hang-up of a call that is over in the books already",
    expected="wrong-terminal",
    build=with_parts(obligations=LastEndWins),
    workloads=("long-call",),
)
