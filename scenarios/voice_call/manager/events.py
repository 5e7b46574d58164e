"""The event kinds of catalogue 8.3, and what each does to a record. Pure, but for the book it looks calls up in.

An event is claimed and applied in one record: what is not written was not seen. Identity comes first: a call
that is over absorbs (its id list and transcript may still grow, nothing else), an end never makes a call, and
an event that may belong to a call whose provider id is not known yet is refused with "later", never consumed.
"""

import json
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from scenarios.voice_call.manager.config import Config, EventLog
from scenarios.voice_call.manager.core import CallBook, accepts_inbound, inbound_call_id
from scenarios.voice_call.manager.lifecycle import (
    MAX_DURATION,
    UNANSWERED,
    answer_turn,
    confirm_gone,
    converse,
    finish,
    forget_event_ids,
    grant_stream,
    is_live,
    move,
    owe_hang_up,
    said,
    true_reason,
)
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.session_key import session_key_of
from scenarios.voice_call.manager.states import is_conversational, is_terminal

_NAMES = ("id", "type", "call_id", "provider_call_id", "client_key", "turn_token", "dedupe_key")
_CONTENT = uuid.UUID("b0f4cf0a-6d4f-5f4c-8a53-3f0b9b0d7f02")


class CallEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One normalised event. Times are milliseconds since the epoch."""

    id: str
    type: str
    call_id: str | None = None
    provider_call_id: str | None = None
    timestamp: int | None = None
    direction: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    client_key: str | None = None
    turn_token: str | None = None
    dedupe_key: str | None = None
    transcript: str = ""
    is_final: bool = True
    reason: str | None = None
    error: str | None = None
    retryable: bool = False
    wants_stream: bool = False

    @property
    def ends(self) -> bool:
        """Whether this event says that the call is over."""
        return self.type == "call.ended" or (self.type == "call.error" and not self.retryable)


class Change(msgspec.Struct, frozen=True):
    """A record to be written: the answer to an event that counts."""

    before: CallRecord | None
    after: CallRecord
    kind: str


class Absorbed(msgspec.Struct, frozen=True):
    """An event that needs no record: it may be acknowledged."""

    why: str


class RetryLater(Exception):
    """An event that cannot be placed yet: it must be delivered again."""


class EventRules:
    """Decides what an event does. Each method is one rule.

    `issue` makes the token of a media stream: chance comes from outside.
    """

    def __init__(
        self, config: Config, book: CallBook, provider: str, issue: Callable[[], str], *, log: EventLog
    ) -> None:
        self.config = config
        self.book = book
        self.provider = provider
        self.issue = issue
        self.log = log
        self._apply: dict[str, Callable[[CallRecord, CallEvent, int], CallRecord]] = {
            "call.answered": self.apply_answered,
            "call.speech": self.apply_speech,
            "call.ended": self.apply_ended,
            "call.error": self.apply_error,
        }

    # --- reading -------------------------------------------------------------------------------------------------

    def read_event(self, raw: dict[str, Any]) -> CallEvent:
        """The event in a normalised dict. Raises ValueError."""
        if not isinstance(raw, dict):
            raise ValueError(f"an event must be an object, not {type(raw).__name__}")
        whole = raw | {"id": raw.get("id") or self.event_id(raw)}
        try:
            event = msgspec.convert(whole, CallEvent)
        except msgspec.ValidationError as error:
            raise ValueError(f"the event {whole['id']!r} cannot be read: {error}") from error
        for name in _NAMES:
            if not _is_encodable(getattr(event, name)):
                raise ValueError(f"the event {event.id!r} cannot be read: {name} holds half a character")
        return event

    def event_id(self, raw: dict[str, Any]) -> str:
        """An id for an event that carries none.

        From all of its content, so that a redelivery has the same one.
        """
        return str(uuid.uuid5(_CONTENT, json.dumps(raw, sort_keys=True, ensure_ascii=True)))

    def dedupe_key(self, event: CallEvent) -> str:
        """The key of an event among those of its call."""
        return event.dedupe_key or event.id

    # --- admission -----------------------------------------------------------------------------------------------

    def find(self, event: CallEvent) -> CallRecord | None:
        """The call an event is about: by internal id, provider ids and aliases, our dial key, derived id."""
        found = (
            self.book.find(event.call_id)
            or self.book.find(event.provider_call_id)
            or self.book.find_by_key(event.client_key)
        )
        if found is not None:
            return found
        provider_id = event.provider_call_id or event.call_id
        return None if provider_id is None else self.book.get(inbound_call_id(self.provider, provider_id))

    def admit(self, event: CallEvent, now: int) -> Change | Absorbed:
        """What to do with an event. Raises RetryLater."""
        record = self.find(event)
        if record is None:
            return self.admit_unknown(event, now)
        if self.is_duplicate(record, event):
            self.log.info("duplicate-absorbed", call=record.call_id, id=event.id)
            return Absorbed("duplicate")
        if self.is_stale(record, event):
            self.log.warning("stale-event-absorbed", call=record.call_id, id=event.id)
            return Absorbed("stale")
        if is_terminal(record.state):
            self.log.info("late-event-absorbed", call=record.call_id, id=event.id, type=event.type)
            return Change(record, self.absorb_late(record, event, now), "absorbed")
        return Change(record, self.apply(record, event, now), event.type)

    def is_duplicate(self, record: CallRecord, event: CallEvent) -> bool:
        """Whether this call has seen the event."""
        return self.dedupe_key(event) in record.processed_event_ids

    def is_stale(self, record: CallRecord, event: CallEvent) -> bool:
        """Whether the event is older than ids that were forgotten. An end always counts."""
        return event.timestamp is not None and event.timestamp <= record.stale_before and not event.ends

    def admit_unknown(self, event: CallEvent, now: int) -> Change | Absorbed:
        """An event about a call nobody knows."""
        provider_id = event.provider_call_id or event.call_id
        if provider_id is None:
            return Absorbed("about no call")
        if event.timestamp is not None and event.timestamp < now - self.config.redelivery_horizon_ms:
            self.log.warning("stale-event-absorbed", call=None, id=event.id)
            return Absorbed("stale")
        if event.direction == "inbound":
            return Change(None, self.create_inbound(event, provider_id, now), "inbound")
        if self.book.unresolved_dials() or (event.direction is None and not event.ends):
            self.log.info("early-event-refused", id=event.id, type=event.type)
            raise RetryLater(f"event {event.id!r} may belong to a call whose dial is not answered yet")
        self.log.warning("foreign-event-absorbed", id=event.id, type=event.type)
        return Absorbed("foreign")

    def create_inbound(self, event: CallEvent, provider_id: str, now: int) -> CallRecord:
        """The first record of an inbound call, its first event applied: one record, one write."""
        started = event.timestamp if event.timestamp is not None else now
        started = min(started, now)
        record = CallRecord(
            call_id=inbound_call_id(self.provider, provider_id),
            provider_call_id=provider_id,
            provider=self.provider,
            direction="inbound",
            state="ringing",
            from_=event.from_ or "unknown",
            to=event.to or self.config.from_number or "unknown",
            started_at=started,
            aliases=(event.call_id,) if event.call_id not in (None, provider_id) else (),
        )
        if event.ends:
            self.log.info("end-before-beginning", id=event.id)
            return self.apply(replace(record, standing="tombstone"), event, now)
        if not accepts_inbound(self.config, event.from_):
            self.log.info("rejected-by-policy", call=record.call_id, policy=self.config.inbound_policy)
            return self.reject(record, event, now)
        record = replace(
            record,
            deadlines={UNANSWERED: started + self.config.unanswered_ms},
            session_key=session_key_of(event.from_) if self.config.session_bridge else None,
            metadata={"initialMessage": self.config.inbound_greeting, "mode": "conversation"},
            greeting="queued" if self.config.inbound_greeting else "none",
        )
        return self.apply(record, event, now)

    def reject(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        """A rejected caller: remembered durably, and hung up until that is confirmed."""
        rejected = replace(self.claim(record, event, now), standing="rejected")
        return owe_hang_up(finish(rejected, "hangup-bot", now), now)

    # --- applying ------------------------------------------------------------------------------------------------

    def claim(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        """The record that remembers the event.

        Nothing comes from the future: what a wrong clock said would make every later event look like a replay.
        """
        at = now if event.timestamp is None else min(event.timestamp, now)
        remembered = replace(
            record,
            processed_event_ids=(*record.processed_event_ids, self.dedupe_key(event)),
            processed_event_times=(*record.processed_event_times, at),
        )
        return forget_event_ids(remembered, self.config.max_event_ids_per_call)

    def apply(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        """The live record after an event: claim and effect, and the token of the stream it asks for."""
        record = self.apply_kind(self.remap(self.claim(record, event, now), event), event, now)
        if event.wants_stream and self.config.streaming and is_live(record):
            return grant_stream(record, self.dedupe_key(event), self.issue())
        return record

    def apply_kind(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        """What the kind of an event changes."""
        if event.type in self._apply:
            return self._apply[event.type](record, event, now)
        if event.type in ("call.initiated", "call.ringing", "call.active", "call.speaking"):
            return self.apply_state(record, event.type.removeprefix("call."), event, now)
        if event.type not in ("call.silence", "call.dtmf"):
            self.log.warning("unknown-event-kind", type=event.type, id=event.id)
        return record

    def absorb_late(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        """A call that is over remembers the event, what was said and what it is called, and does not change otherwise."""
        record = self.learn_name(self.claim(record, event, now), event)
        if event.type == "call.speech" and event.is_final and record.standing == "call":
            record = said(record, "user", event.transcript, self.instant(record, event, now))
        return confirm_gone(record, None, now) if event.type == "call.ended" else record

    def learn_name(self, record: CallRecord, event: CallEvent) -> CallRecord:
        """A name heard after the end is one more alias: what comes under that name alone must find the call as well."""
        new = event.provider_call_id
        if new is None or new == record.provider_call_id or new in record.aliases:
            return record
        if self.book.find(new) is not None:
            self.log.warning("identity-conflict", call=record.call_id, provider_call_id=new)
            return record
        return replace(record, aliases=(*record.aliases, new))

    def remap(self, record: CallRecord, event: CallEvent) -> CallRecord:
        """The provider may rename a call; the old id stays an alias, and another call's id is never taken.

        A report that was overtaken names the call by an alias, and does not rename it back.
        """
        new = event.provider_call_id
        if new is None or new == record.provider_call_id or new in record.aliases:
            return record
        other = self.book.find(new)
        if other is not None and other.call_id != record.call_id:
            self.log.warning("identity-conflict", call=record.call_id, other=other.call_id, provider_call_id=new)
            return record
        aliases = record.aliases
        if record.provider_call_id is not None and record.provider_call_id not in aliases:
            aliases = (*aliases, record.provider_call_id)
        dial = "created" if record.dial in ("intended", "unknown") else record.dial
        return replace(record, provider_call_id=new, aliases=aliases, dial=dial)

    def instant(self, record: CallRecord, event: CallEvent, now: int) -> int:
        """The time of an event, within the life of the call: a provider's clock may be wrong."""
        at = event.timestamp if event.timestamp is not None else now
        return min(max(at, record.started_at), max(now, record.started_at))

    def apply_state(self, record: CallRecord, state: str, event: CallEvent, now: int) -> CallRecord:
        """A plain transition; a report of a conversation starts its clock, should `answered` have been lost.

        Our own speaking is no such report: it may have been spoken to a telephone that rings.
        """
        moved = move(record, state)
        if is_conversational(state) and MAX_DURATION not in record.deadlines:
            return converse(moved, self.instant(record, event, now), self.config.max_duration_ms)
        return moved

    def apply_answered(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        """The first answer wins; the cap is derived from it and stored."""
        if record.answered_at is not None:
            return record
        at = self.instant(record, event, now)
        answered = replace(move(record, "answered"), answered_at=at)
        return converse(answered, at, self.config.max_duration_ms)

    def apply_speech(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        """A final speech is kept always, and answers the turn it was asked in, no other."""
        at = self.instant(record, event, now)
        if event.is_final:
            record = said(record, "user", event.transcript, at)
            answered = answer_turn(record, event.turn_token, event.transcript, now)
            if answered is record and record.turn is not None and record.turn.open:
                self.log.info("stale-turn-recorded", call=record.call_id, id=event.id)
            record = answered
        return self.apply_state(record, "listening", event, now)

    def apply_ended(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        """The end, confirmed by the provider."""
        return confirm_gone(record, true_reason(record, event.reason, now), self.instant(record, event, now))

    def apply_error(self, record: CallRecord, event: CallEvent, now: int) -> CallRecord:
        """A final error ends the call here; whether it is gone there nobody said, so a hang-up is owed."""
        if event.retryable:
            return record
        return owe_hang_up(finish(record, "error", self.instant(record, event, now)), now)


def _is_encodable(text: str | None) -> bool:
    """Whether a text has bytes: JSON may name a lone surrogate, and no name can be made of it."""
    if text is None or text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
