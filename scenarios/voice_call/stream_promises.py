"""What is owed for media streams: a call that can be heard goes on, one that cannot ends soon; answers come, once.

What was said over a stream is an event like others (`event_promises`); that a stranger opens nothing stands there too.
A stream counts from when its start frame was not turned away (`Stream.opened_at`) until somebody closed it; one that
is silent until its silence must have been noticed. Not judged: where disk or provider fail, how late an end may come.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from harness.scenario import Phase
from harness.verdict.vocabulary import Violation, violation
from scenarios.voice_call.assistant import answer_to
from scenarios.voice_call.event_promises import CallCase
from scenarios.voice_call.observe import CallsObserved, came_after_the_end
from scenarios.voice_call.remote import Happening, RemoteCall
from scenarios.voice_call.remote_media import Asked, Media, Stream
from scenarios.voice_call.terms import (
    DOWN_S,
    MEDIA_INACTIVITY_S,
    PROMPTLY_S,
    STREAM_GRACE_S,
    TRANSCRIPT_WAIT_S,
)

_SLACK_S: Final = 2 * (DOWN_S + PROMPTLY_S)
"""Two deaths between the end of a stream and that of its call."""
_BARELY_S: Final = 0.1
_TOLD: Final = frozenset({"done", "failed", "timed-out", "interrupted"})
_COME_AGAIN: Final = (1012, 1013)
_OPEN: Final = frozenset({"thinking", "speaking"})


def unheard_calls_end(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A call whose stream has ended, broken or fallen silent is heard again or hung up, and not left."""
    media = case.world.outer.media
    if media is None or case.fault_fired or case.world.outer.failed_commands:
        return []
    found: list[Violation] = []
    for remote in case.world.outer.calls.values():
        until = min((at for at in (remote.given_up_at, remote.ended_at) if at is not None), default=case.now)
        for stream, since, heard_again in _silences(media.of(remote.id), until):
            if heard_again - since > STREAM_GRACE_S + _SLACK_S:
                late = heard_again - since
                text = (
                    f"call {remote.id} was left for {late:.1f} s after stream {stream.id} could not be heard any more"
                )
                found.append(violation("stale-active", text, remote.id))
    return found


def _silences(streams: list[Stream], until: float) -> Iterator[tuple[Stream, float, float]]:
    """Times in which none of the streams was there: after which one, from when, to when."""
    last: Stream | None = None
    heard_until = 0.0
    for stream in sorted((one for one in streams if one.opened_at is not None), key=lambda one: one.opened_at or 0.0):
        opened_at = stream.opened_at or 0.0
        if last is not None and opened_at > heard_until:
            yield last, heard_until, min(opened_at, until)
        if (end := _noticed_end(stream, until)) >= heard_until:
            last, heard_until = stream, end
    if last is not None and heard_until < until:
        yield last, heard_until, until


def _noticed_end(stream: Stream, until: float) -> float:
    """When the manager knows at the latest that nobody is heard over this stream."""
    ends = [until if stream.closed_at is None else stream.closed_at]
    if stream.silent_since is not None:
        ends.append(stream.silent_since + MEDIA_INACTIVITY_S)
    return min(ends)


