"""What a reader must know of the lines of a story: how often they ran, and which files and folders they concern."""

from collections.abc import Iterable

import msgspec

from harness.advice.placement import Placement, Sync, placements, syncs
from harness.advice.variant import Story
from harness.explore.inode_names import names_of
from harness.trace import Item, SyncAll

NAMED_MOST = 4
"""Names that are kept of the files that one line works on; temporary files have a new one each time."""


class Place(msgspec.Struct):
    """One line's executions, and the paths it concerned (the first few, in order)."""

    executions: int = 0
    paths: list[str] = msgspec.field(default_factory=list)
    entries: list[str] = msgspec.field(default_factory=list)

    def add(self, other: "Place") -> None:
        self.executions += other.executions
        self.paths = _first([*self.paths, *other.paths])
        self.entries = _first([*self.entries, *other.entries])


class Survey(msgspec.Struct):
    """Of one story, or of several joined: where syncs could be added, and where they stand."""

    placements: dict[Placement, Place] = msgspec.field(default_factory=dict)
    syncs: dict[Sync, Place] = msgspec.field(default_factory=dict)

    def add(self, other: "Survey") -> None:
        for placement, place in other.placements.items():
            self.placements.setdefault(placement, Place()).add(place)
        for sync, place in other.syncs.items():
            self.syncs.setdefault(sync, Place()).add(place)

    def executions(self, placement: Placement) -> int:
        return self.placements[placement].executions if placement in self.placements else 0


def survey(story: Story) -> Survey:
    items = story.items
    names = names_of(story.base, items)
    found = Survey()
    for placement, occurrences in placements(items, story.sources).items():
        changed = [one.position - (placement.when == "after") for one in occurrences]
        found.placements[placement] = Place(
            len(occurrences),
            _first(names.get(one.ino, f"inode {one.ino}") for one in occurrences),
            _first(_entry(items[position], placement.what) for position in changed),
        )
    for sync, positions in syncs(story.base, items, story.sources).items():
        found.syncs[sync] = Place(len(positions), _first(_synced(items[position], names) for position in positions))
    return found


def in_words(placement: Placement, place: Place) -> str:
    """ "fsync the directory of calls.jsonl (/data) after store.py:88"."""
    line, path = placement.line, place.paths[0] if place.paths else "the file"
    others = f" (and {len(place.paths) - 1} more)" if len(place.paths) > 1 else ""
    if placement.what == "file":
        name = path.rpartition("/")[2]
        where = f"before the rename at {line}" if placement.when == "before" else f"after {line}"
        return f"fsync {name}{others} {where}"
    kind = "old directory" if placement.what == "old directory" else "directory"
    entry = place.entries[0] if place.entries else "it"
    return f"fsync the {kind} of {entry} ({path}) after {line}"


def _entry(item: Item, what: str) -> str:
    name = getattr(item, "name", "")
    return str(name if what == "old directory" else getattr(item, "new_name", name))


def _synced(item: Item, names: dict[int, str]) -> str:
    return "everything" if isinstance(item, SyncAll) else names.get(getattr(item, "ino", 0), "an inode")


def _first(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))[:NAMED_MOST]
