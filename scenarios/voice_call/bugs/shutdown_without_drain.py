"""Records are committed in groups, a few milliseconds apart; a stop does not wait for the group that is open.

It ends the committer, and whoever waits for it is released as if the group had been written: the answer is 200.
"""

import asyncio
from typing import Final

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import BuggyVoiceCall
from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.events import CallEvent
from scenarios.voice_call.manager.journal import Journal
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.webhook import Webhook

GROUP_S: Final = 0.02


class GroupJournal(Journal):
    """Writes what webhooks brought together; everything else at once, after what waits."""

    _open_group: tuple[tuple[CallRecord | None, CallRecord, str], ...] = ()
    _committed: asyncio.Future[None] | None = None

    def write(self, before: CallRecord | None, after: CallRecord, kind: str) -> None:
        if not kind.startswith("call."):
            self.commit_group()
            super().write(before, after, kind)
            return
        self._open_group = (*self._open_group, (before, after, kind))
        if self._committed is None:
            loop = asyncio.get_running_loop()
            self._committed = loop.create_future()
            loop.call_later(GROUP_S, self.commit_group)

    def commit_group(self) -> None:
        """Write the open group and release who waits for it."""
        group, self._open_group = self._open_group, ()
        for before, after, kind in group:
            super().write(before, after, kind)
        self.release()

    def release(self) -> None:
        """Whoever waits may answer."""
        committed, self._committed = self._committed, None
        if committed is not None and not committed.done():
            committed.set_result(None)

    async def written(self) -> None:
        """Until the open group is closed."""
        if self._committed is not None:
            await self._committed

    def close(self) -> None:
        self._open_group = ()
        self.release()
        super().close()


class GroupWebhook(Webhook):
    """Answers when the group of the event is written."""

    async def apply_one(self, event: CallEvent) -> None:
        await super().apply_one(event)
        assert isinstance(self.journal, GroupJournal)
        await self.journal.written()


class UndrainedManager(CallManager):
    """Stops at once."""

    async def drain(self) -> None:
        """Who is still at it has bad luck."""


class HastyVoiceCall(BuggyVoiceCall):
    manager_class = UndrainedManager

    def __init__(self) -> None:
        super().__init__(journal=GroupJournal, webhook=GroupWebhook)


BUG = SeededBug(
    id="shutdown-without-drain",
    number=62,
    group="process",
    source="openclaw/openclaw#116536, #105848, #153899, #145047; pipecat-ai/pipecat#4528",
    trigger="a stop while an event is being admitted",
    expected="lost",
    build=HastyVoiceCall,
    workloads=("stop-in-flight",),
)
