"""From a violation on one disk to a finding a person can act on: what was missing, who issued it, where it can happen.

The first violation of a group (verdict, guarantee, source line) is reduced to a disk on which as little as possible is
missing; later ones of the group are only counted.
"""

import itertools
from collections.abc import Callable
from typing import Final

import msgspec

from harness.disk import DiskImage
from harness.durability.crash_states import CrashStates
from harness.durability.legality import legal_under
from harness.durability.missing import missing_operations
from harness.durability.profiles import PROFILES, Profile, profile
from harness.durability.state import CrashState
from harness.explore.inode_names import names_of
from harness.explore.judging import Judged, Told
from harness.explore.kill_points import names_at
from harness.explore.recording import Recording
from harness.explore.saved_case import Death, SavedCase
from harness.explore.tally import Finding, Tally
from harness.faults import FaultPlan
from harness.trace import Mark, Source, describe

REDUCTIONS: Final = 256
"""Smaller disks tried for the first finding of a group."""

PLAIN: Final = 24
"""Disks of another profile tried before it is said not to expose a finding."""

JudgeAgain = Callable[[CrashState, DiskImage], Judged]


class Discovery(msgspec.Struct, frozen=True):
    """A violation and where it was seen: after these deaths of this recording, on this disk.

    `second` is the recording of the recovery in which the latter of two deaths happened, `recovery_plan` the faults that it
    met.
    """

    recording: Recording
    deaths: tuple[Death, ...]
    told: Told
    image: DiskImage | None = None
    second: Recording | None = None
    plan: FaultPlan | None = None
    recovery_plan: FaultPlan | None = None

    @property
    def last(self) -> Recording:
        return self.second if self.second is not None else self.recording


class Cause(msgspec.Struct, frozen=True):
    """The operation to look at first, in words, and the line that issued it: short, and with its whole path."""

    operation: str
    source: str
    place: Source | None = None


def cause_of(recording: Recording, death: Death | None) -> Cause:
    """The first operation that had not (wholly) reached the disk; at a process death, the last one before it."""
    if death is None:
        return Cause("", "")
    missing = (
        [] if death.state.profile == "process" else missing_operations(recording.base, recording.items, death.state)
    )
    if missing:
        position, words = missing[0]
        return _caused(words, recording, position)
    for position in range(min(death.position, recording.end) - 1, -1, -1):
        item = recording.items[position]
        if not isinstance(item, Mark):
            words = describe(item, names_of(recording.base, recording.items[:position]))
            return _caused(f"last before the death: {words}", recording, position)
    return Cause("nothing had been written", "")


def _caused(words: str, recording: Recording, position: int) -> Cause:
    source = recording.sources[position] if position < len(recording.sources) else None
    return Cause(words, str(source) if source is not None else "", source)


def report(tally: Tally, discovery: Discovery, again: JudgeAgain | None) -> None:
    """Add the violation to the tally: as a new finding, or to the count of its group."""
    told = discovery.told
    violation = told.violation
    death = discovery.deaths[-1] if discovery.deaths else None
    cause = cause_of(discovery.last, death)
    group = (violation.verdict, violation.guarantee, cause.source)
    for index, known in enumerate(tally.findings):
        if known.group == group and known.case.length <= _length(discovery):
            tally.findings[index] = msgspec.structs.replace(known, count=known.count + 1)
            return
    image = discovery.image
    if again is not None and death is not None and len(discovery.deaths) == 1:
        death, told, image = _reduce(discovery, death, again)
        violation = told.violation
        cause = cause_of(discovery.last, death)
    deaths = (*discovery.deaths[:-1], death) if death is not None else ()
    recording = discovery.recording
    case = SavedCase(
        scenario=recording.scenario.reference,
        workload=recording.workload,
        seed=recording.seed,
        profile=death.state.profile if death is not None else "process",
        verdict=violation.verdict,
        guarantee=violation.guarantee,
        summary=violation.summary,
        phase=told.phase,
        deaths=deaths,
        plan=discovery.plan,
        recovery_plan=discovery.recovery_plan,
    )
    tally.note(
        Finding(
            verdict=violation.verdict,
            guarantee=violation.guarantee,
            summary=violation.summary,
            phase=told.phase,
            workload=recording.workload,
            kill_point=death.position if death is not None else recording.end,
            operation=cause.operation,
            source=cause.source,
            place=cause.place,
            profiles=exposing(discovery, death, image, again),
            case=case,
            where=_where(discovery, death),
            fault=_faults(discovery),
        )
    )


