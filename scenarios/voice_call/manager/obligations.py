"""What is owed to the provider until it is confirmed: hang-ups, and the question what became of a dial.

An obligation is a fact of the record (`lifecycle.owed`), so it survives every death. Attempts are one at a
time per call and are idempotent by key; "was not there" is success. Nothing here ever dials.
"""

import asyncio

from msgspec.structs import replace

from scenarios.voice_call.manager.lifecycle import (
    confirm_gone,
    due_reason,
    fail_unconnected,
    finish,
    is_live,
    owe_hang_up,
    owed,
    true_reason,
)
from scenarios.voice_call.manager.provider_client import CallStatus, ProviderRefused, ProviderUnavailable
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.switchboard import Switchboard


class Obligations:
    """Discharges what records owe."""

    def __init__(self, desk: Switchboard) -> None:
        self.desk = desk
        self.dialing: dict[str, None] = {}
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._tried: dict[str, None] = {}

    def is_dialing(self, call_id: str) -> bool:
        """Whether the dial request of this call is in flight in this process."""
        return call_id in self.dialing

    async def discharge(self, call_id: str) -> None:
        """One attempt; who comes while it is in flight joins it.

        Raises ProviderUnavailable or StoreUnavailable.
        """
        flight = self._flights.get(call_id)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._discharge(call_id))
            self._flights[call_id] = flight
            flight.add_done_callback(lambda done: self._landed(call_id, done))
        await asyncio.shield(flight)

    def _landed(self, call_id: str, flight: asyncio.Task[None]) -> None:
        if self._flights.get(call_id) is flight:
            del self._flights[call_id]
        if not flight.cancelled():
            flight.exception()

    async def _discharge(self, call_id: str) -> None:
        record = self.desk.book.get(call_id)
        if record is None or owed(record) is None:
            return
        attempt = "obligation-retried" if call_id in self._tried else "obligation-attempted"
        self._tried[call_id] = None
        self.desk.log.info(attempt, call=call_id, kind=owed(record))
        if owed(record) == "reconcile-dial":
            if self.is_dialing(call_id):
                return
            record = await self.reconcile(record)
        if owed(record) == "hang-up":
            await self.hang_up(record)
        self._tried.pop(call_id, None)

    async def reconcile(self, record: CallRecord) -> CallRecord:
        """Find out by the dial key what became of a dial."""
        found = await self.desk.line.find(record)
        current = self.desk.book.get(record.call_id)
        if current is None or owed(current) != "reconcile-dial":
            return current or record
        self.desk.log.info("dial-reconciled", call=record.call_id, found=found is not None)
        return self.desk.journal.commit(current, self.reconciled(current, found), "dial-reconciled")

    def reconciled(self, record: CallRecord, found: str | None) -> CallRecord:
        """The record once the provider has told: a call there is ours; none means that nothing happened."""
        if found is not None:
            return replace(record, provider_call_id=found, dial="created")
        gone = replace(record, dial="refused", hang_up_owed=False, owed_since=None)
        return finish(gone, "failed", self.desk.journal.now())

    async def hang_up(self, record: CallRecord) -> CallRecord:
        """Hang up, and write down that it is confirmed."""
        await self.desk.line.hang_up(record)
        current = self.desk.book.get(record.call_id)
        if current is None or owed(current) != "hang-up":
            return current or record
        after = confirm_gone(current, current.ending or "hangup-bot", self.desk.journal.now())
        self.desk.journal.commit(current, after, "hang-up-confirmed")
        self.desk.log.info("obligation-done", call=record.call_id, kind="hang-up")
        return after

    async def hang_up_on_time(self, call_id: str) -> None:
        """Hang up a call that is due although its end could not be written: a cap does not wait for the disk.

        The deadline on its record is the written intent. The record follows; the hang-up that it will owe then has the
        same key. What fails here is told, and comes again with the timer that failed.
        """
        record = self.desk.book.get(call_id)
        if record is None or not is_live(record) or record.provider_call_id is None or not self.desk.journal.is_current:
            return
        if due_reason(record, self.desk.journal.now()) is None:
            return
        self.desk.log.warning("hang-up-before-record", call=call_id)
        try:
            await self.desk.line.hang_up(record)
        except (ProviderRefused, ProviderUnavailable) as error:
            self.desk.log.warning("hang-up-unknown", call=call_id, why=str(error))

    async def poll(self, call_id: str) -> None:
        """Ask what became of a live call: an end event may have been lost for good."""
        record = self.desk.book.get(call_id)
        if record is None or not is_live(record) or record.provider_call_id is None:
            return
        answer = await self.desk.line.status(record)
        current = self.desk.book.get(call_id)
        if current is None or not is_live(current) or current.provider_call_id != record.provider_call_id:
            return
        if answer.status in (CallStatus.ENDED, CallStatus.NOT_FOUND):
            now = self.desk.journal.now()
            after = confirm_gone(current, true_reason(current, answer.reason, now), now)
            self.desk.journal.commit(current, after, "ended-at-provider")
            self.desk.log.info("ended-at-provider", call=call_id, status=answer.status.value)

    def abandon_unconnected(self, record: CallRecord, reason: str) -> CallRecord:
        """End a call without a provider id.

        `failed` here, whatever reason was asked for, and reconciled there.
        """
        self.desk.log.info("unconnected-call-ended", call=record.call_id, reason=reason)
        return self.desk.journal.commit(record, fail_unconnected(record, self.desk.journal.now()), "ended-unconnected")

    def owe(self, record: CallRecord, kind: str) -> CallRecord:
        """Write down a hang-up that nobody has asked for yet."""
        return self.desk.journal.commit(record, owe_hang_up(record, self.desk.journal.now()), kind)
