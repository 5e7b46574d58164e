"""Making and ending calls. The order is reserve, write the intent, publish, dial, write the result.

A dial has three results: created, refused, unknown. Unknown keeps the slot and is reconciled under the key of
the intent; it is never dialled again, neither here nor after a restart, and the client's retry with the same
key gets the same call.
"""

import msgspec
from msgspec.structs import replace

from scenarios.voice_call.manager.core import CapacityRefused
from scenarios.voice_call.manager.lifecycle import RING, UNANSWERED, begin_ending, finish, is_live, owe_hang_up, owed
from scenarios.voice_call.manager.obligations import Obligations
from scenarios.voice_call.manager.provider_client import DialResult, ProviderRefused, ProviderUnavailable
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.session_key import session_key_of
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.switchboard import Switchboard

MOCK = "mock"
_MOCK_NUMBER = "+15550000000"


class InitiateResult(msgspec.Struct, frozen=True):
    """`outcome`: created, refused or unknown. `call_id` is None when no call was recorded."""

    outcome: str
    call_id: str | None = None
    reason: str | None = None


class EndResult(msgspec.Struct, frozen=True):
    """`outcome`: ended, or ending when the provider has not confirmed yet.

    Then it is retried until it has.
    """

    outcome: str
    call_id: str
    reason: str | None


