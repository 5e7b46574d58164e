"""The line is hung up first and the end written afterwards, with no intent before; when that write fails, it is forgotten.

Memory says that the call is over, and so is its client told; the log holds it as active, and so does the next start when
nobody answers its questions. Source: `endCall` before pull request 18852; openclaw/openclaw#118699 is the inverse.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import confirm_gone, is_live
from scenarios.voice_call.manager.outbound import EndResult, Outbound
from scenarios.voice_call.manager.store import StoreUnavailable


class ForgetsTheEnd(Outbound):
    """Hangs up, then writes what it can."""

    async def end(self, any_id: str, reason: str) -> EndResult:
        record = self.desk.call(any_id)
        if not is_live(record) or record.provider_call_id is None:
            return await super().end(any_id, reason)
        await self.desk.line.hang_up(record)
        current = self.desk.again(record.call_id)
        ended = confirm_gone(current, reason, self.desk.journal.now())
        try:
            self.desk.journal.commit(current, ended, "ended")
        except StoreUnavailable as error:
            self.desk.log.warning("end-not-written", call=record.call_id, why=str(error))
            self.desk.book.publish(ended)
            self.desk.journal.follow(ended)
        return EndResult("ended", record.call_id, ended.end_reason)


BUG = SeededBug(
    id="hangup-done-terminal-write-failed",
    number=24,
    group="call-manager",
    source="openclaw/openclaw#118699 (the inverse); the code before #18852",
    trigger="a write error on the record of the end, after the hang-up; then a restart that gets no answers",
    expected="resurrected",
    build=with_parts(outbound=ForgetsTheEnd),
    workloads=("end-on-a-full-disk",),
)
