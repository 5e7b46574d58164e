"""What is owed for events and requests: found when acknowledged, once, where they belong, in their order.

An acknowledged event is owed its effect only if its call was alive and not given up when the acknowledgement came
(`Happening.owed`): what reaches a call that is over may be absorbed. One that was attempted and not acknowledged may
be found or not.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from harness import verdict
from harness.ledger import Ledger
from harness.scenario import Case
from harness.verdict.vocabulary import Violation, violation
from scenarios.voice_call.assistant import answer_to
from scenarios.voice_call.observe import CallsObserved, came_after_the_end
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.remote import Happening
from scenarios.voice_call.stories.strangers import HOSTILE_STATUS

CallCase: TypeAlias = Case[Provider, CallsObserved]

EVERY_CALL: Final = "*"
"""What a manager doubts that does not know whose record it has lost."""

_NOBODY_THERE: Final = (0, 503, 1012, 1013)
"""What a stranger is told who comes while the manager is not there for anybody."""

_BEFORE_THE_ANSWER: Final = frozenset({"initiated", "ringing"})


def owed_effects(world: Provider) -> Iterator[str]:
    """The names of all events and requests whose effect must be found; what the medium took nobody can bring back."""
    for event in world.outer.happenings.values():
        if event.owed and event.call not in world.outer.damaged and not _may_be_forgotten(world, event.call):
            yield event.id
    for request in world.outer.requests.values():
        if request.outcome == "done":
            yield f"api:{request.name}"


def _may_be_forgotten(world: Provider, call: str) -> bool:
    """Whether the call was over, or given up, so long ago that no redelivery can come any more."""
    horizon_s = world.outer.horizon_s
    remote = world.outer.calls[call]
    if horizon_s is None or remote.ended_at is None:
        return False
    given_up_at = remote.ended_at if remote.given_up_at is None else remote.given_up_at
    return world.run.now() - min(remote.ended_at, given_up_at) > horizon_s


def _missing(world: Provider, observed: CallsObserved) -> list[str]:
    return [name for name in owed_effects(world) if observed.applied.get(name, 0) == 0]


def durable_when_acknowledged(case: CallCase, observed: CallsObserved) -> list[Violation]:
    acknowledged = case.at_death.acknowledged
    return [
        violation("acked-not-durable", f"{name} was acknowledged before the death and is not there after it", name)
        for name in _missing(case.world, observed)
        if name in acknowledged
    ]


def not_lost(case: CallCase, observed: CallsObserved) -> list[Violation]:
    return [
        violation("lost", f"{name} was acknowledged and is gone, and no redelivery brought it back", name)
        for name in _missing(case.world, observed)
    ]


def errors_are_told(case: CallCase, observed: CallsObserved) -> list[Violation]:
    if not case.fault_fired:
        return []
    return [
        violation("swallowed-error", f"{name} was acknowledged although an injected error kept it off the disk", name)
        for name in _missing(case.world, observed)
    ]


def survives_the_next_crash(case: CallCase, observed: CallsObserved) -> list[Violation]:
    before = case.at_death.acknowledged
    return [
        violation("torn-tail-swallow", f"{name} was acknowledged after one crash and is gone after the next", name)
        for name in _missing(case.world, observed)
        if name not in before
    ]


def applied_once(case: CallCase, observed: CallsObserved) -> list[Violation]:
    return verdict.double_applied(observed)


def refused_did_not_happen(case: CallCase, observed: CallsObserved) -> list[Violation]:
    found = verdict.nacked_but_durable(case.ledger, observed)
    refused = {one.key: one.name for one in case.world.outer.requests.values() if one.outcome == "refused" and one.key}
    return found + [
        violation(
            "nacked-but-durable", f"api:{refused[remote.key]} was refused, and {remote.id} was dialled", remote.id
        )
        for remote in case.world.outer.calls.values()
        if remote.key in refused and remote.key is not None
    ]


def redelivery_is_taken(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """What the provider tried again after the faults had ended must have been accepted before it gave up."""
    outer = case.world.outer
    if not outer.policy.on_refusal:
        return []
    attempted = case.ledger.attempted
    return [
        violation("unavailable", f"{event.id} was refused until the provider gave up", event.id)
        for event in outer.happenings.values()
        if not event.acknowledged
        and not event.by_stream
        and event.pending == 0
        and event.id in attempted
        and attempted[event.id].last >= len(case.at_death)
    ]


def incomplete(case: CallCase, observed: CallsObserved) -> set[str]:
    """The records of which a medium took something, where the manager says so: what they lack nobody can ask of them."""
    damaged = case.world.outer.damaged
    hit = {name for name, record in observed.records.items() if record["providerCallId"] in damaged}
    return hit if EVERY_CALL in observed.quarantined else hit & set(observed.quarantined)


def nothing_is_doubted(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Where no medium has changed what it was given, a log that its own writer does not understand was written wrongly."""
    damaged = set(case.world.outer.damaged)
    if not damaged:
        excused: set[str] = set()
    else:  # whose line it was may be known of no call, or only by its name
        hit = {name for name, record in observed.records.items() if record["providerCallId"] in damaged}
        excused = hit | (set(observed.quarantined) - set(observed.records))
    return [
        violation("check-failed", f"the manager does not trust its own log about call {call}", call)
        for call in observed.quarantined
        if call not in excused
    ]


