"""The judge: pure functions of (ledger, observed state, outside), one for each verdict, each returning violations.

The subject's own code is nowhere in here: an oracle that shares code with the subject shares its bugs. A scenario maps
its subject's public view to `Observed` and its world to `Outside`; a contract picks the judges that apply and when.

Where the subject does not answer (`Observed.available` is false) only `unavailable` speaks: nothing can be said about
what was not seen.
"""

from harness.verdict.calls import (
    diverged,
    ghost_call,
    misattributed,
    not_idempotent,
    orphan_remote,
    reordered,
    resurrected,
    stale_active,
    unavailable,
    wedged_capacity,
    wrong_terminal,
)
from harness.verdict.effects import side_effect_lost, side_effect_repeated, timer_extended, timer_lost
from harness.verdict.events import (
    acked_not_durable,
    double_applied,
    lost,
    nacked_but_durable,
    swallowed_error,
    torn_tail_swallow,
    unexpected,
)
from harness.verdict.observed import Armed, Effect, Firing, Observed, ObservedCall, Outside, Owed, RemoteCall
from harness.verdict.vocabulary import VERDICTS, Violation

__all__ = [
    "VERDICTS",
    "Armed",
    "Effect",
    "Firing",
    "Observed",
    "ObservedCall",
    "Outside",
    "Owed",
    "RemoteCall",
    "Violation",
    "acked_not_durable",
    "diverged",
    "double_applied",
    "ghost_call",
    "lost",
    "misattributed",
    "nacked_but_durable",
    "not_idempotent",
    "orphan_remote",
    "reordered",
    "resurrected",
    "side_effect_lost",
    "side_effect_repeated",
    "stale_active",
    "swallowed_error",
    "timer_extended",
    "timer_lost",
    "torn_tail_swallow",
    "unavailable",
    "unexpected",
    "wedged_capacity",
    "wrong_terminal",
]
