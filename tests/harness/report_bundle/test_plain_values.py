"""What the outside world remembers goes into a file and comes back as it was; nothing else does."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.plain_values import DEPTH, NotPlain, restored, stored

HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
PLAIN = st.recursive(
    HASHABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HASHABLE, inner, max_size=3) | st.sets(HASHABLE),
    max_leaves=10,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["tuple", "dict", "set", "bytes", "x"]), inner),
    max_leaves=12,
)


def typed(value):
    """The value with its types, in a form that tells 1 from True and 1.0."""
    if isinstance(value, list | tuple):
        return (type(value).__name__, [typed(one) for one in value])
    if isinstance(value, set | frozenset):
        return (type(value).__name__, sorted([typed(one) for one in value], key=repr))
    if isinstance(value, dict):
        return ("dict", [(typed(key), typed(one)) for key, one in value.items()])
    return (type(value).__name__, repr(value))


@given(PLAIN)
def test_a_plain_value_comes_back_as_it_was(value):
    again = restored(json.loads(json.dumps(stored(value))))
    assert typed(again) == typed(value)


@given(JSON)
def test_what_was_not_stored_is_refused_or_is_plain(value):
    try:
        restored(value)
    except NotPlain:
        return


@pytest.mark.parametrize("value", [object(), int, (1, object()), {"a": lambda: 1}, 1j, bytearray(b"x"), range(3)])
def test_a_value_of_another_type_is_named(value):
    with pytest.raises(NotPlain, match="cannot be kept as data"):
        stored(value)


def test_depth_is_bounded_both_ways():
    value: list[object] = []
    for _ in range(DEPTH + 2):
        value = [value]
    with pytest.raises(NotPlain, match="nested"):
        stored(value)
    with pytest.raises(NotPlain, match="nested"):
        restored(value)


def test_floats_come_back_to_the_last_bit():
    for value in (0.1, -0.0, math.inf, 1e-320):
        assert math.copysign(1, restored(stored(value))) == math.copysign(1, value) and restored(stored(value)) == value
