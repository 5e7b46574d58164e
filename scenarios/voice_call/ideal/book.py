"""The state: every call as the facts make it. Pure; knows no clock, no settings and no provider."""

from collections.abc import Iterable, Iterator
from typing import Final, assert_never

import msgspec
from msgspec.structs import replace

from scenarios.voice_call.ideal import facts
from scenarios.voice_call.ideal.facts import AnyFact

LIVE: Final = ("initiated", "ringing", "answered", "active", "speaking", "listening")
OVER: Final = frozenset(
    {"completed", "hangup-user", "hangup-bot", "timeout", "error", "failed", "no-answer", "busy", "voicemail"}
)
TALKING: Final = frozenset(LIVE[2:])
"""States that prove that somebody answered."""
_VAGUE: Final = frozenset({None, "completed", "hangup-bot"})
"""Reasons of the provider that say no more than our own intent to end the call."""


class Line(msgspec.Struct, frozen=True):
    """One line of a transcript."""

    at: int
    speaker: str
    text: str


class Question(msgspec.Struct, frozen=True):
    """The newest question of a call. `phase`: asking, listening, then answered or how it was dropped."""

    token: str
    prompt: str
    asked_at: int
    phase: str = "asking"
    listening_at: int | None = None
    until: int | None = None
    answer: str | None = None

    @property
    def open(self) -> bool:
        return self.phase in ("asking", "listening")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call. `standing`: call, away (turned away) or missed. `gone`: the provider's side is over, nothing is owed."""

    name: str
    inbound: bool
    caller: str
    callee: str
    began: int
    standing: str = "call"
    remote: str | None = None
    other_names: tuple[str, ...] = ()
    key: str | None = None
    session_key: str | None = None
    mode: str = "conversation"
    message: str | None = None
    state: str = "ringing"
    answered: int | None = None
    ended: int | None = None
    reason: str | None = None
    leaving: str | None = None
    left_at: int | None = None
    gone: bool = False
    dial: str | None = None
    greeting: str = "none"
    mouth: facts.SpeechBegun | None = None
    question: Question | None = None
    lines: tuple[Line, ...] = ()
    heard: tuple[str, ...] = ()
    turns: dict[str, int] = {}
    answer_by: int | None = None
    ring_until: int | None = None
    talk_until: int | None = None
    hang_up_at: int | None = None

    @property
    def live(self) -> bool:
        return self.standing == "call" and self.reason is None

    @property
    def staying(self) -> bool:
        """Live, and nobody has decided to end it."""
        return self.live and self.leaving is None

    @property
    def must_be_found(self) -> bool:
        """Whether only the provider knows what became of its dial."""
        return self.remote is None and not self.gone and self.dial in ("intended", "unknown")

    @property
    def must_be_hung_up(self) -> bool:
        return self.remote is not None and not self.gone and not self.staying


class Book:
    """All calls by name, and by the names others have for them. Nothing is ever forgotten."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self._remotes: dict[str, str] = {}
        self._keys: dict[str, str] = {}

    def copy(self) -> "Book":
        """Another book with the same calls: for decisions that may be given up."""
        other = Book()
        other.calls, other._remotes, other._keys = dict(self.calls), dict(self._remotes), dict(self._keys)
        return other

    def next_name(self) -> str:
        """The name of the next call: calls are numbered."""
        return f"call-{len(self.calls) + 1}"

    def find(self, name: str | None) -> Call | None:
        """By our name, else by one of the provider's."""
        if name is None:
            return None
        return self.calls.get(name) or self.calls.get(self._remotes.get(name, ""))

    def by_key(self, key: str | None) -> Call | None:
        """The call that was asked for under this key."""
        return None if key is None else self.calls.get(self._keys.get(key, ""))

    def live(self) -> Iterator[Call]:
        return (call for call in self.calls.values() if call.live)

    def occupying(self) -> list[str]:
        """The calls that take a line: the live ones, and those of which nobody knows yet whether they are."""
        return [call.name for call in self.calls.values() if call.live or call.must_be_found]

    def fold(self, news: Iterable[AnyFact]) -> None:
        """Let these facts be true."""
        for fact in news:
            call = after(self.calls.get(fact.call), fact)
            self.calls[call.name] = call
            for remote in (call.remote, *call.other_names):
                if remote is not None:
                    self._remotes.setdefault(remote, call.name)
            if call.key is not None:
                self._keys.setdefault(call.key, call.name)


def after(call: Call | None, fact: AnyFact) -> Call:
    """The call once the fact is true."""
    if isinstance(fact, facts.Taken | facts.TurnedAway | facts.Missed | facts.Wanted):
        return _begun(fact)
    if call is None:
        raise ValueError(f"a fact about {fact.call!r} comes before that call: {fact!r}")
    return _changed(call, fact)


def _begun(fact: facts.Taken | facts.TurnedAway | facts.Missed | facts.Wanted) -> Call:
    match fact:
        case facts.Wanted():
            return Call(
                name=fact.call, inbound=False, caller=fact.own_number, callee=fact.to, began=fact.at, key=fact.key,
                session_key=fact.session_key, mode=fact.mode, message=fact.message, state="initiated", dial="intended",
                greeting="none" if fact.message is None else "queued", answer_by=fact.answer_by,
                ring_until=fact.ring_until,
            )  # fmt: skip
        case facts.Taken():
            return Call(
                name=fact.call, inbound=True, caller=fact.caller, callee=fact.callee, began=fact.at, remote=fact.remote,
                message=fact.message, greeting="none" if fact.message is None else "queued", ring_until=fact.ring_until,
            )  # fmt: skip
        case facts.TurnedAway():
            standing, reason, gone = "away", "hangup-bot", False
        case facts.Missed():
            standing, reason, gone = "missed", "completed", True
    return Call(
        name=fact.call, inbound=True, caller=fact.caller, callee=fact.callee, began=fact.at, remote=fact.remote,
        standing=standing, state=reason, reason=reason, ended=fact.at, gone=gone,
    )  # fmt: skip


