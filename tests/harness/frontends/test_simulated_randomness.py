"""Seeding is left out where nothing was drawn: what a life draws must not show whether it was."""

import random
from collections.abc import Callable, Iterator

import pytest

from harness.disk import DiskImage
from harness.frontends.simulated import Kernel, Redirection


@pytest.fixture(autouse=True)
def redirected() -> Iterator[None]:
    with Redirection.shared():
        yield


def draws(seed: int = 7) -> list[float]:
    """What the first life of a new kernel draws."""
    with Kernel(DiskImage.with_folders("/data"), seed=seed).activate():
        return [random.random(), random.gauss(0, 1), random.random()]


def nothing() -> None:
    pass


def draw() -> None:
    random.getrandbits(3)


def half_a_gauss() -> None:
    random.gauss(0, 1)


def seed() -> None:
    random.seed(7)


def foreign_state() -> None:
    random.setstate(random.Random(11).getstate())


def seed_past_our_seed() -> None:
    super(random.Random, random.random.__self__).seed(5)  # type: ignore[attr-defined]  # a bound method


def shuffle_and_put_back() -> None:
    state = random.getstate()
    random.shuffle([1, 2, 3])
    random.setstate(state)


@pytest.mark.parametrize(
    "before", [nothing, draw, half_a_gauss, seed, foreign_state, seed_past_our_seed, shuffle_and_put_back]
)
def test_a_life_draws_the_same_whatever_the_one_before_did(before: Callable[[], None]) -> None:
    expected = draws()
    with Kernel(DiskImage.with_folders("/data"), seed=7).activate():
        before()
    assert draws() == expected


def test_kernels_of_other_seeds_draw_otherwise() -> None:
    first = draws(1)
    assert draws(2) != first
    assert draws(1) == first


def test_a_second_activation_goes_on_differently() -> None:
    kernel, other = Kernel(DiskImage.with_folders("/data"), seed=3), Kernel(DiskImage.with_folders("/data"), seed=3)
    with kernel.activate():
        first = random.random()
    with other.activate():
        assert random.random() == first
    with kernel.activate():
        assert random.random() != first


def test_what_is_drawn_between_lives_does_not_show() -> None:
    expected = draws()
    random.random()
    assert draws() == expected
