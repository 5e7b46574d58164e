"""What is owed to those who ask: the client of the manager's own interface, and the provider with its events."""

from typing import Final

from harness.verdict.vocabulary import Violation, violation
from scenarios.voice_call.event_promises import CallCase
from scenarios.voice_call.observe import CallsObserved
from scenarios.voice_call.remote import Happening
from scenarios.voice_call.terms import PROMPTLY_S, RETRIES_S

_FOUND_OUT_S: Final = RETRIES_S + PROMPTLY_S
"""The longest a manager may not know what became of a dial, where disk and provider work."""


def requests_fail_as_documented(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A request is done, or fails in one of the ways the interface knows; then a client knows what to do."""
    return [
        violation("unavailable", f"api:{request.name} was answered with {request.answer}", request.name)
        for request in case.world.outer.requests.values()
        if request.outcome == "broken"
    ]


def refusals_have_reasons(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A manager that is there takes what its provider sends, unless its disk fails, or nobody can know the call yet."""
    if case.fault_fired:
        return []
    outer = case.world.outer
    found: list[Violation] = []
    for event in outer.happenings.values():
        remote = outer.calls.get(event.call)
        nameless = outer.keys_stay and remote is not None and remote.direction == "outbound"
        if event.refusals and not nameless:
            text = f"{event.id} ({event.kind}) was refused with {event.refusals[0]}, and nothing was wrong with it"
            found.append(violation("unavailable", text, event.id))
    return found


def requests_are_answered(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Where disk and provider work, nobody has to give up waiting."""
    if case.fault_fired or case.world.outer.failed_commands:
        return []
    return [
        violation("hung", f"api:{one.name} was not answered before the client gave up", one.name)
        for one in case.world.outer.requests.values()
        if one.outcome == "failed" and one.reason == "no answer"
    ]


def answers_were_given(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Who asks is told what somebody has said after the question, in that call."""
    outer = case.world.outer
    remote_of = {call.id: call.remote_id for call in observed.calls}
    said: dict[str, list[Happening]] = {}
    for event in outer.happenings.values():
        if event.is_speech:
            said.setdefault(event.call, []).append(event)
    found: list[Violation] = []
    for one in outer.requests.values():
        if one.kind != "continue" or one.outcome != "done" or remote_of.get(one.call or "") is None:
            continue
        answers = said.get(remote_of[one.call or ""] or "", ())
        if not any(event.body["transcript"] == one.answer and event.at >= one.at for event in answers):
            found.append(
                violation("misattributed", f"api:{one.name} was answered {one.answer!r}, which nobody said", one.name)
            )
    return found


def held_all_along(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """What holds at any moment has held at all the moments at which somebody looked."""
    return [
        violation(one.verdict, f"in the middle of it: {one.summary}", one.subject) for one in case.world.outer.noticed
    ]


def created_calls_are_connected(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Who was told that a call was made, and who looks at a call of ours that goes on, finds its name at the provider."""
    keys = {one.key for one in case.world.outer.requests.values() if one.kind == "initiate" and one.outcome == "done"}
    return [
        violation("orphan-remote", f"call {name} was told as made, and has no name at the provider", name)
        for name, record in observed.records.items()
        if record["clientKey"] in keys and record["providerCallId"] is None and record["live"]
    ]


def dials_are_found_out(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Who asks again under the same key, a while later, is told what became of the dial."""
    if case.fault_fired:
        return []
    return [
        violation("orphan-remote", f"nobody knew after {one.at - one.first_at:.0f} s what became of {name}", name)
        for name, one in case.world.outer.requests.items()
        if one.kind == "initiate" and one.answer == "unknown" and one.at - one.first_at > _FOUND_OUT_S
    ]


def writers_are_sound(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A manager whose disk works, and whose log nobody has touched, is ready to write."""
    if case.fault_fired or not observed.poisoned or case.now < case.world.outer.expected_from:
        return []
    return [violation("unavailable", "the manager has given its log up, and nothing was wrong with it")]
