"""What restarts showed, kept by all that they can depend on.

A process that starts is a fresh one: what it does follows from the disk, the outside world, the time, the seed and the
ledger, and what the judge says from these and the state seen before. Where all of them are equal, byte for byte, it has
been seen. Many crash states settle to one (a torn tail is cut, whatever its length was), so most last restarts of a
sweep have been seen; and a call that fails leaves the same behind with each errno.

Not kept: states and worlds that cannot be pickled, whose equality nobody knows; they are looked at each time.
"""

import pickle
from typing import Any, Final, Generic, TypeVar

from harness.disk import DiskImage, File, Folder, SymbolicLink
from harness.ledger import Ledger

KEPT_MOST: Final = 2_048
"""Restarts remembered at a time; a sweep that meets more of them starts anew."""

SeenT = TypeVar("SeenT")

Key = tuple[Any, ...]


class SeenRestarts(Generic[SeenT]):
    """Restarts seen by one sweep of one scenario with one seed."""

    def __init__(self) -> None:
        self._seen: dict[Key, SeenT] = {}
        self.spared = 0

    def get(self, key: Key | None) -> SeenT | None:
        if key is None or (found := self._seen.get(key)) is None:
            return None
        self.spared += 1
        return found

    def keep(self, key: Key | None, seen: SeenT) -> None:
        if key is None:
            return
        if len(self._seen) >= KEPT_MOST:
            self._seen.clear()
        self._seen[key] = seen


def key_of(
    disk: DiskImage, outside: object, at: float, now: Ledger, at_death: Ledger, fault_fired: bool, previous: object
) -> Key | None:
    """All that a fresh process and its judge depend on; None where it cannot be told.

    `outside`: a world's snapshot. `previous`: what the judge compares with.
    """
    try:
        world = outside if type(outside) is bytes else pickle.dumps(outside)
        state = pickle.dumps(previous)
    except Exception:  # what cannot be pickled says so in many ways
        return None
    return (_content(disk), world, at, now.key, at_death.key, fault_fired, state)


def _content(disk: DiskImage) -> Key:
    """The inodes by number: a fresh process hands out the numbers after them, and lists folders by them."""
    rows: list[object] = []
    for ino, node in sorted(disk.nodes.items()):
        match node:
            case File():
                rows += (ino, node.key)
            case Folder(entries=entries):
                rows += (ino, tuple(sorted(entries.items())))
            case SymbolicLink(target=target):
                rows += (ino, target)
    return tuple(rows)
