"""Litmus: tiny programs and their known outcome under each profile (durability.md, section 6).

Two kinds. A `Program` acknowledges records and has a contract; it is *held* under a profile when every legal image of
every kill-point fulfils it. A `Question` asks whether a certain image may be found at the end of a trace (the suite of
Bornholt et al., ASPLOS'16, is of this kind). The programs
are in `litmus_programs`, the questions in `litmus_questions` and, operation by operation, in `litmus_operations`.
"""

from collections.abc import Callable

import msgspec

from harness.disk import DiskImage
from harness.durability.crash_states import CrashStates
from harness.durability.profiles import Profile, with_sector_tears
from harness.trace import Item, Mark

Contract = Callable[[DiskImage, frozenset[int]], bool]
"""(image, numbers acknowledged before the death) -> fulfilled."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """`violated`: the profiles, of the table's six columns, that break the contract. `most_legal`, `images`: under
    `strict` with sector tears, the most legal states at one kill-point and the different images in all."""

    name: str
    base: DiskImage
    items: tuple[Item, ...]
    contract: Contract
    violated: frozenset[str]
    most_legal: int
    images: int


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """May an image that `shows` it be found after a power cut at the end? `may`: the profiles that allow it, and the
    `reason`: the rule that tells them from the others."""

    name: str
    base: DiskImage
    items: tuple[Item, ...]
    shows: Callable[[DiskImage], bool]
    may: frozenset[str]
    reason: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What a sweep of all kill-points of one program found."""

    held: bool
    most_legal: int
    images: int


def sweep(program: Program, profile: Profile) -> Outcome:
    """Judge every different image at every kill-point, those inside writes included."""
    walk = CrashStates(program.base, profile)
    acknowledged: frozenset[int] = frozenset()
    held, most_legal = True, 0
    keys: set[tuple[int, ...]] = set()
    for position in range(len(program.items) + 1):
        points = [walk.at()]
        if position < len(program.items):
            points.append(walk.during(program.items[position]))
        for point in points:
            most_legal = max(most_legal, point.legal)
            for _, image in point.states():
                keys.add(image.state_key)
                held = held and program.contract(image, acknowledged)
        if position < len(program.items):
            item = program.items[position]
            walk.feed(position, item)
            if isinstance(item, Mark) and item.kind in ("acknowledged", "observed"):
                acknowledged |= {int(item.event)}
    return Outcome(held, most_legal, len(keys))


def sweep_in_sectors(program: Program, profile: Profile) -> Outcome:
    """As `sweep`, with writes that stop at sector boundaries only: the numbers of the table."""
    return sweep(program, with_sector_tears(profile))


def may_show(question: Question, profile: Profile) -> bool:
    """Whether any legal image at the end of the trace shows what the question asks for."""
    walk = CrashStates(question.base, profile)
    for position, item in enumerate(question.items):
        walk.feed(position, item)
    return any(question.shows(image) for _, image in walk.at().states())
