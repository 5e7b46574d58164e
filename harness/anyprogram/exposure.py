"""Exposure: under which profiles a refused disk may be found. "This cannot happen on my file system" is what its reader
says first, so no profile is left out that allows this disk after the same marks, or another one refused for the same cause.
"""

import itertools
from typing import Final

from harness.anyprogram.recorded_run import RecordedRun
from harness.anyprogram.sweep import Hit
from harness.durability.crash_states import CrashStates, KillPoint
from harness.durability.profiles import PROFILES, Profile
from harness.durability.trees import CrashImage, StateKey
from harness.trace import Write

PLAIN: Final = 32
"""Disks of a profile that are looked up where it does not allow the very disk."""

KILL_POINTS: Final = 16
"""Kill-points with the same marks that are looked at on either side of the hit's own."""

BOUND: Final = 256
"""Versions of all names, at one kill-point, that are looked through for the very disk."""


def exposing(run: RecordedRun, hit: Hit, bad: frozenset[StateKey]) -> tuple[str, ...]:
    """The profiles that allow one of these disks after the hit's marks, all of PROFILES asked. `bad`: those of one cause."""
    found = tuple(
        name for name, rules in PROFILES.items() if name == hit.state.profile or _exposes(run, hit, rules, bad)
    )
    return found or (hit.state.profile,)


def _exposes(run: RecordedRun, hit: Hit, rules: Profile, bad: frozenset[StateKey]) -> bool:
    lost = frozenset(unit.operation for unit in hit.state.missing)
    near = _kill_points(run, hit)
    walk = CrashStates(run.base, rules, bound=BOUND)
    try:
        for position in range(near.stop):
            if position in near:
                point = walk.at()
                if rules.medium == "disk" and _without(walk, point, lost) in bad:
                    return True
                if position == hit.position and _here(run, walk, point, hit, bad):
                    return True
            if position < run.end:
                walk.feed(position, run.items[position])
    except ValueError:  # the profile does not model what happened here
        return False
    return False


def _here(run: RecordedRun, walk: CrashStates, point: KillPoint, hit: Hit, bad: frozenset[StateKey]) -> bool:
    points = [point]
    if point.position < run.end and isinstance(run.items[point.position], Write):
        points.append(walk.during(run.items[point.position]))
    return any(_may_be(one, hit.image) or _any_of(one, bad) for one in points)


def _kill_points(run: RecordedRun, hit: Hit) -> range:
    """Those around the hit's with the same marks."""
    first, last = hit.position, hit.position
    while first > 0 and run.told_at(first - 1) == hit.told and hit.position - first < KILL_POINTS:
        first -= 1
    while last < run.end and run.told_at(last + 1) == hit.told and last - hit.position < KILL_POINTS:
        last += 1
    return range(first, last + 1)


def _without(walk: CrashStates, point: KillPoint, lost: frozenset[int]) -> StateKey:
    """The fullest disk that lacks these operations: the plainest way in which another profile loses the same."""
    survived = gone = 0
    for bit, unit in walk.disk.units.items():
        if unit.id.operation in lost:
            gone |= bit
    for bit, unit in walk.disk.units.items():
        if not (unit.down | bit) & gone:
            survived |= bit
    return point.state_with(survived)[1].state_key


def _may_be(point: KillPoint, wanted: CrashImage) -> bool:
    if point.holds_cut(wanted):
        return True
    return any(scene.holds(wanted) for scene in point.scenes() or ())


def _any_of(point: KillPoint, bad: frozenset[StateKey]) -> bool:
    return any(image.state_key in bad for _, image in itertools.islice(point.states(), PLAIN))
