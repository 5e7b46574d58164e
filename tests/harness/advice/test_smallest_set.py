"""The smallest set against a naive one, and what breaks ties."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.advice.examination import Chosen, Demand
from harness.advice.placement import Line, Placement
from harness.advice.smallest import smallest

PLACES = [Placement(Line("job.py", line), "after", "file") for line in range(6)]


def demand(*places: int, given: tuple[int, ...] = ()) -> Demand:
    return Demand(frozenset(PLACES[index] for index in given), frozenset(PLACES[index] for index in places))


def once(_: Placement) -> int:
    return 1


def naive(demands: list[Demand]) -> int | None:
    """The size of the smallest set that meets all, by trying all."""
    for size in range(len(PLACES) + 1):
        for chosen in itertools.combinations(PLACES, size):
            if all(one.met_by(frozenset(chosen)) for one in demands):
                return size
    return None


places = st.frozensets(st.sampled_from(PLACES), max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.builds(Demand, st.just(Chosen()), places), max_size=6))
def test_no_smaller_set_meets_all_demands(demands: list[Demand]) -> None:
    solution = smallest(demands, once)
    size = naive(demands)
    assert (solution is None) is (size is None)
    if solution is not None:
        assert len(solution.chosen) == size
        assert solution.smallest
        assert all(one.met_by(solution.chosen) for one in demands)


def test_one_sync_that_serves_two_demands_is_better_than_two() -> None:
    solution = smallest([demand(0, 2), demand(1, 2)], once)
    assert solution is not None and solution.chosen == {PLACES[2]}


def test_of_equal_sets_the_one_that_runs_less_often_is_chosen() -> None:
    runs = {PLACES[0]: 100, PLACES[1]: 2, PLACES[2]: 3}
    solution = smallest([demand(0, 1, 2)], lambda place: runs[place])
    assert solution is not None and solution.chosen == {PLACES[1]}


def test_a_demand_of_a_set_that_was_tried_holds_for_sets_that_contain_it() -> None:
    tried = demand(3, given=(0,))
    assert tried.met_by(frozenset({PLACES[1]}))
    assert not tried.met_by(frozenset({PLACES[0]}))
    solution = smallest([demand(0), tried], once)
    assert solution is not None and solution.chosen == {PLACES[0], PLACES[3]}


def test_what_nothing_meets_has_no_solution() -> None:
    assert smallest([demand(0), demand()], once) is None