def answered_calls_do_not_ring(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A report that was overtaken by a later one does not bring the earlier state back."""
    return [
        violation("reordered", f"call {name} was answered and is shown as {record['state']}", name)
        for name, record in observed.records.items()
        if record["answeredAt"] is not None and record["state"] in _BEFORE_THE_ANSWER
    ]


def words_are_kept(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """What was said and acknowledged is in the transcript of the call, also where its end was reported before it."""
    outer = case.world.outer
    shown = {call.remote_id for call in observed.calls}
    return [
        violation(
            "lost", f"{event.id} ({event.body['transcript']!r}) was acknowledged and is not in its call", event.id
        )
        for event in outer.happenings.values()
        if event.is_speech
        and event.acknowledged
        and event.call in shown
        and event.call not in outer.damaged
        and not observed.applied.get(event.id)
    ]


def in_order(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Lines of one call stand in the order of their acknowledgements, and those of one request in its order.

    Of acknowledgements only events that needed one attempt tell; of requests all, however often they were sent.
    """
    wanted: dict[str, list[str]] = {}
    happenings = case.world.outer.happenings
    record_of = {record["providerCallId"]: name for name, record in observed.records.items()}
    for name in case.ledger.acknowledged:
        event = happenings.get(name)
        if event is None or not event.is_speech or event.attempts != 1 or not event.owed:
            continue
        if event.call in record_of:
            wanted.setdefault(record_of[event.call], []).append(event.body["transcript"])
    retried = {
        (event.call, event.body["transcript"])
        for event in happenings.values()
        if event.is_speech and (event.attempts != 1 or not event.owed)
    }
    remote_of = {name: remote for remote, name in record_of.items()}
    clear = {name: [text for text in texts if (remote_of[name], text) not in retried] for name, texts in wanted.items()}
    return verdict.reordered(observed, clear) + _as_they_travelled(case.world, observed, record_of)


def _as_they_travelled(world: Provider, observed: CallsObserved, record_of: Mapping[str, str]) -> list[Violation]:
    """Lines that travelled in one request, and in no other: what stands behind a refused one waits for it."""
    happenings = world.outer.happenings
    together: dict[tuple[str, ...], list[Happening]] = {}
    for event in happenings.values():
        if event.company and event.is_speech and event.call in record_of and event.call not in world.outer.damaged:
            together.setdefault((event.call, *event.company), []).append(event)
    found: list[Violation] = []
    for (call, *company), events in together.items():
        said = [one.body["transcript"] for one in happenings.values() if one.is_speech and one.call == call]
        events.sort(key=lambda event: company.index(event.id))
        texts = [event.body["transcript"] for event in events if said.count(event.body["transcript"]) == 1]
        found += verdict.reordered(observed, {record_of[call]: texts})
    return found


def where_they_belong(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Every line, id and answer of a record comes from that call."""
    outer = case.world.outer
    attempted = case.ledger.attempted
    spoken: dict[str, list[Happening]] = {}
    for event in outer.happenings.values():
        spoken.setdefault(event.call, []).append(event)
    found: list[Violation] = []
    for name, record in observed.records.items():
        remotes = {record["providerCallId"], *record["aliases"]}
        remotes |= {one.id for one in outer.calls.values() if one.key is not None and one.key == record["clientKey"]}
        events = [event for remote in remotes for event in spoken.get(remote, ()) if event.id in attempted]
        found += [
            violation("misattributed", f"call {name} shows {text!r}, which nobody said in it", name)
            for text in _foreign_lines(case.world, record, events)
        ]
        ids = {event.id for event in events}
        claimed = [one for one in record["processedEventIds"] if one not in ids and one.rpartition(":")[2] not in ids]
        if len(claimed) > sum("id" not in event.body for event in events):  # those without an id get one here
            found.append(violation("misattributed", f"call {name} claims {claimed}, which are not about it", name))
        times = {at for event in events if event.kind == "call.answered" for at in _answer_times(event, record)}
        if record["answeredAt"] is not None and record["answeredAt"] not in times:
            found.append(violation("misattributed", f"call {name} was answered at a time nobody reported", name))
        found += _turn(name, record, events)
    return found


def _foreign_lines(world: Provider, record: Mapping[str, Any], events: list[Happening]) -> list[str]:
    said = {event.body["transcript"] for event in events if event.is_speech}
    ours = {record["metadata"].get("initialMessage")}
    ours |= {one.text for one in world.outer.requests.values() if one.call == record["callId"]}
    if world.outer.media is not None:
        ours |= {answer_to(text) for text in said}
    return [
        line["text"]
        for line in record["transcript"]
        if line["text"] not in (said if line["speaker"] == "user" else ours)
    ]


def _answer_times(event: Happening, record: Mapping[str, Any]) -> set[int]:
    """The time that was reported, or the beginning of the record for a manager that lets no answer lie before it."""
    reported = int(event.body["timestamp"])
    return {reported, max(reported, int(record["startedAt"]))}


def _turn(name: str, record: Mapping[str, Any], events: list[Happening]) -> list[Violation]:
    turn = record["turn"]
    if turn is None or turn["answer"] is None:
        return []
    tokens = {event.body.get("turnToken") for event in events if event.body.get("transcript") == turn["answer"]}
    if turn["token"] in tokens:
        return []
    return [violation("misattributed", f"call {name}: {turn['answer']!r} answers another question", name)]


def first_answer_wins(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Once an answer was acknowledged, its time stays: a later report of the same answer changes nothing."""
    found: list[Violation] = []
    answers: dict[str, Happening] = {}
    acknowledged = case.ledger.acknowledged
    attempted = case.ledger.attempted
    lacking = incomplete(case, observed)
    for name in acknowledged:
        event = case.world.outer.happenings.get(name)
        if event is not None and event.kind == "call.answered" and event.owed and event.call not in answers:
            answers[event.call] = event
    for call in observed.calls:
        name, record = call.id, observed.records[call.id]
        event = answers.get(record["providerCallId"])
        if (
            name in lacking
            or event is None
            or record["answeredAt"] in _answer_times(event, record)
            or came_after_the_end(event, record)
        ):
            continue
        earlier = [
            other
            for other in case.world.outer.happenings.values()
            if other.kind == "call.answered"
            and record["answeredAt"] in _answer_times(other, record)
            and other.id in attempted
            and attempted[other.id].first < acknowledged[event.id].first
        ]
        if not earlier:
            found.append(
                violation("double-applied", f"call {name}: a second report of the answer replaced the first", name)
            )
    return found


def readers_find_calls(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """The history lists each call once, the newest first, and asking for a call by either id gives its newest state."""
    calls = [call.id for call in observed.calls]
    found = [
        violation("lost", f"call {call} is missing in the history", call)
        for call in calls
        if call not in observed.history
    ]
    found += [
        violation("double-applied", f"call {call} is in the history more than once", call)
        for call in set(observed.history)
        if observed.history.count(call) > 1
    ]
    started = [observed.records[call]["startedAt"] for call in observed.history if call in observed.records]
    if any(later > earlier for earlier, later in itertools.pairwise(started)):
        found.append(violation("reordered", "the history does not begin with the newest call"))
    for call in calls:
        record = observed.records[call]
        for name in (call, record["providerCallId"]):
            if name is not None and observed.status.get(name) != (call, record["state"]):
                found.append(violation("lost", f"asking for {name} does not give call {call} as it is", call))
    return found


def forged_requests_are_refused(case: CallCase, observed: CallsObserved) -> list[Violation]:
    found: list[Violation] = []
    for name, status in case.world.outer.knocks.items():
        wanted = HOSTILE_STATUS.get(name)
        if 200 <= status < 300:
            found.append(violation("ghost-call", f"the request {name!r} of a stranger was accepted", name))
        elif wanted is not None and status not in (wanted, *_NOBODY_THERE):
            found.append(violation("check-failed", f"the request {name!r} got {status}, not {wanted}", name))
    return found


def acknowledged_ends(ledger: Ledger, world: Provider) -> set[str]:
    """The remote calls whose end the subject acknowledged."""
    return {
        event.call
        for event in world.outer.happenings.values()
        if event.kind == "call.ended" and event.id in ledger.acknowledged
    }
