"""Units: the parts of an operation that persist, or not, each for itself (durability.md, section 1).

A write falls into one `DataUnit` for each 512-byte sector it touches and, where it extends the file, one `SizeUnit`
for each sector boundary that it crosses and one for its end. A change of names is one `EntryUnit`, or as many as the
profile tears a rename into (Pillai et al., OSDI'14: remove the target, remove the source, link).

Not modelled: a folder with two names. A move of a folder is one unit where renames are atomic anywhere; under `ext2`
its parts persist source first, so that a folder can be lost and never doubled (a disk image is a tree).
"""

from typing import TypeAlias

import msgspec

from harness.disk import SECTOR
from harness.durability.profiles import Profile
from harness.trace import (
    Create,
    Item,
    Link,
    Mkdir,
    Rename,
    Rmdir,
    Symlink,
    Truncate,
    Unlink,
    Write,
)


class UnitId(msgspec.Struct, frozen=True, gc=False, order=True):
    """The stable name of a unit: the trace position of its operation, and which part of it."""

    operation: int
    part: int


class DataUnit(msgspec.Struct, eq=False):
    """`data` lands at byte `start` of file `ino`, all of it within `sector`."""

    id: UnitId
    ino: int
    sector: int
    start: int
    data: bytes
    bit: int = 0
    down: int = 0

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class SizeUnit(msgspec.Struct, eq=False):
    """The size of file `ino` becomes `size`; a shrink discards every earlier byte from there on."""

    id: UnitId
    ino: int
    previous: int
    size: int
    bit: int = 0
    down: int = 0

    @property
    def shrinks(self) -> bool:
        return self.size < self.previous


Edit: TypeAlias = tuple[int, str, int | None]
"""(folder, name, inode that the name gets; None where it goes)."""


class EntryUnit(msgspec.Struct, eq=False):
    """Names change: all `edits` at once.

    `moves_folder`: the move of a folder. `makes_folder`: a mkdir. `replaces`: the inode that a rename puts over an
    existing name (0: none).
    """

    id: UnitId
    edits: tuple[Edit, ...]
    moves_folder: bool = False
    replaces: int = 0
    makes_folder: bool = False
    bit: int = 0
    down: int = 0


Unit: TypeAlias = DataUnit | SizeUnit | EntryUnit


def units_of(op: Item, position: int, profile: Profile, size: int, of_folder: bool) -> list[Unit]:
    """The units of `op` at trace `position`, in the order in which they are issued; none for syncs and marks.

    `size`: volatile size of the file before the operation, in bytes (writes and truncations);
    `of_folder`: whether a rename moves a folder, or exchanges with one.
    """
    match op:
        case Write(ino=ino, offset=offset, data=data):
            return _write_units(position, ino, offset, data, size)
        case Truncate(ino=ino, size=wanted):
            return _truncate_units(position, ino, size, wanted)
        case Create(ino=ino, parent=parent, name=name) | Link(ino=ino, parent=parent, name=name):
            return [EntryUnit(UnitId(position, 0), ((parent, name, ino),))]
        case Symlink(ino=ino, parent=parent, name=name):
            return [EntryUnit(UnitId(position, 0), ((parent, name, ino),))]
        case Mkdir(ino=ino, parent=parent, name=name):
            return [EntryUnit(UnitId(position, 0), ((parent, name, ino),), makes_folder=True)]
        case Unlink(parent=parent, name=name) | Rmdir(parent=parent, name=name):
            return [EntryUnit(UnitId(position, 0), ((parent, name, None),))]
        case Rename():
            return _rename_units(op, position, profile, of_folder)
        case _:
            return []


def _write_units(position: int, ino: int, offset: int, data: bytes, size: int) -> list[Unit]:
    units: list[Unit] = []
    start, end = offset, offset + len(data)
    while start < end:
        sector = start // SECTOR
        stop = min(end, (sector + 1) * SECTOR)
        piece = data[start - offset : stop - offset]
        units.append(DataUnit(UnitId(position, len(units)), ino, sector, start, piece))
        start = stop
    if data and end > size:
        # The boundaries inside a gap are no sizes of their own: nothing is written there.
        boundary = (max(size, offset) // SECTOR + 1) * SECTOR
        previous = size
        for reached in (*range(boundary, end, SECTOR), end):
            units.append(SizeUnit(UnitId(position, len(units)), ino, previous, reached))
            previous = reached
    return units


def _truncate_units(position: int, ino: int, size: int, wanted: int) -> list[Unit]:
    if wanted == size:
        return []
    units: list[Unit] = [SizeUnit(UnitId(position, 0), ino, size, wanted)]
    edge = min(size, -(-wanted // SECTOR) * SECTOR)
    if wanted < edge:
        units.append(DataUnit(UnitId(position, 1), ino, wanted // SECTOR, wanted, bytes(edge - wanted)))
    return units


def _rename_units(op: Rename, position: int, profile: Profile, of_folder: bool) -> list[Unit]:
    # Named `replaces` even where an exchange keeps the other inode: its name is taken over, its data must be there.
    gone: Edit = (op.parent, op.name, op.replaced if op.exchanged else None)
    there: Edit = (op.new_parent, op.new_name, op.ino)
    one_directory = op.parent == op.new_parent
    atomic = profile.atomic_rename == "yes" or (
        profile.atomic_rename == "same-directory" and (one_directory or of_folder)
    )
    replaces = op.ino if op.replaced is not None else 0
    if atomic or (op.exchanged and of_folder):
        return [EntryUnit(UnitId(position, 0), (gone, there), moves_folder=of_folder, replaces=replaces)]
    edits = [gone, there]
    if profile.atomic_rename == "no" and op.replaced is not None and not op.exchanged:
        edits.insert(0, (op.new_parent, op.new_name, None))
    return [
        EntryUnit(
            UnitId(position, part),
            (edit,),
            moves_folder=of_folder,
            replaces=replaces if edit is there else 0,
        )
        for part, edit in enumerate(edits)
    ]
