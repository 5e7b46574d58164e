"""What the manager shows: JSON-able copies for readers and observers, nothing of the inside. One call: `call_view.py`."""

from collections.abc import Callable
from typing import Any

from scenarios.voice_call.manager.call_view import call_view
from scenarios.voice_call.manager.duties import OBLIGATION
from scenarios.voice_call.manager.lifecycle import owed
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.session_bridge import SessionBridge
from scenarios.voice_call.manager.switchboard import Switchboard
from scenarios.voice_call.manager.timers import Timers


class ManagerView:
    """The calls as they are published, and what the manager is about to do for them."""

    def __init__(self, desk: Switchboard, timers: Timers, bridge: SessionBridge, ready: Callable[[], bool]) -> None:
        self.desk = desk
        self.timers = timers
        self.bridge = bridge
        self._ready = ready

    def call(self, any_id: str) -> dict[str, Any] | None:
        """One call by internal or provider id, ended ones too; None when nobody knows it."""
        record = self.desk.book.find(any_id)
        return call_view(record) if record is not None and record.standing == "call" else None

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The newest `limit` calls, newest first."""
        calls = [record for record in reversed(self.desk.book.all()) if record.standing == "call"]
        calls.sort(key=lambda record: -record.started_at)
        return [call_view(record) for record in calls[: max(0, limit)]]

    def whole(self) -> dict[str, Any]:
        """Everything an observer may want to see."""
        book, store = self.desk.book, self.desk.journal.store
        records = book.all()
        return {
            "ready": self._ready(),
            "poisoned": store.poisoned,
            "generation": store.generation,
            "calls": [call_view(record) for record in records if record.standing == "call"],
            "rejected": [call_view(record) for record in records if record.standing == "rejected"],
            "tombstones": [call_view(record) for record in records if record.standing == "tombstone"],
            "active": [record.call_id for record in book.live()],
            "capacity": {"used": len(book.in_use()), "limit": self.desk.config.max_concurrent_calls},
            "obligations": [self._obligation(record) for record in records if owed(record) is not None],
            "timers": [{"callId": call, "kind": kind, "due": due} for call, kind, due in self.timers.armed()],
            "quarantined": dict(self.desk.journal.quarantined),
            "sessions": self.bridge.view(),
        }

    def _obligation(self, record: CallRecord) -> dict[str, Any]:
        return {
            "callId": record.call_id,
            "kind": owed(record),
            "since": record.owed_since if record.owed_since is not None else record.started_at,
            "attempts": self.timers.attempts(record.call_id, OBLIGATION),
        }
