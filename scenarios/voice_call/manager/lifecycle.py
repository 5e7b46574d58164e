"""What happens to a record in its life: pure functions from one record to the next (catalogue 8.2 to 8.6).

A terminal record is written once: state, reason, end time and identity stay. Deadlines are absolute instants
on the record; there is exactly one that ends the call, and none of these functions moves it later once the
call was answered.
"""

from msgspec.structs import replace

from scenarios.voice_call.manager.records import CallRecord, Media, Reply, TranscriptLine, Turn
from scenarios.voice_call.manager.states import advance, end_reason, is_terminal

RING = "ring"
UNANSWERED = "unanswered"
MAX_DURATION = "max-duration"
NOTIFY_HANG_UP = "notify-hang-up"
TRANSCRIPT = "transcript"
STREAM_GRACE = "stream-grace"
MEDIA_INACTIVITY = "media-inactivity"

_UNTIL_ANSWERED = (RING, UNANSWERED)
_FINAL = {MAX_DURATION: "timeout", NOTIFY_HANG_UP: "hangup-bot"}
_REPLYING = ("thinking", "speaking")
_GENERIC_REASONS = ("completed", "hangup-bot")


def is_live(record: CallRecord) -> bool:
    """Whether this is a call, and not over."""
    return record.standing == "call" and not is_terminal(record.state)


def owed(record: CallRecord) -> str | None:
    """What the provider is still owed: `reconcile-dial`, `hang-up` or nothing."""
    if record.provider_call_id is None:
        return "reconcile-dial" if record.dial in ("intended", "unknown") else None
    return "hang-up" if record.hang_up_owed else None


def move(record: CallRecord, state: str) -> CallRecord:
    """The record in another live state, where the rules allow it."""
    return replace(record, state=advance(record.state, state))


def converse(record: CallRecord, at: int, max_duration_ms: int) -> CallRecord:
    """The cap of an answered call.

    Derived once from the first proof of an answer, only ever moved earlier.
    """
    deadline = at + max_duration_ms
    if MAX_DURATION in record.deadlines:
        deadline = min(deadline, record.deadlines[MAX_DURATION])
    others = {kind: due for kind, due in record.deadlines.items() if kind not in _UNTIL_ANSWERED}
    return replace(record, deadlines=others | {MAX_DURATION: deadline})


def without_deadline(record: CallRecord, kind: str) -> CallRecord:
    """The record without one deadline."""
    return replace(record, deadlines={k: due for k, due in record.deadlines.items() if k != kind})


def with_deadline(record: CallRecord, kind: str, due: int) -> CallRecord:
    """The record with a deadline; an earlier one of this kind stays."""
    return replace(record, deadlines=record.deadlines | {kind: min(due, record.deadlines.get(kind, due))})


def said(record: CallRecord, speaker: str, text: str, at: int) -> CallRecord:
    """The record with one more line of transcript."""
    return replace(record, transcript=(*record.transcript, TranscriptLine(at, speaker, text)))


def said_once(record: CallRecord, line: TranscriptLine, since: int) -> CallRecord:
    """The record with this line, which may be there already, from number `since` on.

    A write that failed may have landed, and the store says so when it was reopened.
    """
    return record if line in record.transcript[since:] else replace(record, transcript=(*record.transcript, line))


def silent(record: CallRecord, key: str) -> CallRecord:
    """The record with this speech over: the call listens."""
    return replace(move(record, "listening"), playing=None) if record.playing == key else record


def close_turn(record: CallRecord, phase: str) -> CallRecord:
    """The record with its open turn, if any, closed in this phase."""
    if record.turn is None or not record.turn.open:
        return record
    return without_deadline(replace(record, turn=replace(record.turn, phase=phase)), TRANSCRIPT)


