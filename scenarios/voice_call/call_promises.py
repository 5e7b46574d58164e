"""What is owed for calls: one record each, ended when they ended and as they ended, owned while they live."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from harness import verdict
from harness.scenario import Phase
from harness.verdict.vocabulary import Violation, violation
from scenarios.voice_call.event_promises import CallCase, acknowledged_ends
from scenarios.voice_call.observe import CallsObserved, outside
from scenarios.voice_call.remote import RemoteCall
from scenarios.voice_call.stream_promises import may_be_unheard
from scenarios.voice_call.terms import DOWN_S, POLL_S, PROMPTLY_S, RING_S, UNANSWERED_S

_RESTART_MARKS: Final = frozenset({"died", "restarted", "attempted", "refused"})


def no_ghosts(case: CallCase, observed: CallsObserved) -> list[Violation]:
    world = case.world
    found = verdict.ghost_call(observed, outside(world))
    keys = {request.key for request in world.outer.requests.values()}
    for name, record in observed.records.items():
        if record["clientKey"] is not None and record["clientKey"] not in keys:
            found.append(violation("ghost-call", f"call {name} was asked for by nobody", name))
    by_remote: dict[str, list[str]] = {}
    for name, record in observed.records.items():
        if record["providerCallId"] is not None:
            by_remote.setdefault(record["providerCallId"], []).append(name)
    shown = {call.id for call in observed.calls}
    for remote, names in by_remote.items():
        hidden = [name for name in names if name not in shown]
        if len(names) > 1 and hidden:
            found.append(violation("ghost-call", f"remote call {remote} has several records: {names}", remote))
        if remote not in world.outer.calls and hidden:
            found.append(violation("ghost-call", f"remote call {remote} is on record and never was", remote))
    return found


def rejected_callers_stay_out(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A caller whom the policy rejects never becomes a call."""
    strangers = {one.id for one in case.world.outer.calls.values() if one.from_.endswith("9999999")}
    return [
        violation("ghost-call", f"call {call.id} of a rejected caller is on record", call.id)
        for call in observed.calls
        if call.remote_id in strangers
    ]