def _changed(call: Call, fact: AnyFact) -> Call:
    match fact:
        case facts.Heard():
            # A call from outside began when the earliest event about it says, and be that the last to be heard.
            began = min(call.began, fact.when) if call.inbound else call.began
            return replace(call, heard=(*call.heard, fact.event), began=began)
        case facts.Named():
            old = () if call.remote is None or call.remote in call.other_names else (call.remote,)
            return replace(call, remote=fact.remote, other_names=(*call.other_names, *old))
        case facts.AlsoNamed():
            return replace(call, other_names=(*call.other_names, fact.remote))
        case facts.Dialled(outcome="refused"):
            return _ended(replace(call, dial="refused", gone=True), "failed", fact.at)
        case facts.Dialled():
            return replace(call, dial=fact.outcome)
        case facts.Stepped():
            return _talking(_stepped(call, fact.state), fact.talk_until)
        case facts.PickedUp():
            first = call.answered is None and (call.ended is None or fact.when <= call.ended)
            answered = fact.when if first else call.answered
            return _talking(_stepped(replace(call, answered=answered), "answered"), fact.talk_until)
        case facts.Said():
            return replace(call, lines=(*call.lines, Line(fact.when, "user", fact.text)))
        case facts.SpeechBegun():
            call = replace(call, mouth=fact, greeting="started" if fact.greeting else call.greeting)
            return _stepped(call, "speaking") if call.state in TALKING else call
        case facts.SpeechOver():
            return _spoken(call, fact)
        case facts.Asked():
            return replace(call, question=Question(fact.token, fact.prompt, fact.at))
        case facts.Listening():
            return _of_question(call, fact.token, phase="listening", listening_at=fact.at, until=fact.until)
        case facts.Replied():
            return _of_question(_counted(call, fact), fact.token, phase="answered", answer=fact.text, until=None)
        case facts.Dropped():
            return _of_question(call, fact.token, phase=fact.how, until=None)
        case facts.Leaving():
            return _without_deadlines(
                replace(call, leaving=call.leaving or fact.reason, left_at=call.left_at or fact.at)
            )
        case facts.Abandoned():
            return _ended(call, "failed", fact.at)
        case facts.Gone():
            return _ended(replace(call, gone=True), _reason(call, fact.reason), fact.when)
        case facts.Taken() | facts.TurnedAway() | facts.Missed() | facts.Wanted():
            raise ValueError(f"call {call.name} begins twice: {fact!r}")
    assert_never(fact)


def _stepped(call: Call, state: str) -> Call:
    """Forward only; speaking and listening change freely. A call that is over stays so."""
    if not call.live:
        return call
    free = call.state in LIVE[-2:] and state in LIVE[-2:]
    return replace(call, state=state) if free or LIVE.index(state) > LIVE.index(call.state) else call


def _talking(call: Call, until: int | None) -> Call:
    """Somebody is on the line: from now on the cap counts, and it never moves later."""
    if until is None or not call.staying:
        return call
    cap = until if call.talk_until is None else min(until, call.talk_until)
    return replace(call, answer_by=None, ring_until=None, talk_until=cap)


def _spoken(call: Call, fact: facts.SpeechOver) -> Call:
    if fact.how == "done":
        call = replace(call, lines=(*call.lines, Line(fact.at, "bot", fact.text)))
    if call.mouth is not None and call.mouth.key == fact.key:
        call = replace(call, mouth=None)
        call = _stepped(call, "listening") if call.state == "speaking" else call
    if fact.greeting:
        call = replace(call, greeting=fact.how)
    if fact.hang_up_at is not None and call.staying:
        call = replace(call, hang_up_at=fact.hang_up_at)
    return call


def _of_question(call: Call, token: str, **changes: object) -> Call:
    question = call.question
    if question is None or question.token != token or not question.open:
        return call
    return replace(call, question=replace(question, **changes))


def _counted(call: Call, fact: facts.Replied) -> Call:
    question = call.question
    assert question is not None
    listening = fact.at if question.listening_at is None else question.listening_at
    turns = {
        "turnCount": call.turns.get("turnCount", 0) + 1,
        "lastTurnLatencyMs": fact.at - question.asked_at,
        "lastTurnListenWaitMs": fact.at - listening,
        "lastTurnCompletedAt": fact.at,
    }
    return replace(call, turns=turns)


def _reason(call: Call, reported: str | None) -> str:
    """What the provider says, unless it says no more than what we meant to do."""
    known = reported if reported in OVER else None
    if known in _VAGUE and call.leaving is not None:
        return call.leaving
    return known or "completed"


def _ended(call: Call, reason: str, when: int) -> Call:
    """Over, once: the first reason stays."""
    if call.reason is not None:
        return call
    greeting = "skipped" if call.greeting == "queued" else call.greeting
    return _without_deadlines(replace(call, state=reason, reason=reason, ended=when, greeting=greeting))


def _without_deadlines(call: Call) -> Call:
    question = call.question
    if question is not None and question.open:
        question = replace(question, phase="ended", until=None)
    return replace(call, question=question, answer_by=None, ring_until=None, talk_until=None, hang_up_at=None)
