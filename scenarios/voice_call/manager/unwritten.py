"""Results that the disk did not take: something was said or given up, and its record could not be written.

Whoever asked was told. What happened is kept here, in its order, and is written with the next result of the call or
by a timer, whichever comes first; else a call would seem to speak for ever, or wait for an answer that nobody wants.
In memory only: after a death nobody knows whether an attempt was heard, and the restart closes it (`restore.tidy`).
"""

from collections.abc import Callable

from scenarios.voice_call.manager.duties import Duty
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.switchboard import Switchboard

RESULT = "result"

Change = Callable[[CallRecord], CallRecord]
"""What a result makes of a record, whatever that has come to meanwhile: once, also where it is in there already."""


class Unwritten:
    """The results of one manager that wait for the disk."""

    def __init__(self, desk: Switchboard) -> None:
        self.desk = desk
        self._waiting: dict[str, list[Change]] = {}

    def write(self, call_id: str, change: Change, kind: str) -> CallRecord:
        """Write a result down, after those that wait. Raises CallNotFound; StoreUnavailable: then it waits."""
        before = self.desk.again(call_id)
        changes = [*self._waiting.pop(call_id, []), change]
        after = before
        for one in changes:
            after = one(after)
        try:
            return self.desk.journal.commit(before, after, kind)
        except StoreUnavailable as error:
            self._waiting[call_id] = changes
            self.desk.log.warning("result-unwritten", call=call_id, kind=kind, why=str(error))
            self.desk.journal.follow(self.desk.again(call_id))
            raise

    def write_late(self, call_id: str) -> None:
        """Write down what waits. Raises StoreUnavailable: then it waits on."""
        if call_id in self._waiting:
            self.write(call_id, lambda record: record, "late-result")

    def duties(self, record: CallRecord, now: int) -> dict[str, Duty]:
        """The timer of a call that has results waiting."""
        return {RESULT: Duty(now, False)} if record.call_id in self._waiting else {}
