"""Judges of calls: what the subject holds, against the calls as they really are and as they were shown before."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from harness.verdict.observed import Observed, ObservedCall, Outside
from harness.verdict.vocabulary import Violation, violation


def stale_active(observed: Observed, outside: Outside, known_ends: Collection[str] | None = None) -> list[Violation]:
    """Ended outside, held as live. `known_ends`: remote ids whose end was acknowledged; None for all (settled)."""
    ended = {
        call.id for call in outside.remote_calls if not call.alive and (known_ends is None or call.id in known_ends)
    }
    return [
        violation("stale-active", f"call {call.id} is held as active, remote call {call.remote_id} has ended", call.id)
        for call in observed.calls
        if call.live and call.remote_id in ended
    ]


def resurrected(earlier: Iterable[Observed], observed: Observed) -> list[Violation]:
    """Shown as ended in an earlier observation, and live now."""
    ended = {call.id: call.outcome for before in earlier for call in before.calls if not call.live}
    return [
        violation("resurrected", f"call {call.id} was seen ended ({ended[call.id]}) and is active again", call.id)
        for call in observed.calls
        if call.live and call.id in ended
    ]


def ghost_call(observed: Observed, outside: Outside) -> list[Violation]:
    """A record of a call that the outside never made, or a second record of one remote call.

    A record without a remote id is none: an intent whose dial was never answered.
    """
    real = {call.id for call in outside.remote_calls}
    ghosts = [
        violation("ghost-call", f"call {call.id} is on record, remote call {call.remote_id} never was", call.id)
        for call in observed.calls
        if call.remote_id is not None and call.remote_id not in real
    ]
    return ghosts + [
        violation("ghost-call", f"remote call {remote} has {len(ids)} records: {', '.join(ids)}", remote)
        for remote, ids in several_records(observed)
    ]


def orphan_remote(observed: Observed, outside: Outside) -> list[Violation]:
    """Alive outside, and neither held as live nor owed anything by the subject; after settling."""
    if not observed.available:
        return []
    owned = {call.remote_id for call in observed.calls if call.live} | {owed.call for owed in observed.owed}
    owing = {call.remote_id for call in observed.calls if call.id in owned}
    return [
        violation("orphan-remote", f"remote call {remote.id} is alive and nobody owns it", remote.id)
        for remote in outside.remote_calls
        if remote.alive and remote.id not in owned and remote.id not in owing
    ]


def diverged(before: Observed, after: Observed) -> list[Violation]:
    """What the living subject showed differs from what it shows after a restart that lost nothing."""
    return [violation("diverged", f"before the restart {text}", name) for name, text in _differences(before, after)]


def not_idempotent(once: Observed, twice: Observed) -> list[Violation]:
    """A second recovery shows something else than the first."""
    return [violation("not-idempotent", f"after one recovery {text}", name) for name, text in _differences(once, twice)]


def reordered(observed: Observed, acknowledged: Mapping[str, Sequence[str]]) -> list[Violation]:
    """Entries of a call in another order than `acknowledged` (call id to entries) has them.

    Missing entries do not matter here, and a call with entries too often is left to `double_applied`.
    """
    found: list[Violation] = []
    for call in observed.calls:
        wanted = acknowledged.get(call.id, ())
        here = [entry for entry in call.entries if entry in wanted]
        if not _is_subsequence(here, wanted) and _is_bag_within(here, wanted):
            found.append(
                violation("reordered", f"call {call.id} shows {here}, acknowledged was {list(wanted)}", call.id)
            )
    return found


def wedged_capacity(observed: Observed, outside: Outside) -> list[Violation]:
    """Nothing is live outside, and capacity is taken all the same; after settling."""
    if any(call.alive for call in outside.remote_calls) or observed.capacity_used <= 0:
        return []
    used = f"{observed.capacity_used} of {observed.capacity_limit}"
    holders = ", ".join(call.id for call in observed.calls if call.live) or "no call"
    return [violation("wedged-capacity", f"no call is alive, yet {used} places are taken (by {holders})")]


def wrong_terminal(observed: Observed, outside: Outside, earlier: Iterable[Observed] = ()) -> list[Violation]:
    """An outcome that is not the one outside, or not the one that was shown earlier."""
    truth = {call.id: call.outcome for call in outside.remote_calls if not call.alive and call.outcome is not None}
    shown: dict[str, str | None] = {}
    for before in earlier:
        for call in before.calls:
            if not call.live:
                shown.setdefault(call.id, call.outcome)
    found: list[Violation] = []
    for call in observed.calls:
        if call.live:
            continue
        real = truth.get(call.remote_id) if call.remote_id is not None else None
        if real is not None and call.outcome != real:
            found.append(
                violation("wrong-terminal", f"call {call.id} ended as {call.outcome}, in truth as {real}", call.id)
            )
        elif call.id in shown and shown[call.id] != call.outcome:
            found.append(
                violation("wrong-terminal", f"call {call.id} was {shown[call.id]} and is {call.outcome} now", call.id)
            )
    return found


def misattributed(observed: Observed, owners: Mapping[str, str]) -> list[Violation]:
    """An entry or event found in another call than the one it belongs to (`owners`: entry or event id to call id)."""
    return [
        violation("misattributed", f"{thing!r} belongs to call {owners[thing]} and is found in {call.id}", call.id)
        for call in observed.calls
        for thing in (*call.entries, *call.events)
        if owners.get(thing, call.id) != call.id
    ]


def unavailable(observed: Observed) -> list[Violation]:
    """No answer after restart and settling."""
    return [] if observed.available else [violation("unavailable", "the program does not answer after its restart")]


def several_records(observed: Observed) -> Iterator[tuple[str, list[str]]]:
    """Remote calls with more than one record, and the ids of these."""
    records: dict[str, list[str]] = {}
    for call in observed.calls:
        if call.remote_id is not None:
            records.setdefault(call.remote_id, []).append(call.id)
    return ((remote, ids) for remote, ids in records.items() if len(ids) > 1)


_FIELDS = ("remote_id", "live", "outcome", "entries", "events", "deadline", "connected_at")


def _differences(before: Observed, after: Observed) -> Iterator[tuple[str, str]]:
    """What the second shows otherwise: the call or event concerned, and "x was 1, afterwards 2"."""
    if not (before.available and after.available):
        return
    old = {call.id: call for call in before.calls}
    new = {call.id: call for call in after.calls}
    for name in (*old, *(name for name in new if name not in old)):
        yield from _call_differences(name, old.get(name), new.get(name))
    for event in (*before.applied, *(event for event in after.applied if event not in before.applied)):
        was, now = before.applied.get(event, 0), after.applied.get(event, 0)
        if was != now:
            yield event, f"{event} was found {was} times, afterwards {now} times"
    if before.capacity_used != after.capacity_used:
        yield "", f"{before.capacity_used} places were taken, afterwards {after.capacity_used}"
    if set(before.owed) != set(after.owed):
        yield "", f"{_names(before)} was owed, afterwards {_names(after)}"


def _call_differences(name: str, old: ObservedCall | None, new: ObservedCall | None) -> Iterator[tuple[str, str]]:
    if old is None:
        yield name, f"call {name} was not there, afterwards it is"
    elif new is None:
        yield name, f"call {name} was there, afterwards it is not"
    else:
        for field in _FIELDS:
            was, now = getattr(old, field), getattr(new, field)
            if was != now:
                yield name, f"{field} of call {name} was {was!r}, afterwards {now!r}"


def _names(observed: Observed) -> str:
    return ", ".join(sorted(f"{owed.kind} {owed.key}" for owed in observed.owed)) or "nothing"


def _is_subsequence(here: Sequence[str], wanted: Sequence[str]) -> bool:
    rest = iter(wanted)
    return all(entry in rest for entry in here)


def _is_bag_within(here: Sequence[str], wanted: Sequence[str]) -> bool:
    return all(here.count(entry) <= list(wanted).count(entry) for entry in set(here))
