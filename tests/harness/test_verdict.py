import math
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import verdict
from harness.faults import Fired
from harness.ledger import Ledger
from harness.trace import Mark
from harness.verdict import (
    VERDICTS,
    Armed,
    Effect,
    Firing,
    Observed,
    ObservedCall,
    Outside,
    Owed,
    RemoteCall,
    Violation,
)

LIVE = ObservedCall("c1", "r1", deadline=100.0)
ENDED = ObservedCall("c1", "r1", live=False, outcome="completed")
ALIVE = RemoteCall("r1", alive=True)
GONE = RemoteCall("r1", alive=False, outcome="completed")
SILENT = Observed(available=False)


def told(violations: list[Violation]) -> list[tuple[str, str]]:
    for found in violations:
        assert found.guarantee == VERDICTS[found.verdict]
        assert found.summary
    return [(found.verdict, found.subject) for found in violations]


def marks(*named: str) -> Ledger:
    """Marks written as "kind event"."""
    return Ledger.of(Mark(*name.split(" ")) for name in named)


def seeing(*calls: ObservedCall, **more: object) -> Observed:
    return msgspec.structs.replace(Observed(calls=calls), **more)


# --- vocabulary -------------------------------------------------------------------------------------------------------


def test_every_verdict_has_a_judge_or_is_given_elsewhere() -> None:
    judges = {name.replace("_", "-") for name in verdict.__all__ if name.islower()}
    assert judges - {"unexpected"} == set(VERDICTS) - {"check-failed", "hung"}


def test_a_violation_survives_json() -> None:
    found = Violation("lost", VERDICTS["lost"], "e1 is gone", "e1")
    assert msgspec.json.decode(msgspec.json.encode(found), type=Violation) == found


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("judge", [verdict.lost, verdict.acked_not_durable])
def test_an_acknowledged_event_that_is_not_found_is_missing(
    judge: Callable[[Ledger, Observed], list[Violation]],
) -> None:
    ledger = marks("attempted e1", "acknowledged e1", "attempted e2", "acknowledged e2", "attempted e3", "refused e3")
    name = judge.__name__.replace("_", "-")
    assert told(judge(ledger, Observed(applied={"e2": 1}))) == [(name, "e1")]
    assert told(judge(ledger, Observed(applied={"e1": 0, "e2": 2}))) == [(name, "e1")]
    assert judge(ledger, Observed(applied={"e1": 1, "e2": 1})) == []
    assert judge(ledger, Observed(applied={"e1": 1, "e2": 1, "e3": 1})) == []


def test_an_effect_found_twice_is_double_applied() -> None:
    assert told(verdict.double_applied(Observed(applied={"e1": 2, "e2": 1, "e3": 0}))) == [("double-applied", "e1")]
    assert verdict.double_applied(Observed(applied={"e1": 1})) == []


def test_one_remote_call_in_two_records_is_double_applied_and_a_ghost() -> None:
    twice = seeing(LIVE, ObservedCall("c2", "r1"))
    assert told(verdict.double_applied(twice)) == [("double-applied", "r1")]
    assert told(verdict.ghost_call(twice, Outside((ALIVE,)))) == [("ghost-call", "r1")]
    intents = seeing(ObservedCall("c1"), ObservedCall("c2"))
    assert verdict.double_applied(intents) == []


def test_what_nobody_sent_is_unexpected() -> None:
    ledger = marks("attempted e1", "attempted e2")
    assert verdict.unexpected(ledger, Observed(applied={"e1": 1, "e9": 0})) == []
    assert told(verdict.unexpected(ledger, Observed(applied={"e9": 1}))) == [("misattributed", "e9")]
    assert told(verdict.unexpected(ledger, seeing(LIVE, applied={"c1": 1, "r1": 1}))) == [
        ("ghost-call", "c1"),
        ("ghost-call", "r1"),
    ]


def test_only_a_final_refusal_forbids_the_event() -> None:
    found = Observed(applied={"e1": 1})
    final = Ledger.of([Mark("attempted", "e1"), Mark("refused", "e1", {"final": True})])
    assert told(verdict.nacked_but_durable(final, found)) == [("nacked-but-durable", "e1")]
    assert verdict.nacked_but_durable(final, Observed()) == []
    assert verdict.nacked_but_durable(marks("attempted e1", "refused e1"), found) == []
    assert verdict.nacked_but_durable(final.then(Mark("attempted", "e1")), found) == []


