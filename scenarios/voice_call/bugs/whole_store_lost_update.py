"""All sessions are copied, one of them is changed in the copy, and a moment later the whole copy is written back.

What happened to any session in that moment is undone: here a reset, after which the old lines are there again. Source:
openclaw/openclaw#20769, #20770, #10331, #10725, #88210; bmad-code-org/BMAD-METHOD#2621.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.session_bridge import SessionBridge
from scenarios.voice_call.manager.session_file import Session
from scenarios.voice_call.manager.store import StoreUnavailable

LATER_S: Final = 0.01


class WritesCopiesBack(SessionBridge):
    """Saves in the background what it has seen in the foreground, one copy at a time."""

    _saving = False

    def bring(self, records: Iterable[CallRecord]) -> None:
        if self._saving:
            return
        copy = dict(self.store.sessions)
        for record in records:
            if record.session_key is not None:
                update = self.update_for(record.session_key, [record])
                copy[update.key] = update.change(copy.get(update.key))
        self._saving = True
        asyncio.get_running_loop().call_later(LATER_S, self.save, copy)

    def save(self, copy: dict[str, Session]) -> None:
        """Write everything back."""
        self._saving = False
        try:
            self.store.rewrite(lambda _: copy)
        except StoreUnavailable as error:
            self.desk.log.warning("session-write-failed", why=str(error))


BUG = SeededBug(
    id="whole-store-lost-update",
    number=33,
    group="call-manager",
    source="openclaw/openclaw#20769, #20770, #10331, #10725, #88210; bmad-code-org/BMAD-METHOD#2621",
    trigger="a session is begun anew while one of its lines is being saved",
    expected="resurrected",
    build=with_parts(bridge=WritesCopiesBack),
    workloads=("reset-in-a-hurry",),
)
