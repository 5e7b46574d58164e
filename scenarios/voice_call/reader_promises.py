"""What is owed to readers and by a small disk: what was shown stays true, what is refused is refused for a reason.

A reader is the client of the manager's interface who looks at a call in the middle of a story (`Client.look`). What a
reader may not be told: that a call is over and later that it is not, or that something is being said while nobody speaks.
"""

from harness.verdict.vocabulary import Violation, violation
from scenarios.voice_call.event_promises import CallCase
from scenarios.voice_call.observe import CallsObserved


def what_was_shown_stays_true(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A call that was shown as over is not shown as live later, unless the manager says that it is not sure."""
    over: dict[str, str | None] = {}
    found: list[Violation] = []
    for look in case.world.outer.looks:
        if look.state is None or look.doubted:
            continue
        if not look.live:
            over.setdefault(look.call, look.state)
        elif look.call in over:
            text = f"call {look.call} was shown as over ({over[look.call]}), and as {look.state} afterwards"
            found.append(violation("resurrected", text, look.call))
    return found


def silence_is_not_speech(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A call in which nobody asked for anything to be said is not shown as speaking."""
    return [
        violation("stale-active", f"call {look.call} was shown as speaking while nothing was being said", look.call)
        for look in case.world.outer.looks
        if look.state == "speaking" and look.idle
    ]


def ample_disks_suffice(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """On a disk that is small and has several times the room for what was said, nothing is refused."""
    outer = case.world.outer
    if not outer.ample:
        return []
    return [
        violation("unavailable", f"{event.id} was refused on a disk that has room for all that happened", event.id)
        for event in outer.happenings.values()
        if event.attempts > 1 and event.id in case.ledger.refused
    ]
