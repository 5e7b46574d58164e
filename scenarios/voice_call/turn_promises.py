"""What is owed for questions: who is asked has heard it, who answered did, and an answer is waited for.

A question is on record as the turn of its call, the newest one only; the provider carries its token into what is said
while it listens. Not judged here: whose answer it is (`event_promises.where_they_belong`), and questions that stay open
(`call_promises.no_question_stays_open`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from harness.verdict.vocabulary import Violation, violation
from scenarios.voice_call.event_promises import CallCase
from scenarios.voice_call.observe import CallsObserved
from scenarios.voice_call.remote import Happening
from scenarios.voice_call.terms import PROMPTLY_S, TRANSCRIPT_WAIT_S

_WAITED: Final = frozenset({"listening", "answered", "timed-out"})


def questions_are_heard(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Nobody waits for the answer to a question that was never played."""
    outer = case.world.outer
    played = {(one.call, one.payload) for one in outer.effects if one.kind == "play"}
    found: list[Violation] = []
    for name, record in observed.records.items():
        turn = record["turn"]
        if turn is None or turn["phase"] not in _WAITED:
            continue
        if not any((remote, turn["prompt"]) in played for remote in (record["providerCallId"], *record["aliases"])):
            text = f"call {name} waited for the answer to {turn['prompt']!r}, which nobody heard"
            found.append(violation("side-effect-lost", text, name))
    return found


def questions_are_remembered(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """An acknowledged answer was given to somebody's question: the call knows which."""
    return [
        violation("lost", f"{event.id} answers a question that call {name} does not know of", event.id)
        for name, record, event in _answers(case, observed)
        if record["turn"] is None and _was_asked_something(case, name)
    ]


def _was_asked_something(case: CallCase, call: str) -> bool:
    """Whether a question was asked in this call: we also listen to what is said to a first message."""
    return any(one.kind == "continue" and one.call == call for one in case.world.outer.requests.values())


def answers_are_waited_for(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Who asks is not told that nobody has answered before the time for an answer is over."""
    found: list[Violation] = []
    for request in case.world.outer.requests.values():
        waited_s = request.told_at - request.at
        if request.kind == "continue" and request.reason == "timed-out" and waited_s < TRANSCRIPT_WAIT_S - PROMPTLY_S:
            text = f"api:{request.name} was told after {waited_s:g} s that nobody had answered"
            found.append(violation("timer-extended", text, request.name))
    return found


def _answers(case: CallCase, observed: CallsObserved) -> Iterator[tuple[str, Mapping[str, Any], Happening]]:
    """Acknowledged, owed speech that was asked for, with the record it belongs to."""
    record_of = {record["providerCallId"]: name for name, record in observed.records.items()}
    for event in case.world.outer.happenings.values():
        if event.kind == "call.speech" and event.owed and "turnToken" in event.body and event.call in record_of:
            name = record_of[event.call]
            yield name, observed.records[name], event