def test_what_one_restart_took_over_must_survive_the_next() -> None:
    ledger = marks(
        "acknowledged e1", "died x", "restarted x", "acknowledged e2", "died x", "restarted x", "acknowledged e3"
    )
    assert told(verdict.torn_tail_swallow(ledger, Observed())) == [("torn-tail-swallow", "e2")]
    assert verdict.torn_tail_swallow(ledger, Observed(applied={"e2": 1})) == []
    assert verdict.torn_tail_swallow(marks("acknowledged e1", "restarted x", "acknowledged e2"), Observed()) == []


def test_a_fault_that_was_not_told_is_swallowed() -> None:
    fired = [Fired(7, "write", "/data/calls.jsonl", "ENOSPC", 0)]
    ledger = marks("attempted e1", "acknowledged e1")
    found = verdict.swallowed_error(fired, ledger, Observed())
    assert told(found) == [("swallowed-error", "e1")]
    assert "ENOSPC on write of /data/calls.jsonl" in found[0].summary
    assert verdict.swallowed_error(fired, ledger, Observed(applied={"e1": 1})) == []
    assert verdict.swallowed_error([], ledger, Observed()) == []
    assert verdict.swallowed_error(fired, marks("attempted e1", "refused e1"), Observed()) == []


# --- calls ------------------------------------------------------------------------------------------------------------


def test_a_call_that_ended_outside_is_stale_while_it_is_held() -> None:
    assert told(verdict.stale_active(seeing(LIVE), Outside((GONE,)))) == [("stale-active", "c1")]
    assert told(verdict.stale_active(seeing(LIVE), Outside((GONE,)), {"r1"})) == [("stale-active", "c1")]
    assert verdict.stale_active(seeing(LIVE), Outside((GONE,)), set()) == []
    assert verdict.stale_active(seeing(LIVE), Outside((ALIVE,))) == []
    assert verdict.stale_active(seeing(ENDED), Outside((GONE,))) == []
    assert verdict.stale_active(seeing(ObservedCall("c1")), Outside((GONE,))) == []


def test_a_call_seen_ended_may_not_come_back() -> None:
    assert told(verdict.resurrected([seeing(LIVE), seeing(ENDED)], seeing(LIVE))) == [("resurrected", "c1")]
    assert verdict.resurrected([seeing(LIVE)], seeing(LIVE)) == []
    assert verdict.resurrected([seeing(ENDED)], seeing(ENDED)) == []
    assert verdict.resurrected([], seeing(LIVE)) == []


def test_a_call_that_never_was_is_a_ghost() -> None:
    assert told(verdict.ghost_call(seeing(LIVE), Outside())) == [("ghost-call", "c1")]
    assert verdict.ghost_call(seeing(LIVE), Outside((GONE,))) == []
    assert verdict.ghost_call(seeing(ObservedCall("intent")), Outside()) == []


def test_a_living_remote_call_needs_an_owner() -> None:
    outside = Outside((ALIVE,))
    assert told(verdict.orphan_remote(seeing(), outside)) == [("orphan-remote", "r1")]
    assert told(verdict.orphan_remote(seeing(ENDED), outside)) == [("orphan-remote", "r1")]
    assert verdict.orphan_remote(seeing(LIVE), outside) == []
    assert verdict.orphan_remote(seeing(), Outside((GONE,))) == []
    for owner in ("c1", "r1"):
        assert verdict.orphan_remote(seeing(ENDED, owed=(Owed("k", "hang-up", owner),)), outside) == []


@pytest.mark.parametrize(
    "changed",
    [
        seeing(),
        seeing(ENDED),
        seeing(LIVE, ObservedCall("c2")),
        seeing(msgspec.structs.replace(LIVE, entries=("hello",))),
        seeing(LIVE, applied={"e1": 1}),
        seeing(LIVE, capacity_used=1),
        seeing(LIVE, owed=(Owed("k", "hang-up"),)),
    ],
)
def test_a_restart_that_lost_nothing_shows_the_same(changed: Observed) -> None:
    before = seeing(LIVE)
    assert {name for name, _ in told(verdict.diverged(before, changed))} == {"diverged"}
    assert {name for name, _ in told(verdict.diverged(changed, before))} == {"diverged"}
    assert {name for name, _ in told(verdict.not_idempotent(before, changed))} == {"not-idempotent"}
    assert verdict.diverged(changed, changed) == []
    assert verdict.not_idempotent(changed, changed) == []


