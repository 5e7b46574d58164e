"""The names of the verdicts, and the guarantee that each one says is broken (bug-catalogue, section 0)."""

from types import MappingProxyType
from typing import Final

import msgspec

VERDICTS: Final = MappingProxyType(
    {
        "lost": "An acknowledged event is never lost.",
        "double-applied": "An event has its effect once, however often it is delivered.",
        "stale-active": "A call that ended is not held as active.",
        "resurrected": "A call that was seen ended stays ended.",
        "ghost-call": "Every call on record is a call of the world, and has one record.",
        "orphan-remote": "A call that is alive at the provider is owned by somebody.",
        "acked-not-durable": "What was acknowledged is there after a restart.",
        "nacked-but-durable": "What was finally refused did not happen.",
        "diverged": "What the living program shows is what it shows after a restart that lost nothing.",
        "reordered": "Entries keep the order in which they were acknowledged.",
        "torn-tail-swallow": "What was acknowledged after one crash survives the next.",
        "wedged-capacity": "When nothing is live, all capacity is free.",
        "timer-lost": "Every live call ends by a finite deadline.",
        "timer-extended": "A deadline never moves later, and is kept.",
        "side-effect-repeated": "A side effect reaches the world once.",
        "side-effect-lost": "A side effect that is owed reaches the world.",
        "wrong-terminal": "A call ends with the outcome it had, and keeps it.",
        "misattributed": "What belongs to one call is found in that call only.",
        "unavailable": "After a restart the program answers again.",
        "swallowed-error": "An effect that an error kept off the disk is not reported as done.",
        "not-idempotent": "Recovering twice gives what recovering once gives.",
        "check-failed": "The program's own check holds.",
        "hung": "The program answers in bounded time.",
    }
)
"""Verdict to the sentence of the guarantee it breaks. The last two are given by others than this package's judges."""


class Violation(msgspec.Struct, frozen=True):
    """One broken guarantee: `summary` says in one sentence what happened to which event or call (`subject`)."""

    verdict: str
    guarantee: str
    summary: str
    subject: str = ""


def violation(verdict: str, summary: str, subject: str = "") -> Violation:
    """A violation quoting the guarantee of its verdict. Raises KeyError for a name that is not in `VERDICTS`."""
    return Violation(verdict, VERDICTS[verdict], summary, subject)