class Outbound:
    """Initiate and end."""

    def __init__(self, desk: Switchboard, obligations: Obligations) -> None:
        self.desk = desk
        self.obligations = obligations

    async def initiate(
        self, to: str, message: str | None, mode: str, session_key: str | None, key: str | None
    ) -> InitiateResult:
        """Make a call.

        Raises StoreUnavailable when the intent could not be written: then nobody was dialled.
        """
        if mode not in ("notify", "conversation"):
            raise ValueError(f"mode is {mode!r}; use 'notify' or 'conversation'")
        known = self.desk.book.find_by_key(key)
        if known is None:
            # Only then may a store that refuses mean that nobody was dialled; reopening it may bring the call back.
            self.desk.journal.ensure_writable()
            known = self.desk.book.find_by_key(key)
        if known is not None:
            return self.result_of(known)
        if self.unreachable():
            return InitiateResult("refused", None, "no public url: set public_url, or nobody can tell what happens")
        if self.rate_limited(to):
            self.desk.log.warning("destination-rate-limited", to_length=len(to))
            return InitiateResult("refused", None, "rate-limited")
        call_id = self.desk.new_id()
        try:
            self.desk.book.reserve(call_id, self.desk.config.max_concurrent_calls)
        except CapacityRefused as refused:
            self.desk.log.info("capacity-refused", limit=self.desk.config.max_concurrent_calls)
            return InitiateResult("refused", None, f"capacity: {refused}")
        from_number = self.own_number()
        if from_number is None:
            self.desk.book.release(call_id)
            return InitiateResult("refused", None, "no from_number is configured")
        self.obligations.dialing[call_id] = None
        try:
            intent = self.intent(call_id, to, from_number, message, mode, session_key, key)
            record = self.desk.journal.commit(None, intent, "intent")
            return await self.dial(record)
        finally:
            self.desk.book.release(call_id)
            del self.obligations.dialing[call_id]
            left = self.desk.book.get(call_id)
            if left is not None:
                self.desk.journal.follow(left)

    def unreachable(self) -> bool:
        """Whether the provider has no way to tell what became of a call. The mock sits in this process."""
        return self.desk.config.public_url is None and self.desk.line.client.name != MOCK

    def own_number(self) -> str | None:
        """The number to call from; the mock needs none."""
        fallback = _MOCK_NUMBER if self.desk.line.client.name == MOCK else None
        return self.desk.config.from_number or fallback

    def rate_limited(self, to: str) -> bool:
        """Whether this number was dialled too often.

        Counted over the records, so a restart does not forget.
        """
        since = self.desk.journal.now() - self.desk.config.dial_window_ms
        return self.desk.book.dials_since(to, since) >= self.desk.config.max_dials_per_destination

    def intent(
        self,
        call_id: str,
        to: str,
        from_number: str,
        message: str | None,
        mode: str,
        session_key: str | None,
        key: str | None,
    ) -> CallRecord:
        """The record that says we are going to dial, under which key."""
        now = self.desk.journal.now()
        if session_key is None and self.desk.config.session_bridge:
            session_key = session_key_of(to)
        metadata = {"mode": mode} if message is None else {"mode": mode, "initialMessage": message}
        return CallRecord(
            call_id=call_id,
            provider=self.desk.line.client.name,
            direction="outbound",
            state="initiated",
            from_=from_number,
            to=to,
            session_key=session_key,
            client_key=key or call_id,
            started_at=now,
            deadlines={
                RING: now + self.desk.config.ring_timeout_ms,
                UNANSWERED: now + self.desk.config.unanswered_ms,
            },
            metadata=metadata,
            greeting="none" if message is None else "queued",
            dial="intended",
        )

    async def dial(self, record: CallRecord) -> InitiateResult:
        """Dial, and write down what came of it."""
        try:
            dialled = await self.desk.line.dial(record, record.client_key or record.call_id, record.from_)
        except ProviderRefused as refused:
            return self.dial_refused(record.call_id, str(refused))
        except ProviderUnavailable as unknown:
            return self.dial_unknown(record.call_id, str(unknown))
        return self.dial_created(record.call_id, dialled)

    def dial_created(self, call_id: str, dialled: DialResult) -> InitiateResult:
        """The provider accepted. What an early event has written meanwhile stays."""
        current = self.desk.again(call_id)
        after = self.with_provider_id(current, dialled.provider_call_id)
        if not is_live(after) and after.dial != current.dial and current.end_reason in ("failed", "timeout"):
            # It was given up here while the request was in flight, and is ringing there.
            after = owe_hang_up(after, self.desk.journal.now())
        try:
            self.desk.journal.commit(current, after, "dialled")
        except StoreUnavailable as error:
            self.desk.log.error("dial-unknown", call=call_id, why=f"the result could not be written: {error}")
            return InitiateResult("unknown", call_id, str(error))
        return self.result_of(after)

    def with_provider_id(self, record: CallRecord, provider_call_id: str) -> CallRecord:
        """The record with the id the dial answered; an identity that is there already is not replaced."""
        if record.provider_call_id is None:
            return replace(record, provider_call_id=provider_call_id, dial="created")
        aliases = record.aliases
        if provider_call_id != record.provider_call_id and provider_call_id not in aliases:
            aliases = (*aliases, provider_call_id)
        return replace(record, dial="created", aliases=aliases)

    def dial_refused(self, call_id: str, why: str) -> InitiateResult:
        """Nothing happened at the provider."""
        current = self.desk.again(call_id)
        if current.provider_call_id is None:
            refused = replace(current, dial="refused", hang_up_owed=False, owed_since=None)
            try:
                self.desk.journal.commit(current, finish(refused, "failed", self.desk.journal.now()), "refused")
            except StoreUnavailable as error:
                return InitiateResult("unknown", call_id, str(error))
        return InitiateResult("refused", call_id, why)

    def dial_unknown(self, call_id: str, why: str) -> InitiateResult:
        """Nobody knows: the slot is kept, and the key tells later."""
        current = self.desk.again(call_id)
        self.desk.log.warning("dial-unknown", call=call_id, why=why)
        if current.dial == "intended":
            try:
                self.desk.journal.commit(current, replace(current, dial="unknown"), "dial-unknown")
            except StoreUnavailable as error:
                self.desk.log.warning("dial-unknown-not-written", call=call_id, why=str(error))
        return InitiateResult("unknown", call_id, why)

    def result_of(self, record: CallRecord) -> InitiateResult:
        """The answer to a client who asks again with the same key."""
        if owed(record) == "reconcile-dial":
            return InitiateResult("unknown", record.call_id, "the dial is being reconciled")
        if record.dial == "refused":
            return InitiateResult("refused", record.call_id, record.end_reason)
        return InitiateResult("created", record.call_id)

    async def end(self, any_id: str, reason: str) -> EndResult:
        """End a call. Raises CallNotFound or StoreUnavailable; a call that is over is success."""
        self.desk.journal.ensure_writable()
        record = self.desk.call(any_id)
        if not is_live(record):
            return EndResult("ended", record.call_id, record.end_reason)
        if record.provider_call_id is None:
            record = self.obligations.abandon_unconnected(record, reason)
            return EndResult("ended", record.call_id, record.end_reason)
        self.desk.journal.commit(record, begin_ending(record, reason, self.desk.journal.now()), "ending")
        try:
            await self.obligations.discharge(record.call_id)
        except ProviderUnavailable as unknown:
            self.desk.log.warning("hang-up-unknown", call=record.call_id, why=str(unknown))
        record = self.desk.again(record.call_id)
        return EndResult("ending" if is_live(record) else "ended", record.call_id, record.end_reason or record.ending)
