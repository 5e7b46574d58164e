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

PLAIN: Final = 64
"""Disks of a profile that are looked up, at each kill-point with the same marks, where it does not allow the very disk."""

KILL_POINTS: Final = 64
"""Kill-points with the same marks that are looked at, the hit's own and those before it first."""


def exposing(run: RecordedRun, hit: Hit, bad: frozenset[StateKey]) -> tuple[str, ...]:
    """The profiles that allow one of these disks after the hit's marks, all of PROFILES asked. `bad`: those of one cause."""
    found = tuple(
        name for name, rules in PROFILES.items() if name == hit.state.profile or _exposes(run, hit, rules, bad)
    )
    return found or (hit.state.profile,)


def _exposes(run: RecordedRun, hit: Hit, rules: Profile, bad: frozenset[StateKey]) -> bool:
    first = next(at for at in range(run.end + 1) if run.told_at(at) == hit.told)
    last = next((at - 1 for at in range(first, run.end + 1) if run.told_at(at) != hit.told), run.end)
    wanted = range(max(first, hit.position - KILL_POINTS + 1), min(last, hit.position + KILL_POINTS) + 1)
    walk = CrashStates(run.base, rules)
    try:
        for position in range(wanted.stop):
            if position in wanted:
                points = [walk.at()]
                if position < run.end and isinstance(run.items[position], Write) and rules.medium == "page-cache":
                    points.append(walk.during(run.items[position]))
                if any(_may_be(point, hit.image) or _any_of(point, bad) for point in points):
                    return True
            if position < run.end:
                walk.feed(position, run.items[position])
    except ValueError:  # the profile does not model what happened here
        return False
    return False


def _may_be(point: KillPoint, wanted: CrashImage) -> bool:
    if point.holds_cut(wanted):
        return True
    return any(scene.holds(wanted) for scene in point.scenes() or ())


def _any_of(point: KillPoint, bad: frozenset[StateKey]) -> bool:
    return any(image.state_key in bad for _, image in itertools.islice(point.states(), PLAIN))
