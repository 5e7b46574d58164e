import copy
import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger import Ledger, Seen
from harness.trace import MARK_KINDS, Mark

marks = st.builds(
    Mark,
    st.sampled_from(MARK_KINDS),
    st.sampled_from("abc"),
    st.just({}) | st.just({"final": True}) | st.fixed_dictionaries({"status": st.integers(200, 600)}),
)


def test_an_empty_ledger_knows_nothing() -> None:
    ledger = Ledger()
    assert len(ledger) == 0
    assert bool(ledger)
    assert not ledger.attempted
    assert not ledger.effects
    assert ledger == Ledger.of([])


def test_answers_are_counted_in_the_order_of_their_first_mark() -> None:
    ledger = Ledger.of(
        [
            Mark("attempted", "b"),
            Mark("attempted", "a"),
            Mark("refused", "a", {"status": 503}),
            Mark("attempted", "a"),
            Mark("acknowledged", "a"),
            Mark("acknowledged", "b"),
        ]
    )
    assert list(ledger.attempted.items()) == [("b", Seen(1, 0, 0)), ("a", Seen(2, 1, 3))]
    assert list(ledger.acknowledged) == ["a", "b"]
    assert list(ledger.refused.items()) == [("a", Seen(1, 2, 2))]
    assert {event: mark.kind for event, mark in ledger.standing.items()} == {"b": "acknowledged", "a": "acknowledged"}


def test_other_marks_are_kept_in_order_by_kind() -> None:
    given = [Mark(kind, str(number)) for number, kind in enumerate((*MARK_KINDS, *MARK_KINDS))]
    ledger = Ledger.of(given)
    for kind, kept in (
        ("effect", ledger.effects),
        ("printed", ledger.printed),
        ("told", ledger.told),
        ("observed", ledger.observed),
        ("world", ledger.world),
    ):
        assert kept == tuple(mark for mark in given if mark.kind == kind)
    assert [given[at].kind for at in ledger.deaths] == ["died", "died"]
    assert [given[at].kind for at in ledger.restarts] == ["restarted", "restarted"]


@pytest.mark.parametrize(
    ("answers", "final"),
    [
        ([("refused", True)], True),
        ([("refused", False)], False),
        ([("refused", True), ("attempted", False)], False),
        ([("refused", False), ("refused", True)], True),
        ([("acknowledged", False), ("refused", True)], False),
    ],
)
def test_only_a_refusal_without_retry_or_acknowledgement_is_final(answers: list[tuple[str, bool]], final: bool) -> None:
    ledger = Ledger.of(
        [Mark("attempted", "a"), *(Mark(kind, "a", {"final": True} if last else {}) for kind, last in answers)]
    )
    assert ledger.finally_refused == (("a",) if final else ())


def test_an_older_ledger_does_not_change_when_it_grows() -> None:
    older = Ledger.of([Mark("attempted", "a")])
    assert list(older.attempted) == ["a"]
    newer = older.then(Mark("attempted", "b")).then(Mark("effect", "dial"))
    assert list(newer.attempted) == ["a", "b"]
    assert list(older.attempted) == ["a"]
    assert older.effects == ()
    with pytest.raises(TypeError):
        older.attempted["c"] = Seen(1, 0, 0)  # type: ignore[index]  # it cannot be written to


@given(st.lists(marks, max_size=30), st.data())
def test_growing_mark_by_mark_equals_the_fold_at_once_wherever_it_was_looked_at(
    given: list[Mark], data: st.DataObject
) -> None:
    ledger = Ledger()
    for mark in given:
        ledger = ledger.then(mark)
        if data.draw(st.booleans()):
            _ = ledger.attempted
    whole = Ledger.of(given)
    assert ledger == whole
    assert ledger.marks == tuple(given)
    for name in ("attempted", "acknowledged", "refused", "standing", "finally_refused"):
        assert getattr(ledger, name) == getattr(whole, name)
        assert list(getattr(ledger, name)) == list(getattr(whole, name))
    for name in ("effects", "printed", "told", "observed", "world", "deaths", "restarts"):
        assert getattr(ledger, name) == getattr(whole, name)


@given(st.lists(marks, max_size=6), st.lists(marks, max_size=6))
def test_keys_are_equal_exactly_for_equal_marks(one: list[Mark], other: list[Mark]) -> None:
    assert (Ledger.of(one).key == Ledger.of(other).key) == (one == other)
    assert (Ledger.of(one) == Ledger.of(other)) == (one == other)
    assert hash(Ledger.of(one)) == hash(Ledger.of(list(one)))


def test_the_order_of_details_does_not_show_in_the_key() -> None:
    one, other = Mark("told", "a", {"x": 1, "y": 2}), Mark("told", "a", {"y": 2, "x": 1})
    assert Ledger.of([one]).key == Ledger.of([other]).key


def test_a_long_ledger_can_be_copied_and_pickled() -> None:
    ledger = Ledger.of(Mark("attempted", str(number)) for number in range(5000))
    assert pickle.loads(pickle.dumps(ledger)) == ledger
    assert copy.deepcopy(ledger) == ledger


def test_growing_is_linear() -> None:
    began = time.process_time()
    ledger = Ledger.of(Mark("acknowledged", str(number)) for number in range(20_000))
    assert len(ledger.acknowledged) == 20_000
    assert time.process_time() - began < 2


def test_a_ledger_prints_as_a_summary() -> None:
    ledger = Ledger.of([Mark("attempted", "a"), Mark("acknowledged", "a")])
    assert repr(ledger) == "<Ledger of 2 marks: 1 attempted, 1 acknowledged, 0 refused, 0 effects>"
