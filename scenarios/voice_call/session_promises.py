"""What is owed for sessions: each line of a call is in the session of its caller once, and a reset stays a reset.

A session is judged against the records of its calls, whose lines are judged elsewhere (`event_promises`). Not judged:
how soon a line is brought over, and lines that were said while a reset was being asked for.
"""

from collections.abc import Iterator

from harness.verdict.vocabulary import Violation, violation
from scenarios.voice_call.event_promises import CallCase
from scenarios.voice_call.observe import CallsObserved
from scenarios.voice_call.session_memory import SessionMemory, decode_memory

Place = tuple[str, int]


def sessions_say_what_was_said(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Each line of a session is the line of a call of that session, once, and in the order of the call."""
    found: list[Violation] = []
    for key, session in observed.sessions.items():
        seen: dict[str, int] = {}
        places: set[Place] = set()
        for line in session["lines"]:
            call, index = line["callId"], int(line["index"])
            record = observed.records.get(call)
            known = record["transcript"][index] if record is not None and index < len(record["transcript"]) else None
            if record is None or known is None or record["sessionKey"] != key:
                found.append(
                    violation("misattributed", f"session {key} shows line {index} of {call}, not its own", key)
                )
            elif (known["speaker"], known["text"]) != (line["speaker"], line["text"]):
                found.append(
                    violation("misattributed", f"session {key} shows {line['text']!r}, not said in {call}", key)
                )
            if (call, index) in places:
                found.append(violation("double-applied", f"session {key} shows line {index} of {call} twice", key))
            elif index < seen.get(call, -1):
                found.append(violation("reordered", f"session {key} shows line {index} of {call} too late", key))
            places.add((call, index))
            seen[call] = index
    return found


def sessions_hold_every_line(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """Every line of a call is in its session, but for those from before a reset."""
    if not case.world.outer.bridged:
        return []
    found: list[Violation] = []
    for call in observed.calls:
        record = observed.records[call.id]
        key = record["sessionKey"]
        if key is None:
            found.append(violation("lost", f"call {call.id} belongs to no session", call.id))
            continue
        session = observed.sessions.get(key)
        here = {(line["callId"], line["index"]) for line in session["lines"]} if session is not None else set()
        first = max((_may_be_over(memory, call.id) for memory, _ in _resets(case, key)), default=0)
        for index in range(first, len(record["transcript"])):
            if (call.id, index) not in here:
                found.append(violation("lost", f"line {index} of call {call.id} is not in session {key}", call.id))
    return found


def _may_be_over(memory: SessionMemory, call: str) -> int:
    """The first line of a call that a reset has not touched for certain."""
    return memory.lengths.get(call, 0)


def resets_hold(case: CallCase, observed: CallsObserved) -> list[Violation]:
    """What a session had dropped does not come back."""
    found: list[Violation] = []
    for key, session in observed.sessions.items():
        here = {(line["callId"], line["index"]) for line in session["lines"]}
        for memory, done in _resets(case, key):
            back = sorted(here & set(memory.lines))
            if done and back:
                call, index = back[0]
                text = f"line {index} of {call} is back in session {key}, which was reset after it"
                found.append(violation("resurrected", text, key))
            if done and memory.session_id is not None and session["sessionId"] == memory.session_id:
                found.append(violation("resurrected", f"session {key} is the one from before its reset", key))
    return found


def _resets(case: CallCase, key: str) -> Iterator[tuple[SessionMemory, bool]]:
    """The resets of a session that were asked for, and whether they were acknowledged."""
    for request in case.world.outer.requests.values():
        if request.kind == "reset" and request.text == key:
            yield decode_memory(request.answer), request.outcome == "done"