def test_the_order_in_which_a_view_lists_calls_and_timers_does_not_matter() -> None:
    one, other = ObservedCall("c1"), ObservedCall("c2")
    owed = Owed("a", "dial"), Owed("b", "dial")
    assert verdict.diverged(seeing(one, other, owed=owed), seeing(other, one, owed=owed[::-1])) == []


@pytest.mark.parametrize(
    ("shown", "fine"),
    [
        (("a", "b", "c"), True),
        (("a", "c"), True),
        ((), True),
        (("x", "a", "y", "b"), True),
        (("b", "a"), False),
        (("a", "c", "b"), False),
        (("c", "a"), False),
    ],
)
def test_entries_keep_the_order_of_their_acknowledgements(shown: tuple[str, ...], fine: bool) -> None:
    found = verdict.reordered(seeing(ObservedCall("c1", entries=shown)), {"c1": ["a", "b", "c"]})
    assert told(found) == ([] if fine else [("reordered", "c1")])


def test_the_caller_may_say_the_same_twice() -> None:
    assert (
        verdict.reordered(seeing(ObservedCall("c1", entries=("yes", "no", "yes"))), {"c1": ["yes", "no", "yes"]}) == []
    )
    assert verdict.reordered(seeing(ObservedCall("c2", entries=("b", "a"))), {"c1": ["a", "b"]}) == []


def test_capacity_is_free_when_nothing_lives() -> None:
    taken = seeing(LIVE, capacity_used=1, capacity_limit=1)
    found = verdict.wedged_capacity(taken, Outside((GONE,)))
    assert told(found) == [("wedged-capacity", "")]
    assert "1 of 1" in found[0].summary
    assert "c1" in found[0].summary
    assert verdict.wedged_capacity(taken, Outside((ALIVE,))) == []
    assert verdict.wedged_capacity(seeing(ENDED, capacity_limit=1), Outside((GONE,))) == []


def test_a_call_ends_as_it_really_did() -> None:
    outside = Outside((msgspec.structs.replace(GONE, outcome="busy"),))
    assert told(verdict.wrong_terminal(seeing(ENDED), outside)) == [("wrong-terminal", "c1")]
    assert verdict.wrong_terminal(seeing(ENDED), Outside((GONE,))) == []
    assert verdict.wrong_terminal(seeing(LIVE), outside) == []
    assert verdict.wrong_terminal(seeing(ENDED), Outside((RemoteCall("r1", alive=False),))) == []


def test_an_outcome_does_not_change_once_it_was_seen() -> None:
    rewritten = seeing(msgspec.structs.replace(ENDED, outcome="timeout"))
    assert told(verdict.wrong_terminal(rewritten, Outside(), [seeing(LIVE), seeing(ENDED)])) == [
        ("wrong-terminal", "c1")
    ]
    assert verdict.wrong_terminal(seeing(ENDED), Outside(), [seeing(LIVE), seeing(ENDED)]) == []


def test_an_entry_in_a_foreign_call_is_misattributed() -> None:
    shown = seeing(ObservedCall("c1", entries=("mine", "yours"), events=("e2",)))
    found = verdict.misattributed(shown, {"mine": "c1", "yours": "c2", "e2": "c3"})
    assert told(found) == [("misattributed", "c1"), ("misattributed", "c1")]
    assert verdict.misattributed(shown, {"mine": "c1"}) == []


def test_silence_is_unavailable_and_nothing_else() -> None:
    assert told(verdict.unavailable(SILENT)) == [("unavailable", "")]
    assert verdict.unavailable(Observed()) == []
    ledger = marks("acknowledged e0", "restarted x", "acknowledged e1", "restarted x")
    fired = [Fired(1, "write", None, "EIO", 0)]
    assert verdict.lost(ledger, SILENT) == []
    assert verdict.acked_not_durable(ledger, SILENT) == []
    assert verdict.torn_tail_swallow(ledger, SILENT) == []
    assert verdict.swallowed_error(fired, ledger, SILENT) == []
    assert verdict.diverged(seeing(LIVE), SILENT) == []
    assert verdict.orphan_remote(SILENT, Outside((ALIVE,))) == []
    assert verdict.side_effect_lost([Owed("k", "dial")], Outside(), SILENT) == []


