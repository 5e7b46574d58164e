"""What the outside world of the call manager remembers: remote calls, events, deliveries, requests of its client.

Plain records in one tree, so that a snapshot is one encoding. Times are seconds since the epoch (virtual), except
inside event bodies, which are in the wire's unit (milliseconds).
"""

from typing import Any, Final

import msgspec

from scenarios.voice_call.policy import RETRY_NON_2XX, Policy
from scenarios.voice_call.remote_media import Media
from scenarios.voice_call.terms import MAX_DURATION_S

HUMAN: Final = "user"
BOT: Final = "bot"


class Played(msgspec.Struct):
    """A text that the provider spoke into a call."""

    key: str
    text: str
    at: float


class RemoteCall(msgspec.Struct):
    """A call as the provider knows it: the truth about who is on the line.

    `given_up_at` is when the subject first asked to hang up, whatever became of that request: from then on it may
    treat the call as ended. `stays`: the person never hangs up by themself.
    """

    id: str
    direction: str
    from_: str
    to: str
    started_at: float
    key: str | None = None
    alive: bool = True
    answered_at: float | None = None
    ended_at: float | None = None
    reason: str | None = None
    given_up_at: float | None = None
    turn_token: str | None = None
    stays: bool = False
    played: list[Played] = []
    events: int = 0


class Happening(msgspec.Struct):
    """One event with a stable id, and what the provider knows about its way to the subject.

    `owed`: it was acknowledged while its call was alive and not yet given up, so its effect must be found.
    `pending` counts the deliveries that still carry it. `acknowledged_at`: when it was acknowledged first.
    `refusals`: the answers other than "accepted" of a manager that was there, and not just starting or stopping.
    `by_stream`: a transcript that travels over media streams, and by no webhook. `company`: the events of the request
    it travels in, itself included, as long as no other request has carried it; empty where it travels alone.
    """

    id: str
    kind: str
    call: str
    body: dict[str, Any]
    at: float
    attempts: int = 0
    pending: int = 0
    acknowledged: bool = False
    owed: bool = False
    acknowledged_at: float | None = None
    refusals: list[int] = []
    by_stream: bool = False
    company: list[str] = []

    @property
    def is_speech(self) -> bool:
        """Whether it reports something that was said to its end: the parts of a sentence are not kept."""
        return self.kind == "call.speech" and bool(self.body.get("isFinal", True))

    @property
    def is_fatal(self) -> bool:
        """Whether it reports an error after which the call cannot go on."""
        return self.kind == "call.error" and not self.body.get("retryable", False)


class Delivery(msgspec.Struct):
    """One request to come: which events, when (`due`), the how-manyth attempt; `sent_at` while it is in flight."""

    id: int
    events: list[str]
    due: float
    attempt: int = 0
    sent_at: float | None = None


class Plan(msgspec.Struct):
    """Something a person will do: answer, or hang up with `reason`."""

    at: float
    call: str
    action: str
    reason: str = ""


class Callee(msgspec.Struct):
    """How those who are dialled behave: answer after `after_s`, or end with `busy`, `no-answer`, `voicemail`."""

    outcome: str = "answer"
    after_s: float = 0.5
    stays: bool = True


class CommandFault(msgspec.Struct):
    """The next `times` commands called `command` (or any, for "*") fail as `mode` says.

    `refused`: nothing happened, and the subject is told. `unavailable`: nothing happened, no answer.
    `unanswered`: it happened, no answer. `slow`: it happened, the answer takes `delay_s`. `late`: it takes `delay_s` to
    happen, and never does where whoever asked has gone by then.
    """

    command: str
    mode: str
    times: int = 1
    delay_s: float = 0.0


class Request(msgspec.Struct):
    """A request of the outside client, by its name: what was asked and what came back.

    `outcome` is "pending" (no answer yet, or the process died in between), "done", "refused" (told that it did not
    happen), "failed" (told that it is not known) or "broken" (an error of no known kind; `answer` quotes it).
    """

    name: str
    kind: str
    call: str | None = None
    text: str | None = None
    to: str | None = None
    key: str | None = None
    outcome: str = "pending"
    answer: str | None = None
    at: float = 0.0
    reason: str = ""
    told_at: float = 0.0
    first_at: float = 0.0


class Noticed(msgspec.Struct):
    """What a watcher of a story has seen broken, in the judge's words."""

    verdict: str
    summary: str
    subject: str


class Look(msgspec.Struct):
    """What a reader was shown of one call at one moment, by its internal id.

    `state` is None where the manager knew no such call. `doubted`: it said that it does not trust what it knows of it.
    `idle`: nobody had asked for anything to be said, and no first message was on its way.
    """

    call: str
    at: float
    state: str | None
    live: bool
    doubted: bool
    idle: bool


class Effect(msgspec.Struct):
    """A side effect that really happened at the provider: `kind` is dial, hangup or play."""

    key: str
    kind: str
    call: str
    payload: str
    at: float


class Outer(msgspec.Struct):
    """Everything outside the process that survives its death. `workload` names what is going on in this world.

    `patience_s`: a request that is not answered within this time has failed (None: the provider waits). `damaged`:
    remote calls one of whose records the medium has changed. `ample`: the disk is small and large enough for what
    happens. `clock_off_s`: how far the wall clock of the machine is off. `elsewhere`: the manager is set to another
    provider, which knows none of these calls. `media`: None in a world without media streams. `renamed`: new ids of
    calls, with those that they have here. `answers`: what each request was answered first, by its events;
    `answered_otherwise`: the requests that were answered another thing later. `bridged`: what is said is kept in
    sessions, beside the calls. `keys_stay`: events do not repeat the key of a dial. `plain_ends`: an end that was
    asked for is told as completed. `horizon_s`: for how long ended calls have to be remembered, where a story is
    long enough to tell. `expected_from`: since when the manager has to take what it is sent. `cap_s`: the longest a
    call may last. `away_s`: for how long nobody was there who could hang up.
    """

    policy: Policy = RETRY_NON_2XX
    callee: Callee = msgspec.field(default_factory=Callee)
    calls: dict[str, RemoteCall] = {}
    happenings: dict[str, Happening] = {}
    deliveries: list[Delivery] = []
    plans: list[Plan] = []
    faults: list[CommandFault] = []
    requests: dict[str, Request] = {}
    effects: list[Effect] = []
    knocks: dict[str, int] = {}
    workload: str = ""
    numbered: int = 0
    ids: int = 0
    lose_answers: int = 0
    failed_commands: int = 0
    most_dialled_at_once: int = 0
    looks: list[Look] = []
    noticed: list[Noticed] = []
    damaged: list[str] = []
    patience_s: float | None = None
    ample: bool = False
    clock_off_s: float = 0.0
    elsewhere: bool = False
    media: Media | None = None
    renamed: dict[str, str] = {}
    answers: dict[str, bytes] = {}
    answered_otherwise: list[str] = []
    bridged: bool = False
    keys_stay: bool = False
    plain_ends: bool = False
    horizon_s: float | None = None
    expected_from: float = 0.0
    cap_s: float = MAX_DURATION_S
    away_s: float = 0.0


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Outer)


def encode(outer: Outer) -> bytes:
    return _encoder.encode(outer)


def decode(data: bytes) -> Outer:
    return _decoder.decode(data)