def answer_turn(record: CallRecord, token: str | None, text: str, at: int) -> CallRecord:
    """The record with its open turn answered, if the token is that turn's; else unchanged."""
    turn = record.turn
    if turn is None or not turn.open or token != turn.token:
        return record
    listening_at = turn.listening_at if turn.listening_at is not None else at
    metrics = {
        "turnCount": int(record.metadata.get("turnCount", 0)) + 1,
        "lastTurnLatencyMs": max(0, at - turn.asked_at),
        "lastTurnListenWaitMs": max(0, at - listening_at),
        "lastTurnCompletedAt": at,
    }
    answered = close_turn(record, "answered")
    assert isinstance(answered.turn, Turn)
    return replace(answered, turn=replace(answered.turn, answer=text), metadata=record.metadata | metrics)


def finish(record: CallRecord, reason: str | None, at: int) -> CallRecord:
    """The record ended: once, with one reason.

    An intent of ours decides where the provider's reason says nothing more.
    """
    if is_terminal(record.state):
        return record
    known = end_reason(reason)
    if record.ending is not None and known in _GENERIC_REASONS:
        known = end_reason(record.ending)
    record = close_turn(record, "ended")
    return replace(
        record,
        state=known,
        end_reason=known,
        ended_at=max(at, record.answered_at or at),
        deadlines={},
        playing=None,
        greeting="skipped" if record.greeting == "queued" else record.greeting,
        media=_unplugged(record.media, at),
        reply=_broken_off(record.reply),
    )


def owe_hang_up(record: CallRecord, now: int) -> CallRecord:
    """The record with a hang-up owed to the provider until its end is confirmed."""
    if record.hang_up_owed:
        return record
    return replace(record, hang_up_owed=True, owed_since=now)


def confirm_gone(record: CallRecord, reason: str | None, at: int) -> CallRecord:
    """The provider's side is over: the call ends, and nothing is owed any more."""
    return replace(finish(record, reason, at), hang_up_owed=False, owed_since=None)


def begin_ending(record: CallRecord, reason: str, now: int) -> CallRecord:
    """The intent to end: written before the hang-up; the first reason stays."""
    record = replace(record, ending=record.ending or end_reason(reason, default="hangup-bot"))
    return owe_hang_up(without_deadline(record, NOTIFY_HANG_UP), now)


def expire(record: CallRecord, now: int) -> CallRecord:
    """The time is up: the call is over here, and the provider is owed a hang-up if it may be alive there."""
    expired = finish(replace(record, ending="timeout"), "timeout", now)
    return owe_hang_up(expired, now)


def due_reason(record: CallRecord, now: int) -> str | None:
    """Why a call is to be over by now, by a deadline that no event can call off any more; None while there is none.

    Such a deadline is a written intent to hang up. The others are not: who picked up, or opened another stream, may
    have been refused by the same disk.
    """
    due = [
        (record.deadlines[kind], reason)
        for kind, reason in _FINAL.items()
        if record.deadlines.get(kind, now + 1) <= now
    ]
    return min(due)[1] if due else None


def true_reason(record: CallRecord, told: str | None, now: int) -> str | None:
    """The reason of an end that the provider tells.

    Where it says that we hung up and nothing else is written of it, a deadline did.
    """
    if told != "hangup-bot" or record.ending is not None:
        return told
    return due_reason(record, now) or told


def ring_out(record: CallRecord, now: int) -> CallRecord:
    """Nobody answered in time: the call is over here, and a hang-up is owed.

    Without a provider id nobody can say that it rang.
    """
    if record.provider_call_id is None:
        return fail_unconnected(record, now)
    return owe_hang_up(finish(record, "no-answer", now), now)


def fail_unconnected(record: CallRecord, now: int) -> CallRecord:
    """End a call that has no provider id: over here; if it turns up at the provider, it is hung up there."""
    return owe_hang_up(finish(record, "failed", now), now)


def forget_event_ids(record: CallRecord, keep: int) -> CallRecord:
    """The record with at most `keep` event ids.

    Events older than the forgotten ones count as replays from then on.
    """
    excess = len(record.processed_event_ids) - keep
    if excess <= 0:
        return record
    return replace(
        record,
        processed_event_ids=record.processed_event_ids[excess:],
        processed_event_times=record.processed_event_times[excess:],
        stale_before=max(record.stale_before, *record.processed_event_times[:excess]),
    )


