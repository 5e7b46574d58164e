"""Requests are served while the state is still being loaded, and then the loaded state replaces what they did.

An event that comes in between is written, acknowledged, and gone from memory; the call it made is a second beginning
of one that the log knows. Source: the start order of openclaw 2026.2.17 and 2026.3.13; openclaw/openclaw#145047;
stellar/stellar-core#5099; Icinga/icinga2#720; restatedev/restate#1684.
"""

import asyncio
from typing import Any

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import BuggyVoiceCall
from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.journal import Journal
from scenarios.voice_call.manager.log_reading import LoadedLog


class OpensUnread(Journal):
    """Opens the store for writing before memory knows what is in it."""

    def open(self) -> LoadedLog:
        loaded = self.store.open()
        self._fenced = None
        return loaded

    def take(self, loaded: LoadedLog) -> None:
        """Now memory is what the log said when it was opened."""
        self._take(loaded)


class ListensFirst(CallManager):
    """Listens from its construction on; `start` sets up the tunnel, then restores."""

    def __init__(self, *parts: Any, **others: Any) -> None:
        super().__init__(*parts, **others)
        self._unread = self.journal.open()
        self._ready = True

    async def start(self) -> None:
        await asyncio.sleep(0.05)
        assert isinstance(self.journal, OpensUnread)
        self.journal.take(self._unread)
        await self.restore.run(self._unread)
        self.timers.start()
        for record in self.book.all():
            self.timers.rearm(record)


class EarlyListener(BuggyVoiceCall):
    """The voice call scenario with that manager."""

    manager_class = ListensFirst

    def __init__(self) -> None:
        super().__init__(journal=OpensUnread)


BUG = SeededBug(
    id="listen-before-restore",
    number=59,
    group="webhook",
    source="openclaw/openclaw#145047; stellar/stellar-core#5099; Icinga/icinga2#720; restatedev/restate#1684",
    trigger="an event during the start",
    expected="lost",
    build=EarlyListener,
    workloads=("inbound",),
)
