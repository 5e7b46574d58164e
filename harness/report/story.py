"""A played case as data to be drawn: chapters of events, what each operation became, the disks before and after a death.

Frozen records without any harness object in them; `retelling` makes them from a replay. Bytes are whole here: whoever
shows them decides how many, and says what was left out.
"""

from typing import Final, Literal, TypeAlias

import msgspec

Lane: TypeAlias = Literal["world", "subject", "operation"]

Fate: TypeAlias = Literal["none", "waiting", "durable", "survived", "missing", "partly", "given-up", "removed"]
"""What became of an operation at the end of its chapter: see `FATES`."""

FATES: Final[dict[Fate, str]] = {
    "none": "",
    "waiting": "only in the page cache",
    "durable": "on the disk",
    "survived": "not synced, survived by luck",
    "missing": "did not survive",
    "partly": "survived in part",
    "given-up": "given up by a failed sync",
    "removed": "its file was durably removed",
}


class Payload(msgspec.Struct, frozen=True):
    """The bytes that an operation wrote, and where in its file."""

    offset: int
    data: bytes


class Event(msgspec.Struct, frozen=True):
    """One thing that happened, in its lane. `durable_at`: the position of the sync after which it cannot be lost.

    `at_s`: seconds since the chapter began. `kind` is that of a mark, the name of an operation, or "note".
    """

    position: int
    at_s: float
    lane: Lane
    kind: str
    words: str
    source: str = ""
    fate: Fate = "none"
    durable_at: int | None = None
    payload: Payload | None = None


class UnitFate(msgspec.Struct, frozen=True):
    """One part of an operation that was in the page cache only when the machine died, and whether it was found."""

    position: int
    words: str
    survived: bool


class Lacking(msgspec.Struct, frozen=True):
    """An operation that had not wholly reached the disk, and the line that issued it."""

    position: int
    words: str
    source: str


class DiffRow(msgspec.Struct, frozen=True):
    """Sixteen bytes at `offset` in the page cache and on the disk found; shorter, or empty, where a file ends."""

    offset: int
    before: bytes
    after: bytes


class FileChange(msgspec.Struct, frozen=True):
    """One path on the disk that the subject believed in (`before`) and on the one found (`after`), in words."""

    path: str
    before: str
    after: str
    changed: bool
    first: int | None = None
    rows: tuple[DiffRow, ...] = ()
    rows_left_out: int = 0


class Crash(msgspec.Struct, frozen=True):
    """A death at the end of a chapter. `units` are what was pending; none for a process death."""

    words: str
    profile: str
    position: int
    units: tuple[UnitFate, ...]
    lacking: tuple[Lacking, ...]
    files: tuple[FileChange, ...]


class Chapter(msgspec.Struct, frozen=True):
    """A life of the subject, or a stretch of a history. `began`, `end`: positions of its trace."""

    title: str
    began: int
    end: int
    events: tuple[Event, ...]
    crash: Crash | None = None
    ruled_by: str = ""
    """The durability profile by which `fate` and `durable_at` are told; "" where they are not."""


class Story(msgspec.Struct, frozen=True):
    """A whole case. `told`: (phase, verdict, summary) of each violation that shows now; none where it holds now."""

    verdict: str
    guarantee: str
    summary: str
    scenario: str
    workload: str
    seed: int
    phase: str
    profile: str
    fault: str
    operation: str
    source: str
    profiles: tuple[str, ...]
    steps: tuple[str, ...]
    chapters: tuple[Chapter, ...]
    told: tuple[tuple[str, str, str], ...]
    shows: bool
    matches: bool
    warnings: tuple[str, ...] = ()
