"""Judges of timers and side effects."""

import math
from collections.abc import Iterable

from harness.verdict.observed import Firing, Observed, Outside, Owed
from harness.verdict.vocabulary import Violation, violation


def timer_lost(observed: Observed, now: float, *, tolerance: float = 0.0) -> list[Violation]:
    """Live beyond its deadline (by more than `tolerance` seconds), or without a finite deadline or an armed timer."""
    armed = {timer.call for timer in observed.armed if math.isfinite(timer.due)}
    found: list[Violation] = []
    for call in observed.calls:
        if not call.live:
            continue
        if call.deadline is None or not math.isfinite(call.deadline):
            found.append(violation("timer-lost", f"call {call.id} is live and has no deadline", call.id))
        elif now > call.deadline + tolerance:
            late = now - call.deadline
            found.append(violation("timer-lost", f"call {call.id} is live {late:g} s after its deadline", call.id))
        elif call.id not in armed:
            found.append(
                violation("timer-lost", f"call {call.id} has a deadline and no timer is armed for it", call.id)
            )
    return found


def timer_extended(
    before: Observed, after: Observed, fired: Iterable[Firing] = (), *, tolerance: float = 0.0
) -> list[Violation]:
    """A deadline later than it was before the restart, or a timer that fired too late (by more than `tolerance` s).

    A timer that fell due while the process was down is `due` at its restart: that is the caller's to say.
    """
    old = {call.id: call.deadline for call in before.calls}
    found: list[Violation] = []
    for call in after.calls:
        was = old.get(call.id)
        if call.live and was is not None and call.deadline is not None and call.deadline > was + tolerance:
            later = call.deadline - was
            found.append(
                violation("timer-extended", f"the deadline of call {call.id} moved {later:g} s later", call.id)
            )
    for timer in fired:
        if timer.at > timer.due + tolerance:
            late = timer.at - timer.due
            found.append(
                violation("timer-extended", f"the {timer.kind} timer of {timer.call} fired {late:g} s late", timer.call)
            )
    return found


def side_effect_repeated(outside: Outside) -> list[Violation]:
    """One kind of side effect under one idempotency key, more than once."""
    times: dict[tuple[str, str], int] = {}
    for effect in outside.effects:
        times[effect.kind, effect.key] = times.get((effect.kind, effect.key), 0) + 1
    return [
        violation("side-effect-repeated", f"{kind} {key} took place {count} times", key)
        for (kind, key), count in times.items()
        if count > 1
    ]


def side_effect_lost(due: Iterable[Owed], outside: Outside, observed: Observed) -> list[Violation]:
    """Due, and neither done nor still owed by the subject."""
    if not observed.available:
        return []
    done = {(effect.kind, effect.key) for effect in outside.effects}
    owed = {(effect.kind, effect.key) for effect in observed.owed}
    return [
        violation("side-effect-lost", f"{effect.kind} {effect.key} was due and never took place", effect.key)
        for effect in due
        if (effect.kind, effect.key) not in done | owed
    ]