# --- timers and side effects ------------------------------------------------------------------------------------------


def test_a_live_call_has_a_deadline_and_a_timer() -> None:
    armed = (Armed("c1", "max-duration", 100.0),)
    assert verdict.timer_lost(seeing(LIVE, armed=armed), now=100.0) == []
    assert told(verdict.timer_lost(seeing(LIVE), now=50.0)) == [("timer-lost", "c1")]
    assert told(verdict.timer_lost(seeing(LIVE, armed=armed), now=101.0)) == [("timer-lost", "c1")]
    assert verdict.timer_lost(seeing(LIVE, armed=armed), now=101.0, tolerance=1.0) == []
    for deadline in (None, math.inf):
        unbounded = msgspec.structs.replace(LIVE, deadline=deadline)
        assert told(verdict.timer_lost(seeing(unbounded, armed=armed), now=0.0)) == [("timer-lost", "c1")]
    never = (Armed("c1", "max-duration", math.inf),)
    assert told(verdict.timer_lost(seeing(LIVE, armed=never), now=0.0)) == [("timer-lost", "c1")]
    assert verdict.timer_lost(seeing(ENDED), now=1e9) == []


def test_a_deadline_does_not_move_later() -> None:
    later = seeing(msgspec.structs.replace(LIVE, deadline=130.0))
    sooner = seeing(msgspec.structs.replace(LIVE, deadline=90.0))
    assert told(verdict.timer_extended(seeing(LIVE), later)) == [("timer-extended", "c1")]
    assert verdict.timer_extended(seeing(LIVE), sooner) == []
    assert verdict.timer_extended(seeing(LIVE), later, tolerance=30.0) == []
    assert verdict.timer_extended(seeing(), later) == []


def test_a_timer_that_fires_late_was_extended() -> None:
    late, kept = Firing("c1", "notify", 10.0, 15.0), Firing("c2", "notify", 10.0, 10.5)
    found = verdict.timer_extended(Observed(), Observed(), [late, kept], tolerance=1.0)
    assert told(found) == [("timer-extended", "c1")]


def test_a_side_effect_takes_place_once_per_key_and_kind() -> None:
    once = Effect("k1", "dial"), Effect("k2", "dial"), Effect("k1", "play")
    assert verdict.side_effect_repeated(Outside(effects=once)) == []
    twice = Outside(effects=(*once, Effect("k1", "dial", at=9.0)))
    assert told(verdict.side_effect_repeated(twice)) == [("side-effect-repeated", "k1")]


def test_a_side_effect_that_is_due_is_done_or_still_owed() -> None:
    due = [Owed("k1", "hang-up"), Owed("k2", "hang-up")]
    done = Outside(effects=(Effect("k1", "hang-up"), Effect("k2", "dial")))
    assert told(verdict.side_effect_lost(due, done, Observed())) == [("side-effect-lost", "k2")]
    assert verdict.side_effect_lost(due, done, Observed(owed=(Owed("k2", "hang-up"),))) == []


# --- a correct fold ---------------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from(("ring", "say", "end", "refuse", "restart")),
        st.integers(0, 3),
        st.booleans(),  # the answer arrives
    ),
    max_size=40,
)


