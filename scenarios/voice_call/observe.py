"""The manager's public view in the judge's words; a pure translation that changes nothing.

Effects are looked for by their content (a line of transcript, the time of the answer, an end), not by the ids that
the manager claims to have processed: an id that is remembered without its effect is just the bug to be found. Only
key presses leave nothing but their id.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from harness import verdict
from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.remote import Happening, Request
from scenarios.voice_call.session_memory import decode_memory
from scenarios.voice_call.view_shape import check_shape

_ENDING_DEADLINES: Final = ("max-duration", "unanswered")


class CallsObserved(verdict.Observed, frozen=True):
    """What the judge sees, and what only this scenario's contract asks for.

    `records`: the manager's records by internal id, tombstones and rejected callers included. `history`: internal ids
    as the history lists them; `status`: what the manager answers when asked for one call by either of its ids.
    `at`: when it was seen. `unreadable`: why nothing could be seen. `owed_since`: hang-ups. `sessions`: by their
    keys. A call that was renamed is shown under its first id everywhere; the manager was asked for it by all of
    them. `named`: the provider's ids by which the manager knows the calls that live.
    """

    records: Mapping[str, Mapping[str, Any]] = {}
    history: tuple[str, ...] = ()
    status: Mapping[str | None, tuple[str, str] | None] = {}
    poisoned: bool = False
    quarantined: tuple[str, ...] = ()
    at: float = 0.0
    unreadable: str = ""
    owed_since: Mapping[str, int] = {}
    sessions: Mapping[str, Mapping[str, Any]] = {}
    named: tuple[str | None, ...] = ()


class _Shown(msgspec.Struct, frozen=True):
    """What the manager shows when it is asked for everything, for its history, and for each call by name."""

    view: dict[str, Any]
    history: list[dict[str, Any]]
    status: dict[Any, dict[str, Any] | None]


def observe(provider: Provider, manager: CallManager, *, now: float) -> CallsObserved:
    """What can be seen of the manager. One whose readers get an error, or something of another shape, is not there."""
    try:
        shown_now = _read(provider, manager)
    except Exception as error:
        return CallsObserved(available=False, unreadable=f"{type(error).__name__}: {error}", at=now)
    view = shown_now.view
    calls = _by_first_name(provider, view["calls"])
    known = [*calls, *_by_first_name(provider, view["rejected"]), *_by_first_name(provider, view["tombstones"])]
    sessions = view.get("sessions", {})
    by_remote = _by_remote(known)
    shown = {one["callId"] for one in calls}
    applied = {
        event.id: _found(event, by_remote.get(event.call, ()), shown) for event in provider.outer.happenings.values()
    }
    _share_equal_lines(provider, by_remote, applied)
    for request in provider.outer.requests.values():
        applied[f"api:{request.name}"] = _found_request(request, calls, sessions)
    return CallsObserved(
        available=bool(view["ready"]),
        calls=tuple(_call(one) for one in calls),
        applied=applied,
        capacity_used=int(view["capacity"]["used"]),
        capacity_limit=int(view["capacity"]["limit"]),
        armed=tuple(verdict.Armed(one["callId"], one["kind"], one["due"] / 1000) for one in view["timers"]),
        owed=tuple(verdict.Owed(one["callId"], one["kind"], one["callId"]) for one in view["obligations"]),
        records={one["callId"]: one for one in known},
        history=tuple(one["callId"] for one in shown_now.history),
        status={name: _told(answer) for name, answer in shown_now.status.items()},
        owed_since={one["callId"]: one["since"] for one in view["obligations"] if one["kind"] == "hang-up"},
        poisoned=view["poisoned"] is not None,
        quarantined=tuple(view["quarantined"]),
        at=now,
        sessions=sessions,
        named=tuple(one["providerCallId"] for one in view["calls"] if one["live"]),
    )


def _read(provider: Provider, manager: CallManager) -> _Shown:
    """Raises what the manager raises, and msgspec.ValidationError."""
    view = manager.view()
    check_shape(view)
    calls = _by_first_name(provider, view["calls"])
    known = len(calls) + len(view["rejected"]) + len(view["tombstones"])
    return _Shown(view, manager.history(known), {name: manager.status(name) for name in _names(provider, calls)})


def outside(provider: Provider) -> verdict.Outside:
    """The provider's side, in the judge's words."""
    return verdict.Outside(
        remote_calls=tuple(
            verdict.RemoteCall(
                id=one.id,
                alive=one.alive,
                outcome=one.reason,
                key=one.key,
                direction=one.direction,
                ended_at=one.ended_at,
                connected_at=one.answered_at,
            )
            for one in provider.outer.calls.values()
        ),
        effects=tuple(
            verdict.Effect(one.key, one.kind, one.call, one.payload, one.at) for one in provider.outer.effects
        ),
    )


def _call(one: Mapping[str, Any]) -> verdict.ObservedCall:
    deadlines = [due for kind, due in one["deadlines"].items() if kind in _ENDING_DEADLINES]
    return verdict.ObservedCall(
        id=one["callId"],
        remote_id=one["providerCallId"],
        live=one["live"],
        outcome=one["endReason"],
        entries=tuple(line["text"] for line in one["transcript"]),
        events=tuple(one["processedEventIds"]),
        deadline=min(deadlines) / 1000 if deadlines else None,
        connected_at=None if one["answeredAt"] is None else one["answeredAt"] / 1000,
    )


def _by_first_name(provider: Provider, records: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    renamed = provider.outer.renamed
    if not renamed:
        return records
    return [_under_its_first_name(one, renamed) for one in records]


def _under_its_first_name(one: Mapping[str, Any], renamed: Mapping[str, str]) -> Mapping[str, Any]:
    name = renamed.get(one["providerCallId"], one["providerCallId"])
    if not any(alias in renamed or alias == name for alias in (one["providerCallId"], *one["aliases"])):
        return one
    own = one["providerCallId"]
    others = [
        renamed.get(alias, alias) for alias in one["aliases"] if alias == own or renamed.get(alias, alias) != name
    ]
    return {**one, "providerCallId": name, "aliases": others}


def _names(provider: Provider, calls: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    for one in calls:
        yield one["callId"]
        yield one["providerCallId"]
    yield from provider.outer.renamed


def _told(answer: Mapping[str, Any] | None) -> tuple[str, str] | None:
    return None if answer is None else (answer["callId"], answer["state"])


def _by_remote(known: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in known:
        for remote in {one["providerCallId"]: None, **dict.fromkeys(one["aliases"])}:
            if remote is not None:
                found.setdefault(remote, []).append(one)
    return found


def _found(event: Happening, records: Sequence[Mapping[str, Any]], shown: Container[str]) -> int:
    """How many times the effect of `event` is there."""
    return sum(_found_in(event, record, record["callId"] in shown) for record in records)


def _found_in(event: Happening, record: Mapping[str, Any], is_call: bool) -> int:
    if not is_call:
        return int(event.id in record["processedEventIds"])  # a rejected caller, a tombstone: remembered, no more
    if event.kind == "call.answered":
        # That it is the first answer's time, the contract asks; what reaches a call that is over may be absorbed.
        return int(record["answeredAt"] is not None or came_after_the_end(event, record))
    if event.is_speech:
        return _lines(record, "user", event.body["transcript"])
    if event.kind == "call.ended":
        return int(record["endReason"] is not None)
    if event.is_fatal:
        return int((record["endReason"] or record["ending"]) == "error")  # it may be over only when the line is
    if event.kind in ("call.dtmf", "call.speech"):
        return int(record["processedEventIds"].count(event.id))
    return 1


def came_after_the_end(event: Happening, record: Mapping[str, Any]) -> bool:
    """Whether the manager had ended the call by itself before it took the event (to the millisecond of its records)."""
    ended_ms = record["endedAt"]
    return ended_ms is not None and event.acknowledged_at is not None and ended_ms + 1 <= event.acknowledged_at * 1000


def _lines(record: Mapping[str, Any], speaker: str, text: str) -> int:
    return sum(line["speaker"] == speaker and line["text"] == text for line in record["transcript"])


def _share_equal_lines(
    provider: Provider, by_remote: Mapping[str, Sequence[Mapping[str, Any]]], applied: dict[str, int]
) -> None:
    """Who says the same thing n times is found n times: equal lines are shared out, acknowledged events first."""
    alike: dict[tuple[str, str], list[Happening]] = {}
    for event in provider.outer.happenings.values():
        if event.is_speech:
            alike.setdefault((event.call, event.body["transcript"]), []).append(event)
    for events in alike.values():
        if len(events) > 1:
            left = applied[events[0].id]
            order = sorted(events, key=lambda event: not event.owed)
            for event in order[:-1]:
                applied[event.id] = min(1, left)
                left -= applied[event.id]
            applied[order[-1].id] = left


def _found_request(
    request: Request, calls: Sequence[Mapping[str, Any]], sessions: Mapping[str, Mapping[str, Any]]
) -> int:
    if request.kind == "reset":
        session = sessions.get(request.text or "")
        return int(session is not None and session["sessionId"] != decode_memory(request.answer).session_id)
    if request.kind == "initiate":
        return sum(one["clientKey"] == request.key and one["dial"] != "refused" for one in calls)
    mine = [one for one in calls if one["callId"] == request.call]
    if request.kind == "end":
        return sum(one["endReason"] is not None or one["ending"] is not None for one in mine)
    return sum(_lines(one, "bot", request.text or "") for one in mine)
