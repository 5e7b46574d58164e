"""Syncs that buy nothing: whose removal brings no new violation.

A line is taken away whole, every time it ran, and alone: of two lines that do the same work each is superfluous while
the other stays. The rest of the program is as the advice would have it.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from harness.advice.examination import Chosen, variant_of
from harness.advice.judged_story import Class, JudgedStory
from harness.advice.placement import Placement, Sync, syncs
from harness.advice.sweep import Coverage, violations
from harness.advice.variant import Stop, Story, Variant, durable_from
from harness.durability.profiles import Profile

WITHOUT_BOUND: Final = 1_024
"""Most disks for one kill-point of a trace without one of its syncs: so much more is pending that not all are tried."""


class Removal(msgspec.Struct, frozen=True):
    """What became of one sync in one workload under one profile; `sync` stands in the program, or is advised.

    `outcome`: "matters" (a new violation), "nothing" (none, everything looked at), "unknown" (none, not everything was);
    `complaint` is the new violation's summary.
    """

    sync: Sync | Placement
    workload: str
    profile: str
    outcome: str
    complaint: str = ""


def removals(
    judged: JudgedStory, rules: Profile, chosen: Chosen, asked: Sequence[Sync | Placement], *, bound: int, stop: Stop
) -> list[Removal]:
    """Each of those asked about is taken away in turn. ValueError where the profile does not model what happened."""
    story = judged.story
    mended = variant_of(story, chosen)
    usual = durable_from(story, rules, mended)
    there = {*syncs(story.base, story.items, story.sources), *chosen}
    known: frozenset[Class] | None = None
    usual_coverage = Coverage()
    found: list[Removal] = []
    for sync in asked:
        if sync not in there:
            continue
        without = _without(story, chosen, sync)
        if durable_from(story, rules, without) == usual:
            found.append(Removal(sync, judged.name, rules.name, "nothing"))
            continue
        if known is None:
            usually = violations(judged, rules, mended, usual_coverage, bound=bound, stop=stop)
            known = frozenset(one.kind for one in usually)
        covered = Coverage()
        tried = violations(judged, rules, without, covered, bound=min(bound, WITHOUT_BOUND), stop=stop)
        new = next((one for one in tried if one.owed and one.kind not in known), None)
        if new is not None and usual_coverage.complete:  # else it may have been there before
            found.append(Removal(sync, judged.name, rules.name, "matters", new.owed[0].summary))
        else:
            found.append(
                Removal(sync, judged.name, rules.name, "nothing" if covered.complete and new is None else "unknown")
            )
    return found


def _without(story: Story, chosen: Chosen, sync: Sync | Placement) -> Variant:
    if isinstance(sync, Placement):
        return variant_of(story, chosen - {sync})
    return variant_of(story, chosen, (sync,))