class Model:
    """A correct subject and its world: what is durable is shown, an event is applied once, an end is final."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self.applied: dict[str, int] = {}
        self.remote: dict[str, RemoteCall] = {}
        self.entries: dict[str, list[str]] = {}
        self.seen: list[Observed] = []

    def send(self, event: str, answered: bool) -> None:
        self.marks.append(Mark("attempted", event))
        self.applied[event] = 1
        self.marks.append(Mark("acknowledged" if answered else "refused", event))

    def step(self, what: str, number: int, answered: bool) -> None:
        call = f"r{number}"
        if what == "restart":
            self.seen.append(self.observed())
            self.marks += [Mark("died"), Mark("restarted")]
        elif what == "refuse":
            event = f"nonsense:{len(self.marks)}"
            self.marks += [Mark("attempted", event), Mark("refused", event, {"final": True})]
        elif what == "ring" and call not in self.remote:
            self.remote[call] = RemoteCall(call, alive=True)
            self.entries[call] = []
            self.send(f"ring:{call}", answered)
        elif call in self.remote and self.remote[call].alive:
            if what == "say":
                said = f"{call} says {len(self.entries[call])}"
                self.entries[call].append(said)
                self.send(f"say:{said}", answered)
            elif what == "end":
                self.remote[call] = RemoteCall(call, alive=False, outcome="completed")
                self.send(f"end:{call}", answered)

    def outside(self) -> Outside:
        return Outside(tuple(self.remote.values()))

    def observed(self) -> Observed:
        calls = tuple(
            ObservedCall(
                f"c-{remote.id}", remote.id, remote.alive, remote.outcome, tuple(self.entries[remote.id]), (), 60.0
            )
            for remote in self.remote.values()
        )
        live = [call.id for call in calls if call.live]
        armed = tuple(Armed(call, "max-duration", 60.0) for call in live)
        return Observed(True, calls, dict(self.applied), len(live), 4, armed)

    def judged(self, observed: Observed) -> list[Violation]:
        ledger, outside = Ledger.of(self.marks), self.outside()
        said = {f"c-{call}": entries for call, entries in self.entries.items()}
        owners = {entry: call for call, entries in said.items() for entry in entries}
        fired = [Fired(1, "write", None, "EIO", 0)]
        return [
            *verdict.lost(ledger, observed),
            *verdict.acked_not_durable(ledger, observed),
            *verdict.double_applied(observed),
            *verdict.unexpected(ledger, observed),
            *verdict.nacked_but_durable(ledger, observed),
            *verdict.torn_tail_swallow(ledger, observed),
            *verdict.swallowed_error(fired, ledger, observed),
            *verdict.stale_active(observed, outside),
            *verdict.resurrected(self.seen, observed),
            *verdict.ghost_call(observed, outside),
            *verdict.orphan_remote(observed, outside),
            *verdict.diverged(self.observed(), observed),
            *verdict.not_idempotent(self.observed(), observed),
            *verdict.reordered(observed, said),
            *verdict.wedged_capacity(observed, outside),
            *verdict.wrong_terminal(observed, outside, self.seen),
            *verdict.misattributed(observed, owners),
            *verdict.unavailable(observed),
            *verdict.timer_lost(observed, now=30.0),
            *(found for before in self.seen for found in verdict.timer_extended(before, observed)),
            *verdict.side_effect_repeated(outside),
            *verdict.side_effect_lost([], outside, observed),
        ]


def played(history: list[tuple[str, int, bool]]) -> Model:
    model = Model()
    for step in history:
        model.step(*step)
    return model


@given(steps)
def test_a_correct_history_breaks_no_guarantee(history: list[tuple[str, int, bool]]) -> None:
    model = played(history)
    assert model.judged(model.observed()) == []


@given(steps, st.data())
def test_forgetting_any_acknowledged_event_is_caught_and_named(
    history: list[tuple[str, int, bool]], data: st.DataObject
) -> None:
    model = played([("ring", 0, True), *history])
    ledger, observed = Ledger.of(model.marks), model.observed()
    event = data.draw(st.sampled_from(sorted(ledger.acknowledged)))
    short = msgspec.structs.replace(observed, applied={**observed.applied, event: 0})
    assert told(verdict.lost(ledger, short)) == [("lost", event)]
    assert told(verdict.acked_not_durable(ledger, short)) == [("acked-not-durable", event)]


@given(steps, st.data())
def test_applying_any_event_twice_is_caught_and_named(
    history: list[tuple[str, int, bool]], data: st.DataObject
) -> None:
    model = played([("ring", 0, True), *history])
    observed = model.observed()
    event = data.draw(st.sampled_from(sorted(observed.applied)))
    more = msgspec.structs.replace(observed, applied={**observed.applied, event: 2})
    assert ("double-applied", event) in told(model.judged(more))


@given(steps)
def test_showing_an_ended_call_as_live_is_caught(history: list[tuple[str, int, bool]]) -> None:
    model = played([("ring", 0, True), ("end", 0, True), ("restart", 0, True), *history])
    observed = model.observed()
    first, *rest = observed.calls
    alive = msgspec.structs.replace(observed, calls=(msgspec.structs.replace(first, live=True, outcome=None), *rest))
    assert {("stale-active", first.id), ("resurrected", first.id)} <= set(told(model.judged(alive)))
