"""What is owed at the end of a call: it is noticed in time, and a caller who may not stay is sent away.

Not judged: how a call ended (`call_promises.true_ends`), and when its own deadlines end it (`effect_promises`).
"""

from typing import Final

from harness.verdict.vocabulary import Violation, violation
from scenarios.voice_call.event_promises import CallCase, acknowledged_ends
from scenarios.voice_call.observe import CallsObserved
from scenarios.voice_call.terms import DOWN_S, POLL_S, PROMPTLY_S

NOTICED_S: Final = POLL_S + 2 * (DOWN_S + PROMPTLY_S)
"""The longest a call may be held as active after its end, two deaths included: then somebody must have asked."""


def ends_are_noticed(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Whatever became of its report, an end is known after one interval of asking, where disk and provider work."""
    if case.fault_fired or case.world.outer.failed_commands:
        return []
    ahead_s = max(0.0, case.world.outer.clock_off_s)  # a record tells the time by the machine's clock
    found: list[Violation] = []
    for call in observed.calls:
        remote = case.world.outer.calls.get(call.remote_id or "")
        if remote is None or remote.ended_at is None:
            continue
        ended_ms = observed.records[call.id]["endedAt"]
        held_s = (observed.at if ended_ms is None else ended_ms / 1000 - ahead_s) - remote.ended_at
        if held_s > NOTICED_S:
            text = f"call {call.id} was held as active for {held_s:.0f} s after remote call {remote.id} had ended"
            found.append(violation("stale-active", text, call.id))
    return found


def rejected_callers_are_hung_up_by_us(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Whom the policy rejects, we have hung up: that is on record as the end, from the beginning."""
    shown = {call.id for call in observed.calls}
    found: list[Violation] = []
    for name, record in observed.records.items():
        told = [one for one in case.world.outer.happenings.values() if one.id in record["processedEventIds"]]
        over_before = any(one.kind == "call.ended" or one.is_fatal for one in told)
        if name not in shown and not over_before and record["endReason"] != "hangup-bot":
            text = f"caller {record['providerCallId']} was rejected, and the end is {record['endReason']}"
            found.append(violation("wrong-terminal", text, name))
    return found


def rejected_callers_are_sent_away(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Whom the policy rejects is hung up, and not left to listen to the ringing."""
    shown = {call.id for call in observed.calls}
    rejected = {record["providerCallId"] for name, record in observed.records.items() if name not in shown}
    return [
        violation("side-effect-lost", f"caller {remote.id} was rejected and never hung up", remote.id)
        for remote in case.world.live_calls()
        if remote.id in rejected
    ]


def ended_calls_owe_nothing(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Who was told that a call has ended has nobody to hang up any more."""
    over = acknowledged_ends(case.ledger, case.world) - set(case.world.outer.damaged)
    return [
        violation("side-effect-repeated", f"call {owed.call} is to be hung up, and its end was reported", owed.call)
        for owed in observed.owed
        if owed.kind == "hang-up" and observed.records[owed.call]["providerCallId"] in over
    ]
