"""What every reader of a record may rely on: its fields fit each other, and the truth outside.

A record is a public document (catalogue, section 8.1). Here it is read field by field, as a client would that decides
by what it is told. What should have become of events, deadlines and effects, other promises say; these hold at any
moment, whatever has happened before.
"""

import itertools
import math
from collections.abc import Container, Iterator, Mapping
from typing import Any, Final

from harness.verdict.vocabulary import Violation, violation
from scenarios.voice_call.event_promises import CallCase, incomplete
from scenarios.voice_call.observe import CallsObserved
from scenarios.voice_call.people import OUR_NUMBER
from scenarios.voice_call.remote import Happening, RemoteCall
from scenarios.voice_call.terms import PROMPTLY_S

Record = Mapping[str, Any]

LIVE: Final = ("initiated", "ringing", "answered", "active", "speaking", "listening")
ENDS: Final = frozenset(
    {"completed", "hangup-user", "hangup-bot", "timeout", "error", "failed", "no-answer", "busy", "voicemail"}
)
_GREETINGS: Final = frozenset({"none", "queued", "started", "done", "failed", "interrupted", "skipped"})
_DIALS: Final = frozenset({"intended", "created", "refused", "unknown"})
_REPLIES: Final = frozenset({"thinking", "speaking", "done", "failed", "timed-out", "interrupted"})
_OPEN: Final = frozenset({"asking", "listening"})
_CLOSED: Final = frozenset({"answered", "timed-out", "failed", "interrupted", "ended"})
_METRICS: Final = ("turnCount", "lastTurnLatencyMs", "lastTurnListenWaitMs", "lastTurnCompletedAt")
_METADATA: Final = frozenset({"mode", "initialMessage", *_METRICS})


