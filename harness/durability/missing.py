"""Missing: what had not reached the disk, operation by operation, in words."""

from collections.abc import Callable, Sequence

from harness.disk import DiskImage
from harness.durability.crash_states import CrashState
from harness.durability.legality import walk_to
from harness.durability.profiles import profile
from harness.durability.units import DataUnit, EntryUnit, SizeUnit, Unit
from harness.trace import Create, Item, Link, Mkdir, Rename, Rmdir, Symlink, Truncate, Unlink, Write

Place = Callable[[int], str]


def missing_operations(base: DiskImage, items: Sequence[Item], state: CrashState) -> list[tuple[int, str]]:
    """(position, words) of each operation that had not wholly reached the disk, in trace order; also of those that a
    failed sync kept off it for good, which no state has.

    "240 of 300 bytes of the write to /data/log", "the entry calls.jsonl in /data". ValueError for a state of another
    trace.
    """
    walk = walk_to(base, items, state.position, profile(state.profile))
    units = {unit.id: unit for unit in walk.disk.units.values()}
    lost: dict[int, list[Unit]] = {}
    for name in state.missing:
        if name not in units:
            raise ValueError(
                f"unit {name} is not pending at kill-point {state.position}: the state is of another trace"
            )
        lost.setdefault(name.operation, []).append(units[name])
    place = _places(base, items[: state.position])
    given_up: dict[int, list[Unit]] = {}
    for unit in walk.disk.given_up:
        given_up.setdefault(unit.id.operation, []).append(unit)
    words = {
        position: f"{_in_words(items[position], found, place)}, given up by a failed sync"
        for position, found in given_up.items()
    }
    words |= {
        position: _in_words(items[position], [*found, *given_up.get(position, ())], place)
        for position, found in lost.items()
    }
    if state.cut is not None:
        position, kept = state.cut
        write = items[position]
        assert isinstance(write, Write)
        words[position] = f"{len(write.data) - kept} of {len(write.data)} bytes of the write to {place(write.ino)}"
    return sorted(words.items())


def _places(base: DiskImage, items: Sequence[Item]) -> Place:
    """Inode -> the last path it had."""
    known = base.paths()

    def join(parent: int, name: str) -> str:
        return f"{known.get(parent, f'inode {parent}').rstrip('/')}/{name}"

    for item in items:
        match item:
            case Create() | Mkdir() | Symlink() | Link():
                known.setdefault(item.ino, join(item.parent, item.name))
            case Rename():
                old = known.get(item.ino)
                new = known[item.ino] = join(item.new_parent, item.new_name)
                if old is not None:
                    below = old + "/"
                    for ino, path in known.items():
                        if path.startswith(below):
                            known[ino] = new + path[len(old) :]
    return lambda ino: known.get(ino, f"inode {ino}")


def _in_words(item: Item, lost: Sequence[Unit], place: Place) -> str:
    match item:
        case Write(ino=ino, offset=offset, data=data):
            shown = min((unit.previous for unit in lost if isinstance(unit, SizeUnit)), default=offset + len(data))
            gone = {max(offset, shown), offset + len(data)}
            beyond = max(gone) - min(gone)
            zeroed = sum(max(0, min(unit.end, shown) - unit.start) for unit in lost if isinstance(unit, DataUnit))
            return f"{beyond + zeroed} of {len(data)} bytes of the write to {place(ino)}"
        case Truncate(ino=ino, size=size):
            if any(isinstance(unit, SizeUnit) for unit in lost):
                return f"the truncation of {place(ino)} to {size} bytes"
            return f"the zeros behind byte {size} of {place(ino)}"
        case Rename():
            return _rename_in_words(item, lost, place)
        case Unlink(parent=parent, name=name) | Rmdir(parent=parent, name=name):
            return f"the removal of {name} from {place(parent)}"
        case Create(parent=parent, name=name) | Mkdir(parent=parent, name=name):
            return f"the entry {name} in {place(parent)}"
        case Symlink(parent=parent, name=name) | Link(parent=parent, name=name):
            return f"the entry {name} in {place(parent)}"
        case _:
            raise AssertionError(f"{type(item).__name__} has no parts that could be missing")


def _rename_in_words(item: Rename, lost: Sequence[Unit], place: Place) -> str:
    entries = [unit for unit in lost if isinstance(unit, EntryUnit)]
    edits = {edit for unit in entries for edit in unit.edits}
    there = (item.new_parent, item.new_name, item.ino)
    old, new = (place(folder).rstrip("/") for folder in (item.parent, item.new_parent))
    whole = f"{old}/{item.name} to {new}/{item.new_name}"
    if any(len(unit.edits) > 1 for unit in entries):
        return f"the rename of {whole}"
    if there in edits:
        return f"the new name of the rename of {whole}"
    return f"the removal of the old name of the rename of {whole}"
