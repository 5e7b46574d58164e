"""What the provider reports, and the facts that follow: pure decisions on the state as it is.

Known calls come first, whatever their state: one that is over remembers the report, keeps what was said, and does not
come back. A report that may belong to a call whose dial is not answered yet is refused, to be delivered again.
"""

from typing import Any, Final

import msgspec

from scenarios.voice_call.ideal import facts
from scenarios.voice_call.ideal.book import TALKING, Book, Call
from scenarios.voice_call.ideal.facts import AnyFact
from scenarios.voice_call.manager.config import Config

_STATES: Final = {f"call.{state}": state for state in ("initiated", "ringing", "active", "speaking")}

_NAMES: Final = ("id", "type", "call_id", "provider_call_id", "client_key", "turn_token", "dedupe_key")


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One event of a webhook request. Times are milliseconds since the epoch."""

    id: str
    type: str
    call_id: str | None = None
    provider_call_id: str | None = None
    timestamp: int | None = None
    direction: str | None = None
    caller: str | None = msgspec.field(default=None, name="from")
    callee: str | None = msgspec.field(default=None, name="to")
    client_key: str | None = None
    turn_token: str | None = None
    dedupe_key: str | None = None
    transcript: str = ""
    is_final: bool = True
    reason: str | None = None
    retryable: bool = False

    @property
    def remote(self) -> str | None:
        return self.provider_call_id or self.call_id

    @property
    def mark(self) -> str:
        """What tells it from the other reports about its call."""
        return self.dedupe_key or self.id

    @property
    def is_an_end(self) -> bool:
        return self.type == "call.ended" or (self.type == "call.error" and not self.retryable)

    def when(self, now: int) -> int:
        """When it happened, by its own account; a provider's clock that is ahead of ours is not believed."""
        return now if self.timestamp is None else min(self.timestamp, now)


class NotYet(Exception):
    """Nobody knows yet whose report this is: it must come again."""


def read(raw: Any) -> Report:
    """Raises ValueError."""
    try:
        report = msgspec.convert(raw, Report)
    except msgspec.ValidationError as error:
        raise ValueError(f"a webhook event cannot be read: {error}") from error
    for name in _NAMES:
        (getattr(report, name) or "").encode()  # half a character has no bytes: that is a ValueError as well
    return report


def decide(book: Book, report: Report, config: Config, now: int) -> list[AnyFact]:
    """What becomes true with this report; nothing when it is known. Raises NotYet."""
    call = book.find(report.call_id) or book.find(report.provider_call_id) or book.by_key(report.client_key)
    if call is None:
        return _first(book, report, config, now)
    if report.mark in call.heard:
        return []
    news: list[AnyFact] = [facts.Heard(call=call.name, at=now, event=report.mark, when=report.when(now))]
    news += _names(book, call, report, now)
    return news + _effects(call, report, config, now)


def _first(book: Book, report: Report, config: Config, now: int) -> list[AnyFact]:
    """A report about a call that nobody knows."""
    if report.direction != "inbound" or report.remote is None:
        if any(call.must_be_found for call in book.calls.values()) or (
            report.direction is None and not report.is_an_end
        ):
            raise NotYet(f"event {report.id!r} may belong to a call whose dial is not answered yet")
        return []
    name = book.next_name()
    caller, callee = report.caller or "unknown", report.callee or config.from_number or "unknown"
    heard = facts.Heard(call=name, at=now, event=report.mark, when=report.when(now))
    old = report.call_id
    heard_as: list[AnyFact] = [heard]
    if old is not None and old != report.remote:
        heard_as.append(facts.AlsoNamed(call=name, at=now, remote=old))
    if report.is_an_end:
        return [facts.Missed(call=name, at=now, remote=report.remote, caller=caller, callee=callee), *heard_as]
    if not admits(config, report.caller):
        return [facts.TurnedAway(call=name, at=now, remote=report.remote, caller=caller, callee=callee), *heard_as]
    taken = facts.Taken(
        call=name,
        at=now,
        remote=report.remote,
        caller=caller,
        callee=callee,
        message=config.inbound_greeting or None,
        ring_until=report.when(now) + config.unanswered_ms,
    )
    trial = Book()
    trial.fold([taken])
    return [taken, *heard_as, *_effects(trial.calls[name], report, config, now)]


def admits(config: Config, caller: str | None) -> bool:
    """Whether this caller may become a call."""
    if config.inbound_policy in ("open", "disabled"):
        return config.inbound_policy == "open"
    number = _digits(caller)
    return number != "" and number in {_digits(one) for one in config.allow_from}


def _digits(number: str | None) -> str:
    return "".join(sign for sign in number or "" if sign in "0123456789")


def _names(book: Book, call: Call, report: Report, now: int) -> list[AnyFact]:
    """The provider may tell the name of a call we dialled, or give a call another one; never that of another call."""
    new = report.provider_call_id
    if new is None or new == call.remote or new in call.other_names or book.find(new) not in (None, call):
        return []
    named: list[AnyFact] = [facts.Named(call=call.name, at=now, remote=new)]
    if call.dial in ("intended", "unknown"):
        named.append(facts.Dialled(call=call.name, at=now, outcome="created"))
    return named


def _effects(call: Call, report: Report, config: Config, now: int) -> list[AnyFact]:
    name, when = call.name, report.when(now)
    cap = when + config.max_duration_ms
    if report.type in _STATES:
        state = _STATES[report.type]
        return [facts.Stepped(call=name, at=now, state=state, talk_until=cap if state in TALKING else None)]
    match report.type:
        case "call.answered":
            return [facts.PickedUp(call=name, at=now, when=when, talk_until=cap)]
        case "call.speech":
            return _heard_speaking(call, report, when, now, cap)
        case "call.ended" if call.gone:
            return []
        case "call.ended":
            return [facts.Gone(call=name, at=now, reason=report.reason, when=when)]
        case "call.error" if not report.retryable and call.staying:
            return [facts.Leaving(call=name, at=now, reason="error")]
    return []


def _heard_speaking(call: Call, report: Report, when: int, now: int, cap: int) -> list[AnyFact]:
    step = facts.Stepped(call=call.name, at=now, state="listening", talk_until=cap)
    if not report.is_final:
        return [step]
    news: list[AnyFact] = []
    if call.standing == "call":
        news.append(facts.Said(call=call.name, at=now, text=report.transcript, when=when))
    question = call.question
    if question is not None and question.open and report.turn_token == question.token:
        news.append(facts.Replied(call=call.name, at=now, token=question.token, text=report.transcript))
    return [*news, step]