def records_make_sense(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Nothing in a record contradicts the rest of it; of times nothing is said once somebody has set the clock."""
    steady = case.world.outer.clock_off_s == 0
    return [
        violation("check-failed", f"the record of call {name} makes no sense: {what}", name)
        for name, record in observed.records.items()
        for what in itertools.chain(_nonsense(record), _nonsense_of_times(record, observed.at) if steady else ())
    ]


def _nonsense(record: Record) -> Iterator[str]:
    state, ended = record["state"], record["endedAt"]
    over = state in ENDS
    if not over and state not in LIVE:
        yield f"there is no state {state!r}"
    if record["endReason"] != (state if over else None):
        yield f"its state is {state} and the reason of its end {record['endReason']}"
    if (ended is not None) != over:
        yield f"its state is {state} and its end at {ended}"
    if over and record["deadlines"]:
        yield f"it is over and has deadlines: {', '.join(record['deadlines'])}"
    if record["ending"] is not None and record["ending"] not in ENDS:
        yield f"it is being ended as {record['ending']!r}"
    if record["greeting"] not in _GREETINGS:
        yield f"there is no greeting phase {record['greeting']!r}"
    if bool(record["metadata"].get("initialMessage")) == (record["greeting"] == "none"):
        yield f"its first message is {record['metadata'].get('initialMessage')!r}, and its greeting {record['greeting']}"
    if over and record["greeting"] == "queued":
        yield "it is over, and its greeting is still queued"
    yield from _nonsense_of_identity(record)
    yield from _nonsense_of_media(record, over)
    yield from _nonsense_of_turn(record)
    for line in record["transcript"]:
        if line["speaker"] not in ("user", "bot") or line["isFinal"] is not True:
            yield f"a line of its transcript is {line}"


def _nonsense_of_identity(record: Record) -> Iterator[str]:
    dial, direction = record["dial"], record["direction"]
    if direction not in ("inbound", "outbound"):
        yield f"its direction is {direction!r}"
    elif direction == "inbound" and (dial is not None or record["clientKey"] is not None):
        yield f"it came from outside, and was dialled ({dial}) under {record['clientKey']}"
    elif direction == "outbound" and (dial not in _DIALS or record["clientKey"] is None):
        yield f"we dialled it, and that is {dial} under {record['clientKey']}"
    if dial == "created" and record["providerCallId"] is None:
        yield "the provider has accepted its dial and given it no id"
    if dial == "refused" and record["endReason"] not in (None, "failed"):
        yield f"the provider has refused its dial, and it ended as {record['endReason']}"
    if record["metadata"].get("initialMessage", "") is None:
        yield "its first message is nothing, and is there"
    if dial in ("intended", "unknown") and record["providerCallId"] is not None:
        yield f"its dial is {dial}, and it has the provider's id {record['providerCallId']}"
    if len({*record["aliases"], record["providerCallId"]}) <= len(record["aliases"]):
        yield f"it is called {record['providerCallId']}, and its aliases are {record['aliases']}"
    if len(set(record["processedEventIds"])) < len(record["processedEventIds"]):
        yield "it has processed one event twice"
    unknown = [key for key in record["metadata"] if key not in _METADATA]
    if unknown:
        yield f"nobody knows its metadata {', '.join(unknown)}"
    if record["metadata"].get("mode", "notify") not in ("notify", "conversation"):
        yield f"its mode is {record['metadata']['mode']!r}"


def _nonsense_of_media(record: Record, over: bool) -> Iterator[str]:
    """Of managers that have streams and replies."""
    media, reply = record.get("media"), record.get("reply")
    if media is not None:
        here, since, until = media["connected"], media["connectedAt"], media["disconnectedAt"]
        if (here and (over or since is None)) or (not here and since is not None and (until is None or until < since)):
            yield f"its stream is {media}, and its state {record['state']}"
        if not 0 <= media["used"] <= media["granted"]:
            yield f"of {media['granted']} streams {media['used']} were used"
    phase = None if reply is None else reply["phase"]
    if phase is not None and (phase not in _REPLIES or (over and phase in ("thinking", "speaking"))):
        yield f"its reply is {phase}, and its state {record['state']}"


def _nonsense_of_times(record: Record, now_s: float) -> Iterator[str]:
    begun, now = record["startedAt"], now_s * 1000 + 1
    if record["answeredAt"] is not None and record["endedAt"] is not None and record["endedAt"] < record["answeredAt"]:
        yield "it ended before it was answered"
    times = [record["answeredAt"], record["endedAt"], *(line["timestamp"] for line in record["transcript"])]
    if record["turn"] is not None:
        times += [record["turn"]["askedAt"], record["turn"]["listeningAt"]]
    if begun > now or any(at is not None and not begun <= at <= now for at in times):
        yield f"it began at {begun}, it is {now:.0f}, and something in it happened at another time: {times}"


def _nonsense_of_turn(record: Record) -> Iterator[str]:
    turn, metadata = record["turn"], record["metadata"]
    if turn is None:
        if any(key in metadata for key in _METRICS):
            yield "it has measured a turn and had none"
        if "transcript" in record["deadlines"]:
            yield "it waits for an answer and has asked nothing"
        return
    phase = turn["phase"]
    if phase not in _OPEN | _CLOSED:
        yield f"there is no turn phase {phase!r}"
    if (phase == "answered") != (turn["answer"] is not None):
        yield f"its turn is {phase} and the answer {turn['answer']!r}"
    if ("transcript" in record["deadlines"]) != (phase == "listening") and record["state"] not in ENDS:
        yield f"its turn is {phase} and its deadlines are {', '.join(record['deadlines'])}"
    if phase in _OPEN and record["state"] in ENDS:
        yield f"it is over and its turn is {phase}"
    if phase in ("listening", "timed-out") and turn["listeningAt"] is None:
        yield f"its turn is {phase} and never listened"
    if phase == "answered":
        yield from _nonsense_of_metrics(turn, metadata)


def _nonsense_of_metrics(turn: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[str]:
    """The measures of the newest turn, where it was answered."""
    done = metadata.get("lastTurnCompletedAt")
    if done is None:
        yield "its turn was answered at no time"
        return
    heard_from = done if turn["listeningAt"] is None else turn["listeningAt"]
    wanted = {"lastTurnLatencyMs": max(0, done - turn["askedAt"]), "lastTurnListenWaitMs": max(0, done - heard_from)}
    for key, milliseconds in wanted.items():
        if metadata.get(key) != milliseconds:
            yield f"{key} is {metadata.get(key)}, in truth {milliseconds}"


def debts_have_dates(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A hang-up is owed since it was asked for, or since the call was over here; not since it began."""
    if case.world.outer.clock_off_s != 0:
        return []
    asked: dict[str, float] = {}
    for one in case.world.outer.requests.values():
        if one.kind == "end" and one.call is not None:
            asked[one.call] = min(one.first_at * 1000, asked.get(one.call, math.inf))
    found: list[Violation] = []
    for name, since in observed.owed_since.items():
        record = observed.records[name]
        ended = record["endedAt"] if record["endedAt"] is not None else math.inf
        # A notification owes it without being asked, some time before it is over.
        earliest = min(ended, asked.get(name, math.inf))
        if record["metadata"].get("mode") == "notify" and record["answeredAt"] is not None:
            earliest = record["answeredAt"]
        if not earliest - 1 <= since <= observed.at * 1000 + 1 and earliest < math.inf:
            text = f"the hang-up of call {name} is owed since {since}, it is over or asked for since {earliest:.0f}"
            found.append(violation("check-failed", text, name))
    return found


def states_follow_reports(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A live call is at least as far as what was acknowledged about it, and no farther than somebody has brought it."""
    lacking = incomplete(case, observed)
    reports: dict[str, list[Happening]] = {}
    for event in case.world.outer.happenings.values():
        reports.setdefault(event.call, []).append(event)
    found: list[Violation] = []
    for call in observed.calls:
        state = observed.records[call.id]["state"]
        if state not in LIVE or call.id in lacking:
            continue
        told = reports.get(call.remote_id or "", ())
        owed = [LIVE.index(kind) for event in told if event.owed and (kind := _namesake(event)) is not None]
        if owed and LIVE.index(state) < min(max(owed), LIVE.index("speaking")):
            text = f"call {call.id} is shown as {state}, and was reported as {LIVE[max(owed)]}"
            found.append(violation("reordered", text, call.id))
        heard = {_namesake(event) for event in told if event.attempts}
        if state == "initiated" and observed.records[call.id]["direction"] == "inbound":
            found.append(violation("reordered", f"call {call.id} came from outside and is shown as initiated", call.id))
        if state in ("answered", "active") and state not in heard:
            found.append(violation("misattributed", f"call {call.id} is shown as {state}, which nobody said", call.id))
    return found


def _namesake(event: Happening) -> str | None:
    """The state that an event reports."""
    if event.kind == "call.speech":
        return "listening"
    name = event.kind.removeprefix("call.")
    return name if name in LIVE else None


def turns_are_counted(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """A call counts the questions that were answered in it."""
    found: list[Violation] = []
    for name, record in observed.records.items():
        asked = [one for one in case.world.outer.requests.values() if one.kind == "continue" and one.call == name]
        done = sum(one.outcome == "done" for one in asked)
        perhaps = sum(one.outcome == "pending" or (one.outcome != "done" and one.answer is None) for one in asked)
        counted = record["metadata"].get("turnCount", 0)
        if not done <= counted <= done + perhaps:
            text = f"call {name} counts {counted} answered questions, in truth {done}"
            found.append(violation("check-failed", text, name))
    return found


def records_tell_the_truth(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Who calls whom, since when, and under which name it was asked for, is what it is at the provider."""
    shown = {call.id for call in observed.calls}
    lacking = incomplete(case, observed)
    return [
        violation("misattributed", f"call {name} is not what it is at the provider: {what}", name)
        for name, record in observed.records.items()
        if (remote := case.world.outer.calls.get(record["providerCallId"])) is not None
        for what in itertools.chain(
            _mistaken_for_another(case, record, remote),
            () if name in lacking else _untruths(case, record, remote, shown),
        )
    ]


def _mistaken_for_another(case: CallCase, record: Record, remote: RemoteCall) -> Iterator[str]:
    """What every line of a call repeats: losing one of them loses nothing of it."""
    for field, told, true in (
        ("provider", record["provider"], case.world.name),
        ("direction", record["direction"], remote.direction),
        ("clientKey", record["clientKey"], remote.key),
    ):
        if told != true:
            yield f"{field} is {told!r}, there it is {true!r}"


def _untruths(case: CallCase, record: Record, remote: RemoteCall, shown: Container[str]) -> Iterator[str]:
    for field, told, true in (("from", record["from"], remote.from_), ("to", record["to"], remote.to)):
        if told != true:
            yield f"{field} is {told!r}, there it is {true!r}"
    if remote.direction == "outbound" and remote.from_ != OUR_NUMBER:
        yield f"it was dialled from {remote.from_!r}"
    begun = remote.started_at * 1000
    if remote.direction == "inbound":
        if case.world.outer.bridged != (record["sessionKey"] is not None) and record["callId"] in shown:
            yield f"its session is {record['sessionKey']!r}"
        reported = {
            event.body.get("timestamp") for event in case.world.outer.happenings.values() if event.call == remote.id
        }
        if record["startedAt"] not in reported and not (None in reported and record["startedAt"] >= begun - 1):
            yield f"it began at {record['startedAt']}, which nobody has reported"
    elif not begun - PROMPTLY_S * 1000 <= record["startedAt"] <= begun + 1:
        yield f"it began at {record['startedAt']}, there at {begun:.0f}"


def lines_tell_when(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """What people say stands in the transcript with the time at which they said it.

    A media stream has no times: what is heard there is dated when it arrives. Nor has a machine whose clock was set.
    """
    if case.world.outer.clock_off_s != 0:
        return []
    said: dict[tuple[str, str], set[int]] = {}
    for event in case.world.outer.happenings.values():
        if event.is_speech:
            at = event.body.get("timestamp", 0)
            said.setdefault((event.call, event.body["transcript"]), set()).add(at)
    found: list[Violation] = []
    for name, record in observed.records.items():
        for line in record["transcript"]:
            times = said.get((record["providerCallId"], line["text"]))
            if line["speaker"] != "user" or times is None:
                continue
            if (record["media"] is not None or 0 in times) and line["timestamp"] >= min(times):
                continue
            if line["timestamp"] not in {max(at, record["startedAt"]) for at in times}:
                text = f"{line['text']!r} in call {name} is dated {line['timestamp']}, it was said at {sorted(times)}"
                found.append(violation("misattributed", text, name))
    return found