def heard_calls_go_on(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A call is not hung up for want of a stream while it has one, nor before its grace is over."""
    outer = case.world.outer
    if outer.media is None:
        return []
    found: list[Violation] = []
    for call in observed.calls:
        remote = outer.calls.get(call.remote_id or "")
        if remote is None or remote.given_up_at is None or call.outcome != "hangup-bot":
            continue
        if _asked_for(case, observed, call.id) or remote.given_up_at >= remote.started_at + outer.cap_s - PROMPTLY_S:
            continue
        living = next(
            (one for one in outer.media.of(remote.id) if _is_heard(outer.media, one, remote.given_up_at)), None
        )
        if living is not None:
            text = f"call {call.id} was hung up while its stream {living.id} was there"
            found.append(violation("wrong-terminal", text, call.id))
    return found


def _asked_for(case: CallCase, observed: CallsObserved, call: str) -> bool:
    asked = any(one.kind == "end" and one.call == call for one in case.world.outer.requests.values())
    return asked or observed.records[call]["metadata"].get("mode") == "notify"


def _is_heard(media: Media, stream: Stream, at: float) -> bool:
    """Whether the manager must know this stream as one that is there, or that went so lately that it has to wait."""
    if stream.opened_at is None or stream.opened_at >= at:
        return False
    ended_at = _true_end(media, stream)
    if ended_at is not None and ended_at < at - STREAM_GRACE_S + _BARELY_S:
        return False
    return (stream.last_frame_at or 0.0) > at - MEDIA_INACTIVITY_S - STREAM_GRACE_S + _BARELY_S


def _true_end(media: Media, stream: Stream) -> float | None:
    """When a stream ended for a reason: one that the manager closed by itself, for none, could have been there still."""
    if stream.closed_at is None or stream.by != "subject" or stream.code in _COME_AGAIN:
        return stream.closed_at
    newer = [one.started_at for one in media.of(stream.call) if one.started_at is not None]
    replaced = any(started_at <= stream.closed_at for started_at in newer if started_at > (stream.started_at or 0.0))
    return stream.closed_at if replaced else None


def may_be_unheard(media: Media | None, remote: RemoteCall) -> bool:
    """Whether the manager may have hung up because nobody was heard: `heard_calls_go_on` says whether it had to wait."""
    return media is not None and any(stream.started_at is not None for stream in media.of(remote.id))


def grants_are_good(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Who was given leave to open a stream to a call that goes on is not sent away."""
    outer = case.world.outer
    if outer.media is None or case.fault_fired:
        return []
    found: list[Violation] = []
    for stream in outer.media.streams.values():
        remote = outer.calls[stream.call]
        turned_away = stream.opened_at is None and stream.by == "subject" and stream.code not in _COME_AGAIN
        over = min((at for at in (remote.given_up_at, remote.ended_at) if at is not None), default=case.now + 1.0)
        if turned_away and stream.closed_at is not None and stream.closed_at < over:
            found.append(violation("unavailable", f"stream {stream.id} was granted and sent away", stream.call))
    return found


def streams_are_granted_as_asked(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Who asks for a stream to a call that goes on is granted one, and nobody else is."""
    outer = case.world.outer
    wanting = [event for event in outer.happenings.values() if event.body.get("wantsStream")]
    calls = {call.remote_id: observed.records[call.id] for call in observed.calls}
    found = [
        violation("unavailable", f"{event.id} asked for a stream, and was granted none", event.id)
        for event in wanting
        if event.owed
        and (record := calls.get(event.call)) is not None
        and not came_after_the_end(event, record)
        and not any(b'"token"' in body for request, body in outer.answers.items() if event.id in request.split())
    ]
    for name, record in observed.records.items():
        granted = 0 if record["media"] is None else record["media"]["granted"]
        asked = sum(event.call == record["providerCallId"] and event.attempts > 0 for event in wanting)
        if granted > asked:
            found.append(
                violation("check-failed", f"call {name} was granted {granted} streams, of {asked} asked for", name)
            )
    return found


def connected_means_heard(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A call is shown with a stream while the provider has one, or one that broke without a word."""
    media = case.world.outer.media
    if media is None or case.fault_fired:
        return []
    found: list[Violation] = []
    for call in observed.calls:
        shown = observed.records[call.id]["media"]
        if shown is None or not shown["connected"]:
            continue
        streams = media.of(call.remote_id or "")
        if not any(
            one.started_at is not None and (one.closed_at is None or one.closed_at > case.now - PROMPTLY_S)
            for one in streams
        ):
            found.append(violation("stale-active", f"call {call.id} is shown with a stream, and has none", call.id))
    return found


def same_request_same_answer(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Whoever sends the same events again gets the answer of the first time, a restart in between or not."""
    return [
        violation("diverged", f"the request with {request} got another answer when it was repeated", request)
        for request in case.world.outer.answered_otherwise
    ]


def both_names_find_the_call(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Once a call was renamed, and that was acknowledged, it is found by both ids, and goes by the new one."""
    happenings = case.world.outer.happenings.values()
    found: list[Violation] = []
    for new, old in case.world.outer.renamed.items():
        told = any(event.owed and event.body["providerCallId"] == new for event in happenings)
        if told and observed.status.get(new) != observed.status.get(old):
            found.append(violation("lost", f"call {old} is called {new} now, and is not found by both", old))
        elif told and old in observed.named:
            found.append(violation("lost", f"call {old} is called {new} now, and goes by its old id", old))
    return found


def replies_are_accounted_for(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """The answer to the last thing heard in a call was spoken, or the record says what became of it."""
    media = case.world.outer.media
    if media is None:
        return []
    last = _last_heard(case)
    found: list[Violation] = []
    for call in observed.calls:
        record = observed.records[call.id]
        reply = record["reply"]
        if reply is not None and reply["phase"] in _OPEN:
            found.append(violation("stale-active", f"call {call.id} still has a reply {reply['phase']}", call.id))
        event = last.get(call.remote_id or "")
        if event is None or not _wants_replies(record) or _was_asked(case, record, event) or _was_over(case, event):
            continue
        if reply is None or (reply["phase"] in _TOLD and not _is_for(reply, event, case)):
            found.append(
                violation("side-effect-lost", f"{event.id} was heard, and nobody thought of an answer", event.id)
            )
        elif reply["phase"] == "interrupted" and not _was_passed_on(case, media, event):
            found.append(
                violation("side-effect-lost", f"{event.id} was heard, and the assistant was never asked", event.id)
            )
    return found


def _was_passed_on(case: CallCase, media: Media, event: Happening) -> bool:
    """Whether the assistant was asked, or there was hardly time to, with two deaths in between."""
    outer = case.world.outer
    remote = outer.calls[event.call]
    if case.fault_fired or outer.failed_commands or event.acknowledged_at is None:
        return True
    over = min((at for at in (remote.given_up_at, remote.ended_at) if at is not None), default=case.now)
    enough_s = PROMPTLY_S if case.phase == Phase.CLEAN else PROMPTLY_S + _SLACK_S
    asked = {(outer.renamed.get(one.call, one.call), one.text) for one in media.asked}
    return (event.call, event.body["transcript"]) in asked or over < event.acknowledged_at + enough_s


def _last_heard(case: CallCase) -> dict[str, Happening]:
    """The transcript acknowledged last in each call, where its effect is owed."""
    last: dict[str, Happening] = {}
    happenings = case.world.outer.happenings
    for name in case.ledger.acknowledged:
        event = happenings.get(name)
        if event is not None and event.by_stream:
            last[event.call] = event
    return {call: event for call, event in last.items() if event.owed}


def _was_asked(case: CallCase, record: Mapping[str, Any], event: Happening) -> bool:
    """Whether a question of ours may have been open when this was heard: then that is what it answers."""
    turn = record["turn"]
    if "turnToken" in event.body or turn is None:
        return "turnToken" in event.body
    since_s = (event.acknowledged_at or 0.0) - turn["askedAt"] / 1000
    return since_s >= -_BARELY_S and (case.fault_fired or since_s < TRANSCRIPT_WAIT_S + _SLACK_S)


def _was_over(case: CallCase, event: Happening) -> bool:
    """Whether the manager may have known, when it heard this, that the call was about to end."""
    remote = case.world.outer.calls[event.call]
    over = min((at for at in (remote.given_up_at, remote.ended_at) if at is not None), default=None)
    return over is not None and over <= (event.acknowledged_at or 0.0) + _BARELY_S


def _wants_replies(record: Mapping[str, Any]) -> bool:
    return bool(record["direction"] == "inbound" or record["metadata"].get("mode") == "conversation")


def _is_for(reply: Mapping[str, Any], event: Happening, case: CallCase) -> bool:
    """Whether this is the reply to what was heard last: what is repeated may have been heard before, unacknowledged."""
    heard = case.world.outer.happenings.get(str(reply["key"]).rpartition(":")[2])
    if heard is None or heard.call != event.call:
        return False
    return heard is event or not heard.acknowledged or event.attempts > 1


def replies_are_true(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """What the manager says it has answered was played, and is a line of the call, once."""
    if case.world.outer.media is None:
        return []
    played = {(one.call, one.payload) for one in case.world.outer.effects if one.kind == "play"}
    silent = {(one.call, one.text) for one in case.world.outer.media.asked if one.outcome == "nothing"}
    found: list[Violation] = []
    for call in observed.calls:
        record = observed.records[call.id]
        reply = record["reply"]
        if reply is None or reply["phase"] != "done" or (call.remote_id, reply["heard"]) in silent:
            continue
        text = answer_to(reply["heard"])
        lines = sum(line["speaker"] == "bot" and line["text"] == text for line in record["transcript"])
        if (call.remote_id, text) not in played:
            found.append(violation("side-effect-lost", f"call {call.id}: {text!r} was never spoken", call.id))
        if lines == 0:
            found.append(violation("lost", f"call {call.id}: {text!r} was spoken and is no line of it", call.id))
    return found


def replies_are_heard(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Without a death or a failure, what the assistant answered is spoken, unless something newer was said meanwhile."""
    outer = case.world.outer
    if outer.media is None or case.fault_fired or outer.failed_commands or case.phase != Phase.CLEAN:
        return []
    played = {(one.call, one.payload) for one in outer.effects if one.kind == "play"}
    found: list[Violation] = []
    for asked in outer.media.asked:
        if asked.outcome == "answered" and (asked.call, answer_to(asked.text)) not in played and _stands(case, asked):
            found.append(violation("side-effect-lost", f"{answer_to(asked.text)!r} was never spoken", asked.call))
    return found


def _stands(case: CallCase, asked: Asked) -> bool:
    """Whether the answer was still wanted when it came."""
    outer = case.world.outer
    until = (asked.until or asked.at) + _BARELY_S
    remote = outer.calls[outer.renamed.get(asked.call, asked.call)]
    over = min((at for at in (remote.given_up_at, remote.ended_at) if at is not None), default=until + 1.0)
    newer = any(
        event.by_stream and event.call == remote.id and asked.at < (event.acknowledged_at or 0.0) <= until
        for event in outer.happenings.values()
    )
    return over > until and not newer
