"""From the log to a running manager: load, repair, verify with the provider, arm timers; only then does anybody listen.

Every live call is asked about. A call that is over there gets one durable end with a reason; an unknown
answer keeps the call, with its deadline; an expired call ends as `timeout` and a hang-up is owed. What was in
the middle of happening (a question, an announcement, a media stream) is closed, once. Nothing here dials. A second restore of
the same log writes nothing.
"""

import asyncio

import msgspec
from msgspec.structs import replace

from scenarios.voice_call.manager.lifecycle import (
    MAX_DURATION,
    RING,
    UNANSWERED,
    break_off_reply,
    close_turn,
    confirm_gone,
    expire,
    lose_stream,
    move,
    ring_out,
    true_reason,
    with_a_deadline,
)
from scenarios.voice_call.manager.log_reading import EVERY_CALL, LoadedLog
from scenarios.voice_call.manager.obligations import Obligations
from scenarios.voice_call.manager.provider_client import CallStatus, ProviderRefused, ProviderUnavailable, StatusAnswer
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.speaking import Speaking
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.switchboard import Switchboard

_NOBODY_KNOWS = StatusAnswer(CallStatus.UNKNOWN)


class Finding(msgspec.Struct, frozen=True):
    """What the provider said about one call.

    Its id (perhaps found by key), whether the dial never happened, its status.
    """

    provider_call_id: str | None
    never_dialled: bool
    answer: StatusAnswer


class Restore:
    """Verifies what was loaded."""

    def __init__(self, desk: Switchboard, obligations: Obligations, speaking: Speaking) -> None:
        self.desk = desk
        self.obligations = obligations
        self.speaking = speaking

    async def run(self, loaded: LoadedLog) -> None:
        """Judge every live call and every victim of damage.

        A provider or a disk that fails now is retried later.
        """
        live = self.desk.book.live()
        findings = await asyncio.gather(*(self.ask(record) for record in live))
        for record, finding in zip(live, findings, strict=True):
            try:
                self.desk.journal.commit(record, self.judge(record, finding), "restored")
            except StoreUnavailable as error:
                self.desk.log.warning("restore-not-written", call=record.call_id, why=str(error))
        for call_id in loaded.quarantined:
            if call_id != EVERY_CALL and self.desk.book.get(call_id) is None:
                await self.find_victim(call_id)

    async def ask(self, record: CallRecord) -> Finding:
        """What the provider knows about a call; no answer is the answer `unknown`."""
        provider_call_id = record.provider_call_id
        try:
            if provider_call_id is None:
                provider_call_id = await self.desk.line.find(record)
                if provider_call_id is None:
                    return Finding(None, True, _NOBODY_KNOWS)
                self.desk.log.info("dial-reconciled", call=record.call_id, found=True)
            answer = await self.desk.line.status(replace(record, provider_call_id=provider_call_id))
            return Finding(provider_call_id, False, answer)
        except (ProviderRefused, ProviderUnavailable) as error:
            self.desk.log.warning("verification-unknown", call=record.call_id, why=str(error))
            return Finding(provider_call_id, False, _NOBODY_KNOWS)

    def judge(self, record: CallRecord, finding: Finding) -> CallRecord:
        """The record after the provider's answer."""
        now = self.desk.journal.now()
        if finding.never_dialled:
            self.desk.log.info("dial-reconciled", call=record.call_id, found=False)
            return self.obligations.reconciled(record, None)
        if record.provider_call_id is None and finding.provider_call_id is not None:
            record = self.obligations.reconciled(record, finding.provider_call_id)
        if finding.answer.status in (CallStatus.ENDED, CallStatus.NOT_FOUND):
            self.desk.log.info("restored-terminal-at-provider", call=record.call_id, status=finding.answer.status.value)
            return confirm_gone(record, true_reason(record, finding.answer.reason, now), now)
        record = self.with_deadline(record, now)
        if self.is_overdue(record, now):
            self.desk.log.info("deadline-overdue-on-restore", call=record.call_id)
            return ring_out(record, now) if record.deadlines.get(RING, now + 1) <= now else expire(record, now)
        return self.without_stream(self.tidy(record), now)

    def with_deadline(self, record: CallRecord, now: int) -> CallRecord:
        """Every restored call has a finite deadline: the one it had."""
        return with_a_deadline(record, self.desk.config.max_duration_ms, now)

    def is_overdue(self, record: CallRecord, now: int) -> bool:
        """Whether the deadline that ends the call passed while nobody was there."""
        return any(record.deadlines.get(kind, now + 1) <= now for kind in (RING, UNANSWERED, MAX_DURATION))

    def tidy(self, record: CallRecord) -> CallRecord:
        """Close what the dead process had begun: its questions and announcements have nobody who waits."""
        if record.turn is not None and record.turn.open:
            self.desk.log.info("turn-interrupted", call=record.call_id)
            record = close_turn(record, "interrupted")
        if record.playing is not None:
            self.desk.log.info("speech-interrupted", call=record.call_id)
            record = replace(move(record, "listening"), playing=None)
        if record.greeting == "started":
            self.desk.log.info("greeting-interrupted", call=record.call_id)
            record = self.greeting_after_crash(record)
        if record.reply is not None and record.reply.phase == "speaking":
            self.desk.log.info("reply-interrupted", call=record.call_id, why="restart")
            record = break_off_reply(record)
        return record

    def without_stream(self, record: CallRecord, now: int) -> CallRecord:
        """No socket outlives its process: the provider has the grace, from now on, to open another."""
        if record.media is None or record.media.stream is None:
            return record
        self.desk.log.info("stream-lost", call=record.call_id)
        return lose_stream(record, now, self.desk.config.stream_grace_ms)

    def greeting_after_crash(self, record: CallRecord) -> CallRecord:
        """A greeting that was begun: nobody knows whether it was heard; by default it is not repeated."""
        if self.desk.config.repeat_greeting_after_crash:
            return replace(record, greeting="queued")
        return self.speaking.after_greeting(replace(record, greeting="interrupted"))

    async def find_victim(self, call_id: str) -> None:
        """A call of which only a damaged line tells.

        If it was dialled under its own id, it is found and hung up.
        """
        stub = CallRecord(
            call_id=call_id,
            provider=self.desk.line.client.name,
            direction="outbound",
            client_key=call_id,
            started_at=self.desk.journal.now(),
            dial="unknown",
        )
        try:
            found = await self.desk.line.find(stub)
        except (ProviderRefused, ProviderUnavailable) as error:
            self.desk.log.warning("verification-unknown", call=call_id, why=str(error))
            return
        if found is None:
            return
        now = self.desk.journal.now()
        lost = expire(replace(stub, provider_call_id=found, dial="created"), now)
        try:
            self.desk.journal.commit(None, replace(lost, state="failed", end_reason="failed"), "victim-found")
        except StoreUnavailable as error:
            self.desk.log.warning("restore-not-written", call=call_id, why=str(error))
