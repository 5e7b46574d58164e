"""The shape of what the manager shows to readers: every field, and its type. Fields beyond these are nobody's concern.

What the values mean, and which of them fit together, `record_promises` says.
"""

from typing import Any

import msgspec


class Line(msgspec.Struct, rename="camel"):
    timestamp: int
    speaker: str
    text: str
    is_final: bool


class Turn(msgspec.Struct, rename="camel"):
    token: str
    phase: str
    prompt: str
    asked_at: int
    listening_at: int | None
    answer: str | None


class Metadata(msgspec.Struct, rename="camel"):
    mode: str = ""
    initial_message: str | None = None
    turn_count: int = 0
    last_turn_latency_ms: int = 0
    last_turn_listen_wait_ms: int = 0
    last_turn_completed_at: int = 0


class Call(msgspec.Struct, rename="camel"):
    call_id: str
    provider_call_id: str | None
    aliases: list[str]
    provider: str
    direction: str
    state: str
    live: bool
    from_: str = msgspec.field(name="from")
    to: str
    session_key: str | None
    client_key: str | None
    started_at: int
    answered_at: int | None
    ended_at: int | None
    end_reason: str | None
    ending: str | None
    transcript: list[Line]
    processed_event_ids: list[str]
    metadata: Metadata
    deadlines: dict[str, int]
    greeting: str
    turn: Turn | None
    dial: str | None


class Capacity(msgspec.Struct):
    used: int
    limit: int


class Obligation(msgspec.Struct, rename="camel"):
    call_id: str
    kind: str
    since: int
    attempts: int


class Timer(msgspec.Struct, rename="camel"):
    call_id: str
    kind: str
    due: int


class View(msgspec.Struct):
    ready: bool
    poisoned: str | None
    generation: int
    calls: list[Call]
    rejected: list[Call]
    tombstones: list[Call]
    active: list[str]
    capacity: Capacity
    obligations: list[Obligation]
    timers: list[Timer]
    quarantined: dict[str, str]


def check_shape(view: Any) -> None:
    """Raises msgspec.ValidationError, which names the field, where a view is not what readers were told it would be."""
    msgspec.convert(view, View)
