"""Kill-points have the catalogue's names, read off the trace."""

import pytest

from harness.explore.kill_points import MEANING, explained, names_at
from harness.trace import Create, Fsync, Mark, Mkdir, Rename, Write

APPEND = [
    Mkdir(3, 2, "calls"),
    Create(4, 3, "log"),
    Mark("attempted", "e"),
    Write(4, 0, b"x"),
    Fsync(4),
    Fsync(3),
    Mark("acknowledged", "e"),
    Mark("effect", "dial"),
    Write(4, 1, b"y"),
    Fsync(4),
]


@pytest.mark.parametrize(
    ("position", "names"),
    [
        (0, ("K0",)),
        (2, ()),
        (3, ("K1",)),
        (4, ("K3",)),
        (5, ("K4",)),
        (6, ("K5",)),
        (7, ("K6",)),
        (8, ("K1", "K7", "K8")),
        (9, ("K3",)),
        (10, ()),
    ],
)
def test_an_append_has_its_names(position, names):
    assert names_at(APPEND, position) == names


def test_a_replacement_is_k10_from_the_first_byte_to_the_folder_sync():
    items = [
        Create(4, 2, "a"),
        Create(5, 2, "a.tmp"),
        Write(5, 0, b"x"),
        Fsync(5),
        Rename(5, 2, "a.tmp", 2, "a", 4),
        Fsync(2),
        Mark("printed"),
    ]
    inside = [position for position in range(len(items) + 1) if "K10" in names_at(items, position)]
    assert inside == [2, 3, 4, 5]


def test_a_death_of_the_restart_is_k9():
    assert "K9" in names_at(APPEND, 4, began=2, boot_end=5)
    assert "K9" not in names_at(APPEND, 6, began=2, boot_end=5)


def test_a_death_between_stopping_and_restarted_is_k11():
    items = [Mark("stopping"), Write(4, 0, b"x"), Mark("restarted"), Write(4, 1, b"y")]
    assert [position for position in range(5) if "K11" in names_at(items, position)] == [1, 2]


def test_every_name_is_explained():
    assert list(MEANING) == [f"K{n}" for n in range(12)]
    assert explained(("K3", "K10")) == "K3 after a write, before its sync; K10 while a file is being replaced"
    assert explained(()) == ""
