"""What is owed in time and in the world: deadlines that hold, side effects that take place once."""

import math
from collections.abc import Hashable, Iterable
from typing import Final, TypeVar

import msgspec

from harness import verdict
from harness.scenario import Phase
from harness.verdict.observed import ObservedCall
from harness.verdict.vocabulary import Violation, violation
from scenarios.voice_call.event_promises import CallCase, incomplete
from scenarios.voice_call.observe import CallsObserved, outside
from scenarios.voice_call.remote import RemoteCall
from scenarios.voice_call.terms import DOWN_S, GREETING, PROMPTLY_S, RETRIES_S, RING_S, UNANSWERED_S

ThingT = TypeVar("ThingT", bound=Hashable)

_RETRY_S: Final = 60.0
"""The longest a manager waits before it tries again what it owes."""


def deadlines_are_armed(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Every live call has a deadline, and each of its deadlines a timer of its own, not later than it.

    Under a disk that fails an end cannot be written when it is due, for as long as that lasts: it is tried again, ever
    more slowly, but within a minute. A deadline that is still to come needs no such patience.
    """
    failing = case.fault_fired and case.phase == Phase.RESTARTED
    tolerance = math.inf if failing else PROMPTLY_S
    staying = tuple(call for call in observed.calls if not _is_being_ended(case, observed, call))
    found = verdict.timer_lost(msgspec.structs.replace(observed, calls=staying), case.now, tolerance=tolerance)
    armed = {(timer.call, timer.kind): timer.due for timer in observed.armed}
    for call in observed.calls:
        if not call.live:
            continue
        for kind, due_ms in observed.records[call.id]["deadlines"].items():
            due, wanted = armed.get((call.id, kind)), due_ms / 1000
            latest = case.now + _RETRY_S if failing and wanted <= case.now else max(wanted, case.now)
            if due is None:
                found.append(violation("timer-lost", f"no {kind} timer is armed for call {call.id}", call.id))
            elif due > latest + PROMPTLY_S:
                found.append(violation("timer-extended", f"the {kind} timer of {call.id} comes too late", call.id))
    return found


def _is_being_ended(case: CallCase, observed: CallsObserved, call: ObservedCall) -> bool:
    """Its end is decided and the hang-up owed, and will soon be tried: such a call needs no further deadline."""
    soon = case.now + _RETRY_S
    return (
        call.deadline is None
        and observed.records[call.id]["ending"] is not None
        and any(one.call == call.id for one in observed.owed)
        and any(one.call == call.id and one.due <= soon for one in observed.armed)
    )


def deadlines_do_not_move(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """The cap of a call counts from the first report of its answer, whatever happened since."""
    found: list[Violation] = []
    cap_s = case.world.outer.cap_s
    if case.previous is not None:
        found += verdict.timer_extended(case.previous, observed)
    acknowledged = case.ledger.acknowledged
    answered = {
        event.call: event.at
        for event in reversed(case.world.outer.happenings.values())
        if event.kind == "call.answered" and event.id in acknowledged and event.owed
    }
    for call in observed.calls:
        start = answered.get(call.remote_id or "")
        if not call.live or call.deadline is None:
            continue
        if start is not None and call.deadline > start + cap_s + PROMPTLY_S:
            later = call.deadline - start - cap_s
            found.append(violation("timer-extended", f"the deadline of {call.id} moved {later:g} s later", call.id))
        remote = case.world.outer.calls.get(call.remote_id or "")
        if remote is not None and call.deadline < remote.started_at + UNANSWERED_S - PROMPTLY_S:
            found.append(violation("timer-extended", f"the deadline of {call.id} comes before its time", call.id))
    return found


def ringing_has_an_end(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A call that nobody has answered ends by the deadline for that, which counts from its beginning, where that is known."""
    found: list[Violation] = []
    lacking = incomplete(case, observed)
    for call in observed.calls:
        record = observed.records[call.id]
        if (
            call.id in lacking
            or not call.live
            or record["state"] not in ("initiated", "ringing")
            or _is_being_ended(case, observed, call)
        ):
            continue
        latest = record["startedAt"] / 1000 + UNANSWERED_S + PROMPTLY_S
        if call.deadline is None or call.deadline > latest:
            found.append(violation("timer-lost", f"call {call.id} may ring longer than {UNANSWERED_S:g} s", call.id))
    return found


def our_calls_ring_out(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Whom we call and who does not answer is not rung for longer than the ring time, where disk and provider work.

    Who was heard has answered, also where nobody reported it: then the cap counts from the first word.
    """
    if case.fault_fired or case.world.outer.failed_commands:
        return []
    heard = {one.call for one in case.world.outer.happenings.values() if one.kind == "call.speech" and one.attempts}
    found: list[Violation] = []
    for call in observed.calls:
        remote = case.world.outer.calls.get(call.remote_id or "")
        if remote is None or remote.direction != "outbound" or remote.answered_at is not None or remote.id in heard:
            continue
        ended = remote.given_up_at if remote.given_up_at is not None else remote.ended_at
        rang_s = (observed.at if ended is None else ended) - remote.started_at - case.world.outer.away_s
        if rang_s > RING_S + 2 * (DOWN_S + PROMPTLY_S):
            found.append(violation("timer-extended", f"call {call.id} rang for {rang_s:.0f} s, unanswered", call.id))
    return found


def calls_end_in_time(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A person who stays on the line is hung up when the cap is reached, neither much later nor earlier.

    Who starts on a machine whose clock is wrong cannot tell how much of the time is over; and for one whose clock has
    gone ahead more of it is over.
    """
    cap_s, off_s = case.world.outer.cap_s, case.world.outer.clock_off_s
    if off_s and case.phase != Phase.CLEAN:
        return []
    found: list[Violation] = []
    for call in observed.calls:
        remote = case.world.outer.calls.get(call.remote_id or "")
        if remote is None or remote.given_up_at is None or remote.answered_at is None:
            continue
        # It may count from the beginning of the record, should that be later than an answer that was overtaken; and
        # from the first word, should that be earlier: who speaks is there. What it was not told of it cannot end.
        latest = max(remote.answered_at, observed.records[call.id]["startedAt"] / 1000) + cap_s
        latest = max(latest, _heard_of(case, remote))
        earliest = min([remote.answered_at, *_words(case, remote)]) + cap_s - max(0.0, off_s)
        if _known_answered(case, remote) and remote.given_up_at > latest + DOWN_S + RETRIES_S:
            late = remote.given_up_at - latest
            found.append(violation("timer-extended", f"call {call.id} was ended {late:g} s after its cap", call.id))
        if call.outcome == "timeout" and _known_answered(case, remote) and remote.given_up_at < earliest - PROMPTLY_S:
            early = earliest - remote.given_up_at
            found.append(violation("wrong-terminal", f"call {call.id} timed out {early:g} s before its cap", call.id))
    return found


def _heard_of(case: CallCase, remote: RemoteCall) -> float:
    """When the manager first said that it knows of a call."""
    happenings = case.world.outer.happenings.values()
    told = [
        event.acknowledged_at for event in happenings if event.call == remote.id and event.acknowledged_at is not None
    ]
    return min(told, default=0.0)


def _words(case: CallCase, remote: RemoteCall) -> list[float]:
    """When something was said in a call."""
    happenings = case.world.outer.happenings.values()
    return [event.at for event in happenings if event.kind == "call.speech" and event.call == remote.id]


def _known_answered(case: CallCase, remote: RemoteCall) -> bool:
    return any(
        event.kind == "call.answered" and event.owed and event.call == remote.id
        for event in case.world.outer.happenings.values()
    )


def notifications_hang_up(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Once the message was played, a notification is hung up soon, a restart in between or not."""
    deaths = DOWN_S + PROMPTLY_S
    found: list[Violation] = []
    for call in observed.calls:
        record = observed.records[call.id]
        remote = case.world.outer.calls.get(call.remote_id or "")
        if record["metadata"].get("mode") != "notify" or record["greeting"] != "done" or remote is None:
            continue
        heard = min((one.at for one in remote.played), default=None)
        ended = remote.given_up_at or remote.ended_at
        if heard is not None and ended is not None and ended > heard + 3.0 + RETRIES_S + 2 * deaths:
            found.append(violation("timer-lost", f"call {call.id} went on after its message was played", call.id))
    return found


def nothing_is_left_over(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """After settling: no timer for a call that ended, no obligation that nobody discharges (but at another provider)."""
    if case.world.outer.elsewhere:
        return []
    live = {call.id for call in observed.calls if call.live}
    found = [
        violation("timer-lost", f"a {timer.kind} timer is armed for call {timer.call}, which has ended", timer.call)
        for timer in observed.armed
        if timer.call not in live
    ]
    return found + [
        violation("side-effect-lost", f"{owed.kind} of call {owed.call} is still owed", owed.call)
        for owed in observed.owed
    ]


def effects_happen_once(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """No key twice; no text played twice into a call; nobody dialled more often than somebody asked for it."""
    outer = case.world.outer
    found = verdict.side_effect_repeated(outside(case.world))
    played = _count((one.call, one.payload) for one in outer.effects if one.kind == "play")
    found += [
        violation("side-effect-repeated", f"{text!r} was played {times} times into {call}", call)
        for (call, text), times in played.items()
        if times > 1
    ]
    asked = _count(one.to for one in outer.requests.values() if one.kind == "initiate")
    dialled = _count(one.payload for one in outer.effects if one.kind == "dial")
    found += [
        violation("side-effect-repeated", f"{to} was dialled {times} times, asked for {asked.get(to, 0)} times", to)
        for to, times in dialled.items()
        if times > asked.get(to, 0)
    ]
    return found


def _count(things: Iterable[ThingT]) -> dict[ThingT, int]:
    """As `Counter`, which costs more than the few things there are."""
    times: dict[ThingT, int] = {}
    for thing in things:
        times[thing] = times.get(thing, 0) + 1
    return times


def effects_happen(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """What the manager says it has played was played, and a call that goes on gets its first message."""
    outer = case.world.outer
    played = {(one.call, one.payload) for one in outer.effects if one.kind == "play"}
    found: list[Violation] = []
    for call in observed.calls:
        record = observed.records[call.id]
        remote = outer.calls.get(call.remote_id or "")
        message = record["metadata"].get("initialMessage")
        if remote is None:
            continue
        if record["greeting"] == "done" and (remote.id, message) not in played:
            found.append(violation("side-effect-lost", f"the greeting of call {call.id} was never played", call.id))
        elif record["greeting"] in ("queued", "skipped") and _stayed(case, remote) and not case.fault_fired:
            found.append(violation("side-effect-lost", f"call {call.id} went on without its greeting", call.id))
    calls = {call.id: call.remote_id for call in observed.calls}
    for request in outer.requests.values():
        if request.kind in ("speak", "continue") and request.outcome == "done":
            remote_id = calls.get(request.call or "")
            if remote_id is not None and (remote_id, request.text) not in played:
                found.append(
                    violation("side-effect-lost", f"api:{request.name} was done and never heard", request.name)
                )
    return found


def greetings_are_written_down(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """What the manager says it has greeted with is a line of the call."""
    return [
        violation("lost", f"the greeting of call {name} is not in its transcript", name)
        for name, record in observed.records.items()
        if record["greeting"] == "done"
        and ("bot", record["metadata"].get("initialMessage"))
        not in {(line["speaker"], line["text"]) for line in record["transcript"]}
    ]


def _stayed(case: CallCase, remote: RemoteCall) -> bool:
    """The person was there until the cap, and the manager knew: long enough for every timer it has."""
    if remote.answered_at is None or remote.ended_at is None:
        return False
    return remote.ended_at - max(remote.answered_at, _heard_of(case, remote)) > case.world.outer.cap_s - PROMPTLY_S


def greetings_are_heard(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Without a death or a failure every answered call gets its first message."""
    outer = case.world.outer
    if case.fault_fired or outer.failed_commands:
        return []
    played = {(one.call, one.payload) for one in outer.effects if one.kind == "play"}
    found: list[Violation] = []
    for remote in outer.calls.values():
        if remote.answered_at is None or remote.ended_at is None or remote.ended_at - remote.answered_at < PROMPTLY_S:
            continue
        record = next((one for one in observed.records.values() if one["providerCallId"] == remote.id), None)
        message = None if record is None else record["metadata"].get("initialMessage")
        asked = outer.requests.get(remote.key or "")
        wanted = asked.text if asked is not None else (GREETING if message == GREETING else message)
        if wanted and (remote.id, wanted) not in played:
            found.append(violation("side-effect-lost", f"{remote.id} was never greeted", remote.id))
    return found
