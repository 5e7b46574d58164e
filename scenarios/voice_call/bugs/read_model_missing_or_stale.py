"""Asking for a call looks among the active ones only: as soon as it has ended, nobody knows it.

Source: openclaw/openclaw#96586, #96624, #96727, #133811.
"""

from typing import Any

from harness.scenario import SeededBug
from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.lifecycle import is_live
from scenarios.voice_call.scenario import VoiceCall


class KnowsActiveCalls(CallManager):
    """Answers from memory."""

    def status(self, call_id: str) -> dict[str, Any] | None:
        record = self.book.find(call_id)
        return super().status(call_id) if record is not None and is_live(record) else None


class Readers(VoiceCall):
    """The voice call scenario with that manager."""

    manager_class = KnowsActiveCalls


BUG = SeededBug(
    id="read-model-missing-or-stale",
    number=32,
    group="call-manager",
    source="openclaw/openclaw#96586, #96624, #96727, #133811",
    trigger="asking for a call after its end",
    expected="lost",
    build=Readers,
    workloads=("inbound",),
)