def acknowledged_ends_hold(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Where the medium took the end of a call, the manager may not know it; it has to say so."""
    found = verdict.stale_active(observed, outside(case.world), acknowledged_ends(case.at_death, case.world))
    if case.world.outer.damaged:
        return [told for told in found if told.subject not in observed.quarantined]
    return found


def ends_are_known(case: CallCase, observed: CallsObserved) -> list[Violation]:
    return verdict.stale_active(observed, outside(case.world))


def restart_asks_the_provider(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Before it listens, a restarted manager has asked what became of its calls; where it got answers, it knows."""
    if case.world.outer.failed_commands or case.fault_fired:
        return []
    found = verdict.stale_active(observed, outside(case.world))
    found += [
        violation("stale-active", f"nobody has asked what became of the dial of call {name}", name)
        for name, record in observed.records.items()
        if record["live"] and record["providerCallId"] is None
    ]
    return found if found and just_restarted(case) else []


def just_restarted(case: CallCase) -> bool:
    """Nothing has happened since the death but the restart itself, and deliveries that came too early for it."""
    return all(mark.kind in _RESTART_MARKS for mark in case.ledger.marks[len(case.at_death) :])


def no_question_stays_open(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Whoever asked before a restart is gone: the question is closed, once, as interrupted."""
    found = [
        violation("stale-active", f"call {name} waits for an answer that nobody awaits", name)
        for name, record in observed.records.items()
        if record["turn"] is not None and record["turn"]["phase"] in ("asking", "listening")
    ]
    return found if found and (case.phase != Phase.RESTARTED or just_restarted(case)) else []


def ends_make_no_calls(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A call of which only the end was ever heard is remembered, and is no call."""
    happenings = case.world.outer.happenings
    found: list[Violation] = []
    for call in observed.calls:
        told = [happenings[event] for event in call.events if event in happenings]
        if (
            told
            and all(one.kind == "call.ended" or one.is_fatal for one in told)
            and observed.records[call.id]["direction"] == "inbound"
        ):
            found.append(violation("ghost-call", f"call {call.id} was made from nothing but its end", call.id))
    return found


def refused_dials_are_over(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A call that the provider never made takes no line."""
    return [
        violation("stale-active", f"call {call.id} is held as active, and was never dialled", call.id)
        for call in observed.calls
        if call.live and observed.records[call.id]["dial"] == "refused"
    ]


def ended_stays_ended(case: CallCase, observed: CallsObserved) -> list[Violation]:
    return verdict.resurrected([case.previous], observed) if case.previous is not None else []


def somebody_owns_every_line(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """After settling nobody is left on a line: the manager has had the time to end every call it is charged for.

    One that is set to another provider can do nothing for the calls of this one but keep them.
    """
    if case.world.outer.elsewhere:
        return []
    unheard = callers_nobody_heard_of(case, observed)
    found = [told for told in verdict.orphan_remote(observed, outside(case.world)) if told.subject not in unheard]
    if found:
        return found
    return [
        violation("orphan-remote", f"remote call {remote.id} is alive after all its deadlines", remote.id)
        for remote in case.world.live_calls()
        if remote.id not in unheard
    ]


def callers_nobody_heard_of(case: CallCase, observed: CallsObserved) -> set[str]:
    """Callers whose events the provider gave up, every one: a manager cannot own what it was never told of."""
    told_of = {event.call for event in case.world.outer.happenings.values() if event.acknowledged or event.pending}
    told_of |= {record["providerCallId"] for record in observed.records.values()}
    return {one.id for one in case.world.outer.calls.values() if one.direction == "inbound" and one.id not in told_of}


def restart_changes_nothing(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A kill that lost nothing: what the living manager showed is there again, unless the medium took it."""
    if case.previous is None or case.previous.poisoned or case.world.outer.deliveries or case.world.outer.damaged:
        return []
    return verdict.diverged(_untimed(case.previous), _untimed(observed))


def second_recovery_changes_nothing(case: CallCase, observed: CallsObserved) -> list[Violation]:
    if case.previous is None:
        return []
    found = verdict.not_idempotent(case.previous, observed)
    for name, record in case.previous.records.items():
        again = observed.records.get(name)
        if again != record and not found:
            found.append(violation("not-idempotent", f"record {name} is another after a second recovery", name))
    return found


def _untimed(observed: CallsObserved) -> CallsObserved:
    """Obligations may be discharged by the restart itself: verifying with the provider answers them."""
    return msgspec.structs.replace(observed, owed=())


def capacity_is_free_again(case: CallCase, observed: CallsObserved) -> list[Violation]:
    return verdict.wedged_capacity(observed, outside(case.world))


def capacity_is_kept(case: CallCase, observed: CallsObserved) -> list[Violation]:
    most = case.world.outer.most_dialled_at_once
    if most <= observed.capacity_limit:
        return []
    return [violation("wedged-capacity", f"{most} calls were dialled at once, the limit is {observed.capacity_limit}")]


def true_ends(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A call ends with the reason it had at the provider, or, where we ended it, with ours."""
    calls = case.world.outer.calls
    earlier = () if case.previous is None else (case.previous,)
    truth = tuple(
        verdict.RemoteCall(one.id, one.alive, one.reason) for one in calls.values() if one.given_up_at is None
    )
    # A call that was given up here before its dial was answered has failed, whatever became of it there.
    given_up = {
        call.remote_id for call in observed.calls if call.outcome == "failed" and _is_outbound(observed, call.id)
    }
    truth = tuple(remote for remote in truth if remote.id not in given_up)
    found = verdict.wrong_terminal(observed, verdict.Outside(truth), earlier)
    for call in observed.calls:
        remote = calls.get(call.remote_id or "")
        if call.live or remote is None or remote.alive or remote.given_up_at is None or remote.id in given_up:
            continue
        wanted = _own_reasons(case, observed, call.id, remote)
        if call.outcome not in wanted:
            shown = " or ".join(sorted(wanted))
            found.append(
                violation("wrong-terminal", f"call {call.id} ended as {call.outcome}, in truth as {shown}", call.id)
            )
    return found


def _is_outbound(observed: CallsObserved, call: str) -> bool:
    return bool(observed.records[call]["direction"] == "outbound")


def _own_reasons(case: CallCase, observed: CallsObserved, call: str, remote: RemoteCall) -> set[str]:
    """The reasons a call may show when we asked the provider to hang up."""
    assert remote.given_up_at is not None and remote.ended_at is not None and remote.reason is not None
    record = observed.records[call]
    if remote.reason != "hangup-bot":
        # The person was faster. Ours may stand if we could not know yet.
        late = remote.given_up_at - remote.ended_at
        ours = {"hangup-bot", "timeout"} | ({"no-answer"} if _rang_out(case, record, remote) else set())
        return {remote.reason} | ours if late <= POLL_S + PROMPTLY_S else {remote.reason}
    start = remote.answered_at if record["answeredAt"] is not None else None
    cap = (start if start is not None else remote.started_at) + case.world.outer.cap_s
    asked = any(one.kind == "end" and one.call == call for one in case.world.outer.requests.values())
    notified = record["metadata"].get("mode") == "notify"
    reasons = set()
    if any(one.is_fatal and one.attempts and one.call == remote.id for one in case.world.outer.happenings.values()):
        reasons.add("error")
    if asked or notified or may_be_unheard(case.world.outer.media, remote):
        reasons.add("hangup-bot")
    requests = case.world.outer.requests.values()
    reasons |= {one.text for one in requests if one.kind == "end" and one.call == call and one.text is not None}
    if _rang_out(case, record, remote):
        reasons.add("no-answer")
    unanswered_until = record["startedAt"] / 1000 + (UNANSWERED_S if record["direction"] == "outbound" else 0)
    if start is None and (talking := _known_talking(case, remote)) is not None:
        start, cap = talking, talking + case.world.outer.cap_s
    if remote.given_up_at >= (cap if start is not None else unanswered_until) - PROMPTLY_S:
        reasons.add("timeout")
    return reasons or {"timeout"}


def _known_talking(case: CallCase, remote: RemoteCall) -> float | None:
    """Since when the manager knew, some time before it hung up, that somebody talks: words or a state say so."""
    assert remote.given_up_at is not None
    latest = remote.given_up_at - 2 * (DOWN_S + PROMPTLY_S)
    told = [
        event
        for event in case.world.outer.happenings.values()
        if event.call == remote.id and event.kind in ("call.active", "call.speech") and event.owed
    ]
    return min((one.at for one in told if (one.acknowledged_at or latest + 1) <= latest), default=None)


def _rang_out(case: CallCase, record: Mapping[str, Any], remote: RemoteCall) -> bool:
    """Whether we gave up a call of ours that had rung for its time, as far as we could know unanswered.

    A report of the answer that is taken after that may still be written down.
    """
    if record["direction"] != "outbound" or remote.given_up_at is None:
        return False
    reports = [
        one
        for one in case.world.outer.happenings.values()
        if one.call == remote.id and one.kind == "call.answered" and one.attempts
    ]
    if record["answeredAt"] is not None and (not reports or any(one.owed for one in reports)):
        return False
    return bool(remote.given_up_at >= record["startedAt"] / 1000 + RING_S - PROMPTLY_S)
