"""What a record asks the timers for: pure, so that a restart asks for the same."""

import msgspec

from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.lifecycle import (
    MAX_DURATION,
    MEDIA_INACTIVITY,
    NOTIFY_HANG_UP,
    RING,
    STREAM_GRACE,
    TRANSCRIPT,
    UNANSWERED,
    is_live,
    owed,
    reply_is_open,
)
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.states import is_conversational

OBLIGATION = "obligation"
GREETING = "greeting"
POLL = "poll"
REPLY = "reply"


class Duty(msgspec.Struct, frozen=True):
    """Something due.

    `due` is absolute for a deadline (`fixed`); else it counts from when it is first asked for.
    """

    due: int
    fixed: bool


def budget(config: Config, kind: str) -> int:
    """The longest a deadline of this kind may lie ahead, whatever the clock says."""
    return {
        RING: config.ring_timeout_ms,
        UNANSWERED: config.unanswered_ms,
        MAX_DURATION: config.max_duration_ms,
        NOTIFY_HANG_UP: config.notify_hang_up_delay_ms,
        TRANSCRIPT: config.transcript_wait_ms,
        STREAM_GRACE: config.stream_grace_ms,
        MEDIA_INACTIVITY: config.media_inactivity_ms,
    }.get(kind, config.max_duration_ms)


def duties(record: CallRecord, config: Config, now: int, *, dialing: bool) -> dict[str, Duty]:
    """The timers this record needs. A dial in flight is not reconciled: its own continuation will tell."""
    wanted: dict[str, Duty] = {}
    obligation = owed(record)
    if obligation is not None and not (obligation == "reconcile-dial" and dialing):
        wanted[OBLIGATION] = Duty(now, False)
    if not is_live(record):
        return wanted
    for kind, due in record.deadlines.items():
        wanted[kind] = Duty(min(due, now + budget(config, kind)), True)
    if record.provider_call_id is None or record.ending is not None:
        return wanted
    if record.greeting == "started" or (record.greeting == "queued" and is_conversational(record.state)):
        wanted[GREETING] = Duty(now, False)
    if reply_is_open(record):
        wanted[REPLY] = Duty(now, False)
    wanted[POLL] = Duty(now + config.poll_interval_ms, False)
    return wanted
