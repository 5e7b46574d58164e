"""What the journal owes to a run: each guarantee judges what the world was told against what a new process reads."""

from collections.abc import Sequence
from typing import Final

import msgspec

from harness.scenario import Case, Guarantee, Phase, World
from harness.verdict import Violation

ALL: Final = ("first", "second", "third")
"""The chunks of a whole run, by name."""

OPENS: Final = "After a death the journal opens again."
KEPT: Final = "A chunk that was acknowledged is read back."
ONCE: Final = "A chunk stands in the file once."
TRUE: Final = "What is read back is what was written."
WHOLE: Final = "A resumed run can keep every chunk that is not there."


class Shown(msgspec.Struct, frozen=True):
    """`chunks` are those that an opened journal has read, `altered` those among them that were written otherwise.

    `lines` are the chunks of the file, line by line, as anybody may read them: an oracle of its own.
    """

    chunks: tuple[str, ...]
    altered: tuple[str, ...]
    lines: tuple[str, ...]


JournalCase = Case[World, Shown]


def contract() -> Sequence[Guarantee]:
    after_death = frozenset({Phase.RESTARTED, Phase.SETTLED, Phase.AGAIN})
    at_the_end = frozenset({Phase.CLEAN, Phase.SETTLED, Phase.AGAIN})
    return (
        Guarantee("opens", OPENS, judge_opens, after_death),
        Guarantee("kept", KEPT, judge_kept),
        Guarantee("once", ONCE, judge_once),
        Guarantee("true", TRUE, judge_true),
        Guarantee("whole", WHOLE, judge_whole, at_the_end),
    )


def judge_opens(case: JournalCase) -> list[Violation]:
    if case.failure is None:
        return []
    return [Violation("unavailable", OPENS, f"the journal does not open any more: {case.failure}")]


def judge_kept(case: JournalCase) -> list[Violation]:
    if case.observed is None:
        return []
    verdict = "swallowed-error" if case.fault_fired and not case.ledger.told else "lost"
    shown = set(case.observed.chunks) & set(case.observed.lines)
    return [
        Violation(verdict, KEPT, f"chunk {chunk} was acknowledged and is gone", chunk)
        for chunk in sorted(case.ledger.acknowledged)
        if chunk not in shown
    ]


def judge_once(case: JournalCase) -> list[Violation]:
    lines = case.observed.lines if case.observed is not None else ()
    return [
        Violation("double-applied", ONCE, f"chunk {chunk} stands in the file {lines.count(chunk)} times", chunk)
        for chunk in sorted(set(lines))
        if lines.count(chunk) > 1
    ]


def judge_true(case: JournalCase) -> list[Violation]:
    if case.observed is None:
        return []
    invented = tuple(chunk for chunk in case.observed.chunks if chunk not in case.ledger.attempted)
    return [
        Violation("misattributed", TRUE, f"chunk {chunk} is not what was written", chunk)
        for chunk in (*case.observed.altered, *invented)
    ]


def judge_whole(case: JournalCase) -> list[Violation]:
    if case.observed is None or set(case.observed.chunks) >= set(ALL):
        return []
    absent = ", ".join(chunk for chunk in ALL if chunk not in case.observed.chunks)
    return [Violation("unavailable", WHOLE, f"the resumed run could not keep {absent}")]
