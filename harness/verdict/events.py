"""Judges of events: attempted, acknowledged, refused (harness/ledger.py has the rule), against what is found."""

from collections.abc import Iterable, Sequence

from harness.faults import Fired
from harness.ledger import Ledger
from harness.verdict.calls import several_records
from harness.verdict.observed import Observed
from harness.verdict.vocabulary import Violation, violation


def lost(ledger: Ledger, observed: Observed) -> list[Violation]:
    """Acknowledged and not found, after settling."""
    return [
        violation("lost", f"{event} was acknowledged and is gone, and no redelivery brought it back", event)
        for event in _missing(ledger.acknowledged, observed)
    ]


def acked_not_durable(at_death: Ledger, observed: Observed) -> list[Violation]:
    """Acknowledged before the death and not found right after the restart."""
    return [
        violation("acked-not-durable", f"{event} was acknowledged before the death and is not there after it", event)
        for event in _missing(at_death.acknowledged, observed)
    ]


def double_applied(observed: Observed) -> list[Violation]:
    """The effect of an event found more than once, or one remote call in several records."""
    repeated = [
        violation("double-applied", f"{event} is found {times} times", event)
        for event, times in observed.applied.items()
        if times > 1
    ]
    return repeated + [
        violation("double-applied", f"remote call {remote} is found as {' and '.join(ids)}", remote)
        for remote, ids in several_records(observed)
    ]


def unexpected(ledger: Ledger, observed: Observed) -> list[Violation]:
    """Found and never attempted: a ghost call when the id is that of a call, misattributed otherwise."""
    calls = {name for call in observed.calls for name in (call.id, call.remote_id)}
    found: list[Violation] = []
    for event, times in observed.applied.items():
        if times and event not in ledger.attempted:
            verdict = "ghost-call" if event in calls else "misattributed"
            found.append(violation(verdict, f"{event} is found, and nobody ever sent it", event))
    return found


def nacked_but_durable(ledger: Ledger, observed: Observed) -> list[Violation]:
    """Finally refused ("it did not happen", and no retry comes), and found."""
    return [
        violation("nacked-but-durable", f"{event} was finally refused and is found all the same", event)
        for event in ledger.finally_refused
        if observed.applied.get(event, 0) > 0
    ]


def torn_tail_swallow(ledger: Ledger, observed: Observed) -> list[Violation]:
    """Acknowledged after one restart and gone after a later one."""
    restarts = ledger.restarts
    if len(restarts) < 2:
        return []
    between = [event for event, seen in ledger.acknowledged.items() if restarts[0] < seen.first < restarts[-1]]
    return [
        violation("torn-tail-swallow", f"{event} was acknowledged after one crash and is gone after the next", event)
        for event in _missing(between, observed)
    ]


def swallowed_error(fired: Sequence[Fired], ledger: Ledger, observed: Observed) -> list[Violation]:
    """A fault fired, the effect is not durable, and the outside was told success. `observed` after a restart."""
    if not fired:
        return []
    fault = fired[0]
    what = f"{fault.errno or 'a fault'} on {fault.kind}" + (f" of {fault.path}" if fault.path else "")
    return [
        violation("swallowed-error", f"{event} was acknowledged although {what} kept it off the disk", event)
        for event in _missing(ledger.acknowledged, observed)
    ]


def _missing(events: Iterable[str], observed: Observed) -> list[str]:
    if not observed.available:
        return []
    return [event for event in events if observed.applied.get(event, 0) == 0]
