"""What readers were shown, what a small disk has room for, and questions: each way to be wrong has its verdict."""

from typing import Any

import pytest

from harness.ledger import Ledger
from harness.scenario import Case, Phase
from harness.trace import Mark
from harness.verdict import Violation
from scenarios.voice_call.event_promises import CallCase, nothing_is_doubted
from scenarios.voice_call.observe import CallsObserved
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.reader_promises import (
    ample_disks_suffice,
    silence_is_not_speech,
    what_was_shown_stays_true,
)
from scenarios.voice_call.remote import Effect, Happening, Look, Request
from scenarios.voice_call.terms import TRANSCRIPT_WAIT_S
from scenarios.voice_call.turn_promises import answers_are_waited_for, questions_are_heard, questions_are_remembered

NOTHING = CallsObserved()


def case(world: Provider, *marks: Mark) -> CallCase:
    ledger = Ledger.of(list(marks))
    return Case(Phase.CLEAN, ledger, ledger, world, None)


def verdicts(found: list[Violation]) -> list[str]:
    return [told.verdict for told in found]


def look(state: str | None, *, live: bool, doubted: bool = False, idle: bool = True) -> Look:
    return Look("c", 0.0, state, live, doubted, idle)


def shown(*looks: Look) -> CallCase:
    world = Provider()
    world.outer.looks.extend(looks)
    return case(world)


def test_a_call_that_was_over_may_not_be_live_again() -> None:
    found = what_was_shown_stays_true(shown(look("completed", live=False), look("answered", live=True)), NOTHING)
    assert verdicts(found) == ["resurrected"]


@pytest.mark.parametrize(
    "later", [look("completed", live=False), look("answered", live=True, doubted=True), look(None, live=False)]
)
def test_a_call_that_was_over_may_be_over_doubted_or_unknown(later: Look) -> None:
    assert what_was_shown_stays_true(shown(look("completed", live=False), later), NOTHING) == []


def test_a_doubted_end_binds_nobody() -> None:
    looks = look("completed", live=False, doubted=True), look("answered", live=True)
    assert what_was_shown_stays_true(shown(*looks), NOTHING) == []


def test_nobody_speaks_in_a_call_in_which_nothing_is_to_be_said() -> None:
    assert verdicts(silence_is_not_speech(shown(look("speaking", live=True)), NOTHING)) == ["stale-active"]
    assert silence_is_not_speech(shown(look("speaking", live=True, idle=False)), NOTHING) == []
    assert silence_is_not_speech(shown(look("listening", live=True)), NOTHING) == []


@pytest.mark.parametrize(("ample", "refused", "told"), [(True, True, 1), (True, False, 0), (False, True, 0)])
def test_a_disk_with_room_for_everything_refuses_nothing(ample: bool, refused: bool, told: int) -> None:
    world = Provider()
    world.outer.ample = ample
    world.outer.happenings["in-1-1"] = Happening("in-1-1", "call.speech", "in-1", {}, 0.0, attempts=1 + refused)
    marks = [Mark("attempted", "in-1-1")] + [Mark("refused", "in-1-1")] * refused
    assert len(ample_disks_suffice(case(world, *marks), NOTHING)) == told


def record(**fields: Any) -> CallsObserved:
    whole = {"providerCallId": "out-1", "aliases": [], "turn": None, **fields}
    return CallsObserved(records={"c": whole}, quarantined=("c",))


def turn(phase: str) -> dict[str, Any]:
    return {"token": "t", "prompt": "who is there?", "phase": phase, "askedAt": 0, "answer": None}


@pytest.mark.parametrize(
    ("phase", "told"), [("listening", 1), ("answered", 1), ("timed-out", 1), ("failed", 0), ("asking", 0)]
)
def test_nobody_waits_for_the_answer_to_a_question_that_was_not_heard(phase: str, told: int) -> None:
    world = Provider()
    observed = record(turn=turn(phase))
    assert verdicts(questions_are_heard(case(world), observed)) == ["side-effect-lost"] * told
    world.outer.effects.append(Effect("turn:t", "play", "out-1", "who is there?", 0.0))
    assert questions_are_heard(case(world), observed) == []


def test_a_question_that_was_heard_under_an_older_name_of_the_call_was_heard() -> None:
    world = Provider()
    world.outer.effects.append(Effect("turn:t", "play", "out-0", "who is there?", 0.0))
    assert questions_are_heard(case(world), record(aliases=["out-0"], turn=turn("answered"))) == []


@pytest.mark.parametrize(("owed", "known", "told"), [(True, False, 1), (True, True, 0), (False, False, 0)])
def test_an_answer_belongs_to_a_question_that_is_known(owed: bool, known: bool, told: int) -> None:
    world = Provider()
    body = {"turnToken": "t", "transcript": "me"}
    world.outer.happenings["out-1-3"] = Happening("out-1-3", "call.speech", "out-1", body, 0.0, owed=owed)
    world.outer.requests["ask-1"] = Request("ask-1", "continue", call="c")
    observed = record(turn=turn("answered") if known else None)
    assert verdicts(questions_are_remembered(case(world), observed)) == ["lost"] * told


@pytest.mark.parametrize(("after_s", "told"), [(0.1, 1), (TRANSCRIPT_WAIT_S - 2.0, 1), (TRANSCRIPT_WAIT_S, 0)])
def test_nobody_is_told_too_early_that_nobody_answered(after_s: float, told: int) -> None:
    world = Provider()
    request = Request("ask-1", "continue", call="c", outcome="failed", at=10.0, reason="timed-out")
    request.told_at = request.at + after_s
    world.outer.requests["ask-1"] = request
    assert verdicts(answers_are_waited_for(case(world), NOTHING)) == ["timer-extended"] * told
    request.reason = "interrupted"
    assert answers_are_waited_for(case(world), NOTHING) == []


def test_only_what_a_medium_has_changed_may_be_doubted() -> None:
    world = Provider()
    assert verdicts(nothing_is_doubted(case(world), record())) == ["check-failed"]
    world.outer.damaged.append("out-1")
    assert nothing_is_doubted(case(world), record()) == []
