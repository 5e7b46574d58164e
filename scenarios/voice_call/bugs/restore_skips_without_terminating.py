"""Calls that a restart judges to be stale are left out of memory: no terminal record, no hang-up.

The log says for ever that they are active, and the provider may say so too. Source: openclaw 2026.3.13;
openclaw/openclaw#76033, #71463; calls without a provider id were only skipped in a later version still.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.log_reading import LoadedLog
from scenarios.voice_call.manager.provider_client import CallStatus
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.restore import Restore


class SkipsStaleCalls(Restore):
    """Restores what is certainly alive, and forgets the rest."""

    async def run(self, loaded: LoadedLog) -> None:
        skipped = [record.call_id for record in self.desk.book.live() if await self.is_stale(record)]
        self.desk.book.replace_all([record for record in self.desk.book.all() if record.call_id not in skipped])
        await super().run(loaded)

    async def is_stale(self, record: CallRecord) -> bool:
        """Without a provider id, over its time, or over at the provider."""
        if record.provider_call_id is None or self.is_overdue(record, self.desk.journal.now()):
            return True
        return (await self.ask(record)).answer.status in (CallStatus.ENDED, CallStatus.NOT_FOUND)


BUG = SeededBug(
    id="restore-skips-without-terminating",
    number=19,
    group="call-manager",
    source="openclaw 2026.3.13; openclaw/openclaw#76033, #71463",
    trigger="a restart with a call that has expired, or whose provider id is not on record",
    expected="orphan-remote",
    build=with_parts(restore=SkipsStaleCalls),
    workloads=("notify",),
)
