"""What the judge looks at, in the harness's own words: the subject's public view and the truth outside, frozen."""

from collections.abc import Mapping

import msgspec


class ObservedCall(msgspec.Struct, frozen=True):
    """A call as the subject shows it.

    `outcome` is the reason of a terminal call, None while it lives. `entries` are its visible contents in order (the
    lines of a transcript), `events` the event ids it claims. `deadline` and `connected_at` are seconds since the epoch.
    """

    id: str
    remote_id: str | None = None
    live: bool = True
    outcome: str | None = None
    entries: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    deadline: float | None = None
    connected_at: float | None = None


class Armed(msgspec.Struct, frozen=True):
    """A timer that will fire at `due` (seconds since the epoch)."""

    call: str
    kind: str
    due: float


class Firing(msgspec.Struct, frozen=True):
    """A timer that was due at `due` and fired at `at` (seconds since the epoch)."""

    call: str
    kind: str
    due: float
    at: float


class Owed(msgspec.Struct, frozen=True):
    """A side effect that the subject still owes the world. `call` is the id of a call, its own or the remote one."""

    key: str
    kind: str
    call: str = ""


class Observed(msgspec.Struct, frozen=True):
    """The whole public view. `applied` counts how many times the effect of an event is found (absent: not at all)."""

    available: bool = True
    calls: tuple[ObservedCall, ...] = ()
    applied: Mapping[str, int] = {}
    capacity_used: int = 0
    capacity_limit: int = 0
    armed: tuple[Armed, ...] = ()
    owed: tuple[Owed, ...] = ()


class RemoteCall(msgspec.Struct, frozen=True):
    """A call as it really is. `outcome` is how it ended, None if that is not known or it lives; times as elsewhere."""

    id: str
    alive: bool
    outcome: str | None = None
    key: str | None = None
    direction: str = ""
    ended_at: float | None = None
    connected_at: float | None = None


class Effect(msgspec.Struct, frozen=True):
    """A side effect that took place in the world (a request that the world recognised as a repetition is none)."""

    key: str
    kind: str
    call: str = ""
    payload: str = ""
    at: float = 0.0


class Outside(msgspec.Struct, frozen=True):
    """The truth outside of the subject."""

    remote_calls: tuple[RemoteCall, ...] = ()
    effects: tuple[Effect, ...] = ()
