"""The work of timers that are due: which part of the manager does it, and the ends of calls whose time is up."""

from collections.abc import Callable

from scenarios.voice_call.manager.duties import GREETING, OBLIGATION, POLL, REPLY, Duty
from scenarios.voice_call.manager.lifecycle import (
    MAX_DURATION,
    MEDIA_INACTIVITY,
    NOTIFY_HANG_UP,
    RING,
    STREAM_GRACE,
    TRANSCRIPT,
    UNANSWERED,
    begin_ending,
    expire,
    is_live,
    ring_out,
)
from scenarios.voice_call.manager.media_stream import MediaStreams
from scenarios.voice_call.manager.obligations import Obligations
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.replies import Replies
from scenarios.voice_call.manager.session_bridge import SESSION, SessionBridge
from scenarios.voice_call.manager.speaking import Speaking
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.switchboard import Switchboard
from scenarios.voice_call.manager.unwritten import RESULT


class DueWork:
    """What `Timers` asks for: which timers a call needs beyond `duties.py`, and what is done when one fires."""

    def __init__(
        self,
        desk: Switchboard,
        obligations: Obligations,
        speaking: Speaking,
        bridge: SessionBridge,
        replies: Replies,
        streams: MediaStreams,
    ) -> None:
        self.desk = desk
        self.obligations = obligations
        self.speaking = speaking
        self.bridge = bridge
        self.replies = replies
        self.streams = streams

    def besides(self, record: CallRecord, now: int) -> dict[str, Duty]:
        """What a call needs a timer for that its record alone does not tell."""
        return self.speaking.unwritten.duties(record, now) | self.bridge.duties(record, now)

    async def on_timer(self, call_id: str, kind: str) -> None:
        """What each kind of timer does when it fires. Raises what the work raises; the timer comes back then."""
        if kind == OBLIGATION:
            await self.obligations.discharge(call_id)
        elif kind == GREETING:
            await self.speaking.greet(call_id)
        elif kind == POLL:
            await self.obligations.poll(call_id)
        elif kind == RESULT:
            self.speaking.unwritten.write_late(call_id)
        elif kind == SESSION:
            await self.bridge.bring_over(call_id)
        elif kind == TRANSCRIPT:
            await self.speaking.turn_timed_out(call_id)
        elif kind == NOTIFY_HANG_UP:
            await self.in_time(call_id, self.end_notification)
        elif kind in (MAX_DURATION, UNANSWERED):
            await self.in_time(call_id, self.expire_call)
        elif kind == RING:
            self.stop_ringing(call_id)
        elif kind == REPLY:
            await self.replies.answer(call_id)
        elif kind == STREAM_GRACE:
            self.streams.grace_is_over(call_id)
        elif kind == MEDIA_INACTIVITY:
            self.streams.watch(call_id)

    async def in_time(self, call_id: str, end: Callable[[str], None]) -> None:
        """End a call in writing; where the disk refuses, the line is hung up all the same, and the timer comes back."""
        try:
            end(call_id)
        except StoreUnavailable:
            await self.obligations.hang_up_on_time(call_id)
            raise

    def expire_call(self, call_id: str) -> None:
        """The time of a call is up: end it durably; the hang-up is owed from the same record on."""
        journal, record = self.desk.journal, self.desk.book.get(call_id)
        if record is not None and is_live(record):
            self.desk.log.info("deadline-expired", call=call_id)
            journal.commit(record, expire(record, journal.now()), "expired")

    def stop_ringing(self, call_id: str) -> None:
        """Nobody answered our call: end it durably; the hang-up is owed from the same record on."""
        journal, record = self.desk.journal, self.desk.book.get(call_id)
        if record is not None and is_live(record) and RING in record.deadlines:
            self.desk.log.info("ring-timeout", call=call_id)
            journal.commit(record, ring_out(record, journal.now()), "no-answer")

    def end_notification(self, call_id: str) -> None:
        """The message was heard: hang up."""
        journal, record = self.desk.journal, self.desk.book.get(call_id)
        if record is not None and is_live(record):
            journal.commit(record, begin_ending(record, "hangup-bot", journal.now()), "ending")
