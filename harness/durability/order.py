"""Order: which pending units must have persisted before another one (durability.md, section 2, rules 1 to 7).

Every unit carries a bit and `down`, the mask of itself and all its predecessors. The masks are closed under
transitivity and built in one step for each unit, from running masks: the last unit of a sector, of a name, of a folder.
Bits of units that became durable stay in older masks and mean nothing: whoever reads a mask cuts it with `pending`.

Source of the rules: Pillai et al., OSDI'14, table 1 (which re-orderings a file system was seen to do); Bornholt et al.,
ASPLOS'16, definition 3 and figure 3.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from harness.disk import SECTOR
from harness.durability.profiles import Profile
from harness.durability.units import DataUnit, EntryUnit, SizeUnit, Unit

_Key = TypeVar("_Key")
_Chains = Mapping[int, Sequence[DataUnit]]


class Order:
    """The running masks of one walk under one profile."""

    __slots__ = (
        "_directories",
        "_everything",
        "_extending",
        "_files",
        "_journal",
        "_let_go",
        "_moves",
        "_names",
        "_profile",
        "_shrunk",
        "_sizes",
    )

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self.forget()

    def forget(self) -> None:
        """Nothing is pending any more: no unit has a predecessor."""
        self._everything = 0
        self._extending = 0
        self._journal = 0
        self._moves = 0
        self._let_go = 0
        self._names: dict[tuple[int, str], int] = {}
        self._directories: dict[int, int] = {}
        self._sizes: dict[int, int] = {}
        self._files: dict[int, int] = {}
        self._shrunk: dict[int, int] = {}

    def shift(self, bits: int) -> None:
        """The lowest `bits` bits are durable: make all masks that much shorter."""
        self._change(lambda mask: mask >> bits)
        self._let_go >>= bits

    def let_go(self, dropped: int) -> None:
        """Data that a failed sync marked clean precedes nothing any more but later data of its own sectors."""
        self._change(lambda mask: mask & ~dropped)
        self._let_go |= dropped

    def _change(self, change: Callable[[int], int]) -> None:
        self._everything = change(self._everything)
        self._extending = change(self._extending)
        self._journal = change(self._journal)
        self._moves = change(self._moves)
        _change_all(self._names, change)
        _change_all(self._directories, change)
        _change_all(self._sizes, change)
        _change_all(self._files, change)

    def admit(self, unit: Unit, sectors: _Chains) -> None:
        """Set `unit.down`; `sectors`: the file's pending data by sector, oldest first, without `unit`."""
        down = unit.bit
        if self._profile.append == "total":
            down |= self._everything
        elif self._profile.append == "ordered":
            down |= self._extending
        match unit:
            case DataUnit(ino=ino):
                chain = sectors.get(unit.sector)
                if chain:
                    down |= chain[-1].down
                self._files[ino] = self._files.get(ino, 0) | down
            case SizeUnit(ino=ino):
                down |= self._before_size(unit, sectors)
                self._sizes[ino] = down
                self._files[ino] = self._files.get(ino, 0) | down
                if unit.shrinks:
                    self._shrunk[ino] = unit.id.operation
                if not unit.shrinks:
                    self._extending |= down
                elif self._profile.commit_together:
                    self._journal |= down
            case EntryUnit():
                down |= self._before_entry(unit)
                for directory, name, _ in unit.edits:
                    self._names[directory, name] = self._names.get((directory, name), 0) | down
                    self._directories[directory] = self._directories.get(directory, 0) | down
                if unit.moves_folder:
                    self._moves |= down
                self._journal |= down
                self._extending |= down
        self._everything |= down
        unit.down = down

    def _before_size(self, unit: SizeUnit, sectors: _Chains) -> int:
        down = self._sizes.get(unit.ino, 0)  # rule 1
        if unit.shrinks:
            # Rule 9: shrinks and entries are members of one journal, committed in order.
            return down | self._journal if self._profile.commit_together else down
        if self._profile.data_before_size:
            down |= _exposed(unit, sectors, self._shrunk.get(unit.ino, -1), self._let_go)
        return down

    def _before_entry(self, unit: EntryUnit) -> int:
        profile = self._profile
        down = 0
        for directory, name, _ in unit.edits:
            down |= self._names.get((directory, name), 0)  # rule 2
            if profile.dirent_order == "same-directory":
                down |= self._directories.get(directory, 0)
        if profile.dirent_order == "all":
            down |= self._journal
        if unit.moves_folder:
            down |= self._moves  # rule 4; it also chains the parts of one torn move
        if unit.replaces and profile.safe_rename:
            down |= self._files.get(unit.replaces, 0)  # rule 6
        return down


def _change_all(masks: dict[_Key, int], change: Callable[[int], int]) -> None:
    for key, mask in masks.items():
        masks[key] = change(mask)


def _exposed(unit: SizeUnit, sectors: _Chains, shrunk: int, let_go: int) -> int:
    """Rule 5: the data that this size makes visible; what a shrink (at trace position `shrunk`) discarded is none, and
    nobody waits for what a failed sync has let go."""
    down = 0
    first, last = unit.previous // SECTOR, (unit.size - 1) // SECTOR
    touched: Iterable[int] = range(first, last + 1)
    if last - first >= len(sectors):
        touched = [sector for sector in sectors if first <= sector <= last]
    for sector in touched:
        for data in reversed(sectors.get(sector, ())):
            if data.id.operation < shrunk:
                break
            if data.start < unit.size and data.end > unit.previous and not data.bit & let_go:
                down |= data.down
                break
    return down