def first_proof(record: CallRecord) -> int | None:
    """Since when this is known for a conversation: the answer, else the first words of the other side.

    Else the beginning, where the provider reported the state. Speaking and listening prove nothing by themselves: we
    may have spoken to a telephone that rings.
    """
    heard = [line.timestamp for line in record.transcript if line.speaker == "user"]
    if record.answered_at is not None or heard:
        return min(heard if record.answered_at is None else [record.answered_at, *heard])
    return record.started_at if record.state in ("answered", "active") else None


def with_a_deadline(record: CallRecord, max_duration_ms: int, now: int) -> CallRecord:
    """A live record that lost its deadline (damage, another writer) gets the one it would have had.

    A conversation whose answer was lost with its line has the cap of a conversation, and none of the deadlines that an
    answer ends.
    """
    if not is_live(record) or MAX_DURATION in record.deadlines:
        return record
    proof = first_proof(record)
    if proof is not None:
        return converse(record, proof, max_duration_ms)
    if UNANSWERED in record.deadlines:
        return record
    start = record.started_at or now
    return with_deadline(record, MAX_DURATION, start + max_duration_ms)


# --- media streams ---------------------------------------------------------------------------------------------------


def grant_stream(record: CallRecord, key: str, token: str) -> CallRecord:
    """The record whose event `key` hands out this token.

    Tokens of events that were forgotten are forgotten with them: they open nothing and are never asked for again.
    """
    media = record.media or Media()
    tokens = {known: old for known, old in media.tokens.items() if known in record.processed_event_ids}
    tokens[key] = token
    used = tuple(old for old in media.used if old in tokens.values())
    return replace(record, media=replace(media, tokens=tokens, used=used))


def connect_stream(record: CallRecord, token: str, now: int, inactivity_ms: int) -> CallRecord:
    """The record whose stream is the one with this token, whatever was connected before: a newer one wins."""
    media = record.media or Media()
    used = media.used if token in media.used else (*media.used, token)
    connected = replace(media, used=used, stream=token, connected_at=now)
    deadlines = {kind: due for kind, due in record.deadlines.items() if kind != STREAM_GRACE}
    return replace(record, media=connected, deadlines=deadlines | {MEDIA_INACTIVITY: now + inactivity_ms})


def keep_stream(record: CallRecord, due: int) -> CallRecord:
    """The record whose stream was heard of: the only deadline that moves, and only when it has fired."""
    return replace(record, deadlines=record.deadlines | {MEDIA_INACTIVITY: due})


def lose_stream(record: CallRecord, now: int, grace_ms: int) -> CallRecord:
    """The record whose stream has ended: for a while a newer one may come, then the call is ended."""
    if record.media is None or record.media.stream is None:
        return record
    record = replace(without_deadline(record, MEDIA_INACTIVITY), media=_unplugged(record.media, now))
    return with_deadline(record, STREAM_GRACE, now + grace_ms) if is_live(record) else record


def _unplugged(media: Media | None, at: int) -> Media | None:
    if media is None or media.stream is None:
        return media
    return replace(media, stream=None, disconnected_at=at)


# --- replies ---------------------------------------------------------------------------------------------------------


def reply_is_open(record: CallRecord) -> bool:
    """Whether an answer of the assistant is being thought of or spoken."""
    return record.reply is not None and record.reply.phase in _REPLYING


def break_off_reply(record: CallRecord) -> CallRecord:
    """The record whose open reply, if any, is over: what was not heard of it will not be heard."""
    return replace(record, reply=_broken_off(record.reply))


def _broken_off(reply: Reply | None) -> Reply | None:
    if reply is None or reply.phase not in _REPLYING:
        return reply
    return replace(reply, phase="interrupted")
