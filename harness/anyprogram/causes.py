"""Causes: which operation was not on the disk when a checker refused it; and one group for all disks of one cause.

A refused disk often lacks more than what broke it. Since the sweep has judged the lighter disks too, no checker is needed
to find the least: missing pieces are given back, one after the other, as long as the disk that comes out was refused as
well. What is left is a smallest set; its first operation is the cause. A disk that lacks all of a known smallest set, and
more, is counted to it.

A torn write is its own cause, a disk that lacks nothing has the last operation before the death.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from harness.anyprogram.recorded_run import RecordedRun
from harness.anyprogram.sweep import Hit, refused
from harness.durability.counting import bits_of
from harness.durability.crash_states import CrashStates
from harness.durability.legality import walk_to
from harness.durability.missing import missing_operations
from harness.durability.profiles import profile
from harness.durability.trees import StateKey
from harness.durability.units import UnitId
from harness.explore.inode_names import names_of
from harness.trace import Mark, Source, Write, describe

_NUMBERS: Final = re.compile(
    r"\d+(?:st|nd|rd|th)\b"
    r"|\btmp[a-z0-9_]{8}\b|(?<=[._-])(?=[A-Za-z0-9]*[A-Z])(?=[A-Za-z0-9]*[a-z])[A-Za-z0-9]{6,}\b"  # mkstemp(3)
    r"|\b(?=[0-9a-f]*\d)[0-9a-f]{2,}\b|(?<=/)[0-9a-f]{2}(?=/|\b)"
    r"|\d+"
)
"""What differs between the calls of one line of a program: counts, offsets, digests, random names."""

EFFORT: Final = 4_000_000
"""Pieces looked at in giving back, over all hits, a few seconds; the hits after that are taken as they are."""


class Group(msgspec.Struct):
    """`members`: all hits of one cause. `example` lacks the least, at the earliest kill-point; it need not be one of them."""

    verdict: str
    example: Hit
    members: list[Hit] = msgspec.field(default_factory=list)
    operation: str = ""
    source: str = ""

    @property
    def weight(self) -> int:
        return weight_of(self.example)


def weight_of(hit: Hit) -> int:
    """How much the disk lacks: pieces, or one for a torn write."""
    return len(hit.state.missing) + (hit.state.cut is not None)


def groups_of(run: RecordedRun, hits: Sequence[Hit]) -> list[Group]:
    """The groups, the one that lacks the least first, then in the order of their kill-points."""
    groups: dict[tuple[str, str, str], Group] = {}
    names = names_of(run.base, run.items)
    for hit, members in _lightest(run, hits):
        position = _cause(run, hit)
        kind = describe(run.items[position], names) if position is not None else ""
        source = run.sources[position] if position is not None else None
        key = (hit.answer.verdict, _alike(kind), _place(source))
        group = groups.setdefault(key, Group(hit.answer.verdict, hit))
        if (weight_of(hit), hit.position) < (group.weight, group.example.position):
            group.example = hit
        group.members += members
    for group in groups.values():
        position = _cause(run, group.example)
        source = run.sources[position] if position is not None else None
        group.source = str(source) if source is not None else ""
        group.operation = _in_words(run, group.example, position, names)
    return sorted(groups.values(), key=lambda group: (group.weight, group.example.position))


def _place(source: Source | None) -> str:
    """A source line is itself; of a call that is only known by its place, the place without its number."""
    if source is None:
        return ""
    return str(source) if source.line else _alike(str(source))


def _alike(words: str) -> str:
    """The words without their numbers: a hundred appends to one log are one cause."""
    return _NUMBERS.sub("#", words)


def _cause(run: RecordedRun, hit: Hit) -> int | None:
    """The position of the operation that had not, or not wholly, reached the disk; of the last one where all had."""
    if hit.state.cut is not None:
        return hit.state.cut[0]
    if hit.state.missing:
        return min(unit.operation for unit in hit.state.missing)
    return next((at for at in range(hit.position - 1, -1, -1) if not isinstance(run.items[at], Mark)), None)


def _in_words(run: RecordedRun, hit: Hit, position: int | None, names: Mapping[int, str]) -> str:
    if position is None:
        return "nothing had been written"
    item = run.items[position]
    if hit.state.cut is not None:
        assert isinstance(item, Write)
        kept, length = hit.state.cut[1], len(item.data)
        if hit.state.profile == "process":
            return f"killed after {kept} bytes of: {describe(item, names)}"
        return f"{length - kept} of {length} bytes of the write to {names.get(item.ino, f'inode {item.ino}')}"
    if not hit.state.missing:
        return f"last before the death: {describe(item, names)}"
    missing = dict(missing_operations(run.base, run.items, hit.state))
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return missing.get(position, describe(item, names)) + more


def _lightest(run: RecordedRun, hits: Sequence[Hit]) -> list[tuple[Hit, list[Hit]]]:
    """(a refused disk that lacks the least there is of its kind, the hits that it stands for)."""
    by_told = refused(hits)
    stands_for: dict[int, tuple[Hit, list[Hit]]] = {}
    known: dict[tuple[str, int, str], list[tuple[frozenset[UnitId], Hit]]] = {}
    walks: dict[str, CrashStates] = {}
    ordered = sorted(hits, key=lambda hit: (hit.state.profile, hit.position, weight_of(hit)))
    left = EFFORT
    for hit in ordered:
        light = hit
        if hit.state.missing and hit.state.cut is None:
            walk = _walk_at(run, hit, walks)
            tries = len(hit.state.missing) * len(walk.disk.units)
            if left > 0:
                left -= tries
                light = _given_back(walk, hit, {hit.key: hit})
            smallest = known.setdefault((hit.state.profile, hit.position, hit.answer.verdict), [])
            lacking = frozenset(light.state.missing)
            found = next((one for missing, one in smallest if missing <= lacking), None)
            if found is None:
                found = light
                if left > 0:
                    left -= tries
                    found = _given_back(walk, light, by_told[hit.told])
                smallest.append((frozenset(found.state.missing), found))
            light = found
        stands_for.setdefault(id(light), (light, []))[1].append(hit)
    return list(stands_for.values())


def _walk_at(run: RecordedRun, hit: Hit, walks: dict[str, CrashStates]) -> CrashStates:
    """The walk of the hit's profile at its kill-point; hits come in the order of a profile's kill-points."""
    name = hit.state.profile
    walk = walks.get(name)
    if walk is None or walk.position > hit.position:
        walk = walks[name] = walk_to(run.base, run.items, 0, profile(name))
    for position in range(walk.position, hit.position):
        walk.feed(position, run.items[position], run.sources[position])
    return walk


def _given_back(walk: CrashStates, hit: Hit, bad: Mapping[StateKey, Hit]) -> Hit:
    """The hit with as few missing pieces as can be, while the disk stays one that was refused."""
    disk = walk.disk
    pending = disk.pending
    bit_of = {unit.id: bit for bit, unit in disk.units.items()}
    survived = pending
    for name in hit.state.missing:
        survived &= ~bit_of[name]
    point = walk.at()
    changed = True
    while changed:
        changed = False
        for bit in list(bits_of(pending & ~survived)):
            if bit & survived:
                continue
            fuller = survived | (disk.units[bit].down & pending)
            state, image = point.state_with(fuller)
            other = bad.get(image.state_key)
            if other is not None and other.answer.verdict == hit.answer.verdict:
                survived, changed = fuller, True
                hit = Hit(hit.told, hit.position, state, image.state_key, image, other.answer)
    return hit