def _where(discovery: Discovery, death: Death | None) -> tuple[str, ...]:
    if death is None:
        return ()
    last = discovery.last
    if death.state.cut is not None:
        return ("K2",)
    booting = last.boot_end if discovery.second is not None else last.began
    return names_at(last.items, death.position, began=last.began, boot_end=booting)


def _faults(discovery: Discovery) -> str:
    """What failed, in words; what failed in a recovery says so."""
    parts = [discovery.plan.describe()] if discovery.plan is not None else []
    if discovery.recovery_plan is not None:
        parts.append(f"during the recovery: {discovery.recovery_plan.describe()}")
    return "; ".join(parts)


def _length(discovery: Discovery) -> int:
    return 1 + (discovery.plan is not None) + (discovery.recovery_plan is not None) + len(discovery.deaths)


def _reduce(discovery: Discovery, death: Death, again: JudgeAgain) -> tuple[Death, Told, DiskImage | None]:
    """The same violation on the disk with the fewest missing pieces, among the states of this kill-point."""
    state = death.state
    here = _weight(state)
    if here == 0:
        return death, discovery.told, discovery.image
    recording = discovery.recording
    walk = CrashStates(recording.base, profile(state.profile), seed=recording.seed)
    for position in range(death.position):
        walk.feed(position, recording.items[position])
    smaller = [
        (other, image)
        for other, image in itertools.islice(walk.at().states(), 4_096)
        if 0 < _weight(other) < here or (_weight(other) == 0 and other.cut is None)
    ]
    smaller.sort(key=lambda pair: (_weight(pair[0]), pair[0].cut is not None))
    for other, image in smaller[:REDUCTIONS]:
        for told in again(other, image).violations:
            if (told.violation.verdict, told.violation.guarantee) == (
                discovery.told.violation.verdict,
                discovery.told.violation.guarantee,
            ):
                return Death(death.position, other), told, image
    return death, discovery.told, discovery.image


def _weight(state: CrashState) -> int:
    """How much is missing: pieces, or one for a torn append."""
    return len(state.missing) + (state.cut is not None)


def exposing(
    discovery: Discovery, death: Death | None, image: DiskImage | None, again: JudgeAgain | None
) -> tuple[str, ...]:
    """The profiles under which this violation can happen at this kill-point: on this disk, or on another one.

    Where the state can be judged again, the plainest `PLAIN` disks of each profile are tried as well: "not xfs" must not
    be said because xfs loses the same bytes in another way.
    """
    if death is None or image is None:
        return ()
    recording = discovery.last
    names: list[str] = []
    for name, rules in PROFILES.items():
        if rules.medium == "page-cache":
            exposed: bool | None = death.state.profile == name or _weight(death.state) == 0
        else:
            exposed = legal_under(recording.base, recording.items, death.position, image, rules)
            if not exposed and again is not None and death.state.profile != "process":
                exposed = _elsewhere(discovery, death.position, rules, again)
        if exposed:
            names.append(name)
    return tuple(names) if names else (death.state.profile,)


def _elsewhere(discovery: Discovery, position: int, rules: Profile, again: JudgeAgain) -> bool:
    recording = discovery.last
    wanted = discovery.told.violation
    try:
        walk = CrashStates(recording.base, rules, seed=recording.seed)
        for index in range(position):
            walk.feed(index, recording.items[index])
    except ValueError:  # the profile does not model what happened here
        return False
    return any(
        (told.violation.verdict, told.violation.guarantee) == (wanted.verdict, wanted.guarantee)
        for state, image in itertools.islice(walk.at().states(), PLAIN)
        for told in again(state, image).violations
    )
