"""Lists and numbers reduced to what is needed, by any predicate."""

from hypothesis import given
from hypothesis import strategies as st

from harness.shrinking.fewest import fewest, least

LISTS = st.lists(st.integers(), max_size=24, unique=True)


@given(LISTS, st.data())
def test_what_is_needed_and_only_that_is_left_in_order(items, data):
    needed = data.draw(st.sets(st.sampled_from(items))) if items else set()
    assert fewest(items, lambda some: needed <= set(some)) == tuple(item for item in items if item in needed)


@given(LISTS, st.randoms(use_true_random=False))
def test_nothing_of_the_result_can_be_left_out_alone(items, random):
    answers = {tuple(items): True}

    def shows(some):
        return answers.setdefault(some, random.random() < 0.4)

    left = fewest(items, shows)
    assert shows(left) or left == tuple(items)
    if len(left) > 1:
        assert not any(shows(left[:n] + left[n + 1 :]) for n in range(len(left)))


def test_a_hundred_items_of_which_two_count_take_few_tries():
    tried = []
    fewest(range(100), lambda some: tried.append(some) is None and {17, 80} <= set(some))
    assert len(tried) < 60


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_a_number_falls_to_its_threshold(a, b, c):
    lowest, threshold, number = sorted((a, b, c))
    assert least(number, lowest, lambda n: n >= threshold) == threshold


@given(st.integers(0, 60), st.sets(st.integers(0, 60)))
def test_the_next_lower_number_does_not_show_it(number, showing):
    found = least(number, 0, showing.__contains__)
    assert found == number or found in showing
    assert found == 0 or found - 1 not in showing
