"""Write, then publish, then act: the one way by which a record changes.

`commit` makes the change durable, only then lets memory see it, and only then tells the followers (timers,
waiters). Nothing else publishes. Effects are not a list handed along, they are derived from the published
record (`duties.py`): what a record owes is the same after a restart.
"""

from collections.abc import Callable

from scenarios.voice_call.manager.config import Config, EventLog
from scenarios.voice_call.manager.core import CallBook, retained
from scenarios.voice_call.manager.log_reading import LoadedLog
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.store import Store, StoreUnavailable


class Journal:
    """The store and the book, kept in step."""

    def __init__(
        self, config: Config, store: Store, book: CallBook, now: Callable[[], float], *, log: EventLog
    ) -> None:
        self.config = config
        self.store = store
        self.book = book
        self.log = log
        self.quarantined: dict[str, str] = {}
        self.follow: Callable[[CallRecord], None] = lambda record: None
        self._now = now
        self._fenced: str | None = "it is not open yet"

    def now(self) -> int:
        """The wall clock in milliseconds: the only place that reads it."""
        return int(self._now() * 1000)

    def open(self) -> LoadedLog:
        """Open the store and publish what it says. Raises StoreUnavailable."""
        loaded = self.store.open()
        self._take(loaded)
        self._fenced = None
        return loaded

    def _take(self, loaded: LoadedLog) -> None:
        self.quarantined = dict(loaded.quarantined)
        self.book.replace_all(list(loaded.records.values()))

    @property
    def is_current(self) -> bool:
        """Whether this writer's time is neither before its opening nor over."""
        return self._fenced is None

    def ensure_writable(self) -> None:
        """Reopen a poisoned writer and continue from what the file says. Raises StoreUnavailable."""
        if self._fenced is not None:
            raise StoreUnavailable(f"this writer's time is over: {self._fenced}")
        if self.store.poisoned is None:
            return
        self._take(self.store.reopen())
        for record in self.book.all():
            self.follow(record)

    def commit(self, before: CallRecord | None, after: CallRecord, kind: str) -> CallRecord:
        """Make a change durable, publish it, follow it up. Raises StoreUnavailable; then nothing changed."""
        self.ensure_writable()
        current = self.book.get(after.call_id)
        if current is not before and current != before:
            raise StoreUnavailable(f"call {after.call_id} changed while this was decided; decide again")
        if after == before:
            return after
        self.write(before, after, kind)
        self.book.publish(after)
        self.follow(after)
        self.compact_if_due()
        return after

    def write(self, before: CallRecord | None, after: CallRecord, kind: str) -> None:
        """The durable part of a commit."""
        self.store.append(before, after, kind)

    def compact_if_due(self) -> None:
        """Replace a long log by its snapshot, and forget calls past the redelivery horizon.

        Failure changes nothing.
        """
        if not self.store.wants_compaction():
            return
        kept = self.retain()
        if self.store.compact(kept):
            self.book.replace_all(kept)

    def retain(self) -> list[CallRecord]:
        """The records a snapshot carries, their event ids with them."""
        return retained(self.book.all(), self.now() - self.config.redelivery_horizon_ms)

    def fence(self, why: str) -> None:
        """No continuation of this writer may write any more."""
        self._fenced = why

    def close(self) -> None:
        """Fence, and give the store back."""
        self.fence("it was stopped")
        self.store.close()
