"""What became of each operation: when it was on the disk for certain, and whether it survived the death at the end.

Told by the durability profile of the death; of a killed process, or of a run without a death, by `strict`: there, only
what was synced is on the disk. Nothing is told of a trace whose failed syncs the profile does not model.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from harness.disk import DiskImage
from harness.durability.crash_states import CrashStates
from harness.durability.pending import UnmodelledPolicy
from harness.durability.profiles import PROFILES, profile
from harness.durability.state import CrashState
from harness.durability.units import DataUnit, EntryUnit, SizeUnit, Unit, UnitId
from harness.report.story import Fate, UnitFate
from harness.trace import Evict, FailedSync, Fdatasync, Fsync, Item, Revert, SyncAll

MOST_ITEMS: Final = 5_000
"""Longer traces are shown without the fates of their operations."""

PLAIN_RULES: Final = "strict"


class Fates(msgspec.Struct, frozen=True):
    """By trace position: what became of the operation, and the position of the sync that made it durable."""

    profile: str
    fates: Mapping[int, Fate]
    durable_at: Mapping[int, int]
    units: tuple[UnitFate, ...] = ()


UNKNOWN: Final = Fates("", {}, {})


def fates_of(
    base: DiskImage, items: Sequence[Item], state: CrashState | None, paths: Mapping[int, str], *, rules: str = ""
) -> Fates:
    """The fates of all operations of `items`, at whose end `state` was found (None: nobody died).

    `rules` overrides the profile where no state names one on a disk.
    """
    name = state.profile if state is not None and profile(state.profile).medium == "disk" else rules or PLAIN_RULES
    if len(items) > MOST_ITEMS or name not in PROFILES:
        return UNKNOWN
    try:
        return _walked(base, items, state, paths, name)
    except (UnmodelledPolicy, KeyError, TypeError):
        return UNKNOWN


def _walked(
    base: DiskImage, items: Sequence[Item], state: CrashState | None, paths: Mapping[int, str], name: str
) -> Fates:
    walk = CrashStates(base, profile(name))
    durable_at: dict[int, int] = {}
    removed: set[int] = set()
    for position, item in enumerate(items):
        if not isinstance(item, Fsync | Fdatasync | SyncAll | FailedSync | Evict | Revert):
            walk.feed(position, item)
            continue
        before = _waiting(walk)
        walk.feed(position, item)
        for gone in before.keys() - _waiting(walk).keys():
            unit = before[gone]
            if not isinstance(unit, EntryUnit) and unit.ino not in walk.disk.nodes:
                removed.add(gone.operation)
            durable_at[gone.operation] = position
    waiting = _waiting(walk)
    left: dict[int, set[bool]] = {}
    units: list[UnitFate] = []
    died_on_disk = state is not None and state.profile == name
    missing = set(state.missing) if state is not None and died_on_disk else set()
    for unit_id, unit in sorted(waiting.items()):
        survived = unit_id not in missing
        left.setdefault(unit_id.operation, set()).add(survived)
        if died_on_disk:
            units.append(UnitFate(unit_id.operation, unit_in_words(unit, paths), survived))
    fates: dict[int, Fate] = {at: "removed" if at in removed else "durable" for at in durable_at}
    given_up = {unit.id.operation for unit in walk.disk.given_up}
    for position, survivals in left.items():
        if durable_at.pop(position, None) is not None and position not in removed:
            survivals.add(True)
        if position in given_up:
            survivals.add(False)
        if died_on_disk:
            fates[position] = "partly" if len(survivals) == 2 else "survived" if True in survivals else "missing"
        else:
            fates[position] = "waiting"
    for position in given_up - left.keys():
        fates[position] = "given-up"
        durable_at.pop(position, None)
    if state is not None and died_on_disk and state.cut is not None:
        position, kept = state.cut
        fates[position] = "partly"
        units = [unit for unit in units if unit.position != position]
        units.append(UnitFate(position, f"the first {kept:,} bytes of the write", True))
        units.append(UnitFate(position, f"the bytes of the write behind the first {kept:,}", False))
    return Fates(name, fates, durable_at, tuple(units))


def _waiting(walk: CrashStates) -> dict[UnitId, Unit]:
    return {unit.id: unit for unit in walk.disk.units.values()}


def unit_in_words(unit: Unit, paths: Mapping[int, str]) -> str:
    """ "bytes 536 to 909 of /data/log", "size 536 to 909 of …", "the name log in /data"."""
    match unit:
        case DataUnit(ino=ino, start=start):
            return f"bytes {start:,} to {unit.end - 1:,} of {_place(ino, paths)}"
        case SizeUnit(ino=ino, previous=previous, size=size):
            return f"size of {_place(ino, paths)}: {previous:,} to {size:,} bytes"
        case _:
            return "; ".join(
                f"{'no name' if ino is None else 'the name'} {name} in {_place(folder, paths)}"
                for folder, name, ino in unit.edits
            )


def _place(ino: int, paths: Mapping[int, str]) -> str:
    return paths.get(ino, f"inode {ino}")
