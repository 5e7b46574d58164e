"""All violations that a variant of a story has under one profile.

Covered: every kill-point and every crash state, modulo contents that recovery never read. Not covered: deaths during
the recoveries that follow; a workload that restarts its subject by itself has the syncs of a restart in its trace.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from harness.advice.judged_story import Class, Complaint, JudgedStory
from harness.advice.variant import Instant, Stop, Story, Variant, instants
from harness.durability.profiles import Profile, with_sector_tears
from harness.durability.state import CrashState
from harness.trace import Write

BYTE_TEARS_UPTO: Final = 1_024
"""Bytes written by a story up to which a write may stop at any byte, if the profile says so.

Beyond it writes stop at sectors. A byte cut lacks all of its append, so that the syncs which take it away are those
which take away the state without the append; what a torn append breaks and a lost one does not is the recovery's
affair, and the sweeps of `harness run` try it at every byte.
"""


class Violating(msgspec.Struct, frozen=True):
    """A disk that breaks the contract, where it may be found, and its class.

    `owed` are the complaints that something missing from the disk is to blame for: the guarantees that hold at this
    moment when everything had reached it. Of all others no sync can be the cure: that disk is always a legal one.
    """

    moment: int
    state: CrashState
    complaints: tuple[Complaint, ...]
    owed: tuple[Complaint, ...]
    kind: Class


class Coverage(msgspec.Struct):
    """`complete` turns False where a bound left states out, or the sweep was stopped."""

    complete: bool = True


def rules_for(story: Story, rules: Profile) -> Profile:
    """The profile with tears that suit the size of the story."""
    written = sum(len(item.data) for item in story.items if isinstance(item, Write))
    return with_sector_tears(rules) if rules.tear == "byte" and written > BYTE_TEARS_UPTO else rules


def violations(
    judged: JudgedStory, rules: Profile, variant: Variant, covered: Coverage, *, bound: int, stop: Stop
) -> Iterator[Violating]:
    """Every violating class of disks at each moment, as it is found: the reader may have enough of them.

    ValueError where the profile does not model what happened (a failed sync).
    """
    for instant in instants(judged.story, rules_for(judged.story, rules), variant, bound):
        position = instant.position
        broken: frozenset[tuple[str, str]] | None = None
        states = instant.point.observable()
        for state, image in states:
            kind, seen = judged.look(position, state, image)
            states.read(seen.reads)
            if seen.complaints:
                if broken is None:
                    broken = _broken_anyway(judged, instant)
                owed = tuple(one for one in seen.complaints if one.guarantee_broken not in broken)
                yield Violating(instant.moment, state, seen.complaints, owed if state.missing else (), kind)
            if stop():
                covered.complete = False
                return
        covered.complete &= states.exhaustive


def _broken_anyway(judged: JudgedStory, instant: Instant) -> frozenset[tuple[str, str]]:
    """What is broken at this moment although everything reached the disk."""
    whole = instant.whole()
    if whole is None:
        return frozenset()
    _, seen = judged.look(instant.position, *whole)
    return frozenset(complaint.guarantee_broken for complaint in seen.complaints)
