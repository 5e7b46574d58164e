"""What the parts of the manager share, and the errors callers of the manager can get."""

from collections.abc import Callable
from dataclasses import dataclass

from scenarios.voice_call.manager.config import Config, EventLog
from scenarios.voice_call.manager.core import CallBook
from scenarios.voice_call.manager.journal import Journal
from scenarios.voice_call.manager.lifecycle import is_live
from scenarios.voice_call.manager.provider_line import ProviderLine
from scenarios.voice_call.manager.records import CallRecord


class CallNotFound(Exception):
    """No call has this id."""


class CallNotConnected(Exception):
    """The call has no provider id yet."""


class CallEnded(Exception):
    """The call is over."""


class TurnInProgress(Exception):
    """A question is open on this call; its answer must come first."""


class NotReady(Exception):
    """The manager is not started, or is being stopped."""


@dataclass(frozen=True)
class Switchboard:
    """The shared collaborators."""

    config: Config
    journal: Journal
    line: ProviderLine
    new_id: Callable[[], str]
    log: EventLog

    @property
    def book(self) -> CallBook:
        """The published records."""
        return self.journal.book

    def call(self, any_id: str) -> CallRecord:
        """The call with this internal or provider id. Raises CallNotFound."""
        record = self.book.find(any_id)
        if record is None or record.standing != "call":
            raise CallNotFound(f"no call {any_id!r}; history() lists the calls that are known")
        return record

    def connected(self, any_id: str) -> CallRecord:
        """The live call with a provider id. Raises CallNotFound, CallEnded or CallNotConnected."""
        record = self.call(any_id)
        if not is_live(record):
            raise CallEnded(f"call {record.call_id} is over: {record.end_reason}")
        if record.provider_call_id is None:
            raise CallNotConnected(f"call {record.call_id} is not connected yet; wait for call.answered")
        return record

    def again(self, call_id: str) -> CallRecord:
        """The record as it is now: after each await a continuation must ask. Raises CallNotFound."""
        return self.call(call_id)
