"""What can be true of calls: facts, of which everything else is a fold (`book`).

A fact names its call and when it was written down (milliseconds since the epoch). Deadlines are in the facts as absolute
instants, so that a fold needs neither a clock nor settings. A commit is a list of facts: all of them, or none.
"""

from collections.abc import Sequence
from typing import Final

import msgspec


class Fact(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """About `call` (its internal name), written down at `at`."""

    call: str
    at: int


class Taken(Fact, frozen=True, tag=True):
    """Somebody calls, and may."""

    remote: str
    caller: str
    callee: str
    message: str | None
    ring_until: int


class TurnedAway(Fact, frozen=True, tag=True):
    """Somebody calls, and may not: they are to be hung up."""

    remote: str
    caller: str
    callee: str


class Missed(Fact, frozen=True, tag=True):
    """The end of a call nobody had heard of."""

    remote: str
    caller: str
    callee: str


class Wanted(Fact, frozen=True, tag=True):
    """We are going to dial, under this key."""

    key: str
    to: str
    own_number: str
    mode: str
    message: str | None
    session_key: str | None
    answer_by: int
    ring_until: int


class Heard(Fact, frozen=True, tag=True):
    """An event was taken; by its own account it happened at `when`."""

    event: str
    when: int


class Named(Fact, frozen=True, tag=True):
    """The provider's name of the call, from now on."""

    remote: str


class AlsoNamed(Fact, frozen=True, tag=True):
    """Another name the provider has for it."""

    remote: str


class Dialled(Fact, frozen=True, tag=True):
    """What came of a dial: `created`, `refused` (no such call ever was) or `unknown`."""

    outcome: str


class Stepped(Fact, frozen=True, tag=True):
    """The provider reports a live state. `talk_until`: the cap, where the state proves that somebody answered."""

    state: str
    talk_until: int | None = None


class PickedUp(Fact, frozen=True, tag=True):
    """Somebody answered, at `when`."""

    when: int
    talk_until: int


class Said(Fact, frozen=True, tag=True):
    """The person said something."""

    text: str
    when: int


class SpeechBegun(Fact, frozen=True, tag=True):
    """We are about to say something, under this key."""

    key: str
    text: str
    greeting: bool = False


class SpeechOver(Fact, frozen=True, tag=True):
    """`how` it came out: `done`, `failed` or `interrupted`. `hang_up_at`: a notification ends then."""

    key: str
    text: str
    how: str
    greeting: bool = False
    hang_up_at: int | None = None


class Asked(Fact, frozen=True, tag=True):
    """A question was begun."""

    token: str
    prompt: str


class Listening(Fact, frozen=True, tag=True):
    """The question was played; its answer is awaited until then."""

    token: str
    until: int


class Replied(Fact, frozen=True, tag=True):
    """The answer to the question with this token."""

    token: str
    text: str


class Dropped(Fact, frozen=True, tag=True):
    """A question closed without an answer: `timed-out`, `failed` or `interrupted`."""

    token: str
    how: str


class Leaving(Fact, frozen=True, tag=True):
    """We end the call: a hang-up is owed until the provider says that it is gone."""

    reason: str


class Abandoned(Fact, frozen=True, tag=True):
    """A call without a name at the provider is over here; should it be there, it is to be hung up."""


class Gone(Fact, frozen=True, tag=True):
    """At the provider it is over, since `when`, with the reason it gave."""

    reason: str | None
    when: int


AnyFact = (
    Taken
    | TurnedAway
    | Missed
    | Wanted
    | Heard
    | Named
    | AlsoNamed
    | Dialled
    | Stepped
    | PickedUp
    | Said
    | SpeechBegun
    | SpeechOver
    | Asked
    | Listening
    | Replied
    | Dropped
    | Leaving
    | Abandoned
    | Gone
)

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[AnyFact])


def encode(facts: Sequence[Fact]) -> bytes:
    """One commit."""
    return _encoder.encode(list(facts))


def decode(commit: bytes) -> list[AnyFact]:
    """The facts of a commit."""
    return _decoder.decode(commit)
