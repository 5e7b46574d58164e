"""The calls the manager knows: identity, capacity, inbound policy. No I/O, no clock, no randomness.

Ended and rejected calls stay: admission looks at retained identity first. Capacity is the size of a set of
ids, never a counter.
"""

import uuid

from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.lifecycle import is_live, owed
from scenarios.voice_call.manager.records import CallRecord

_NAMESPACE = uuid.UUID("6f0f7d5c-0f0b-5e0e-9d53-0a6d1b5a7c11")


class CapacityRefused(Exception):
    """All slots are taken."""


def inbound_call_id(provider: str, provider_call_id: str) -> str:
    """The internal id of an inbound call: derived, so that a second attempt to create it is the same call."""
    return str(uuid.uuid5(_NAMESPACE, f"{provider}:{provider_call_id}"))


def _digits(number: str) -> str:
    return "".join(c for c in number if c in "0123456789")


def accepts_inbound(config: Config, caller: str | None) -> bool:
    """The inbound policy (8.4)."""
    if config.inbound_policy == "open":
        return True
    if config.inbound_policy == "disabled" or not caller:
        return False
    wanted = _digits(caller)
    return bool(wanted) and any(_digits(allowed) == wanted for allowed in config.allow_from)


class CallBook:
    """The published records and the ways to find them."""

    def __init__(self) -> None:
        self._records: dict[str, CallRecord] = {}
        self._by_provider_id: dict[str, str] = {}
        self._by_key: dict[str, str] = {}
        self._live: dict[str, None] = {}
        self._reserved: dict[str, None] = {}

    def get(self, call_id: str) -> CallRecord | None:
        """The record with this internal id."""
        return self._records.get(call_id)

    def find(self, any_id: str | None) -> CallRecord | None:
        """The record with this internal id, else with this provider id or one of its aliases."""
        if any_id is None:
            return None
        return self._records.get(any_id) or self._records.get(self._by_provider_id.get(any_id, ""))

    def find_by_key(self, key: str | None) -> CallRecord | None:
        """The record dialled under this client key."""
        return None if key is None else self._records.get(self._by_key.get(key, ""))

    def publish(self, record: CallRecord) -> None:
        """Make a durable record visible."""
        call = record.call_id
        self._records[call] = record
        for provider_id in (record.provider_call_id, *record.aliases):
            if provider_id is not None:
                self._by_provider_id.setdefault(provider_id, call)
        if record.client_key is not None:
            self._by_key.setdefault(record.client_key, call)
        if is_live(record):
            self._live[call] = None
        else:
            self._live.pop(call, None)

    def replace_all(self, records: list[CallRecord]) -> None:
        """Know these records and no others; reservations stay."""
        for index in (self._records, self._by_provider_id, self._by_key, self._live):
            index.clear()
        for record in records:
            self.publish(record)

    def all(self) -> list[CallRecord]:
        """Every retained record, in the order in which they came."""
        return list(self._records.values())

    def live(self) -> list[CallRecord]:
        """The calls that are not over."""
        return [self._records[call] for call in self._live]

    def in_use(self) -> list[str]:
        """The ids that take a slot: live calls, and calls whose first record is being written."""
        return list(self._live | self._reserved)

    def reserve(self, call_id: str, limit: int) -> None:
        """Take a slot before the first write. Raises CapacityRefused."""
        taken = self._live | self._reserved
        if call_id not in taken and len(taken) >= limit:
            raise CapacityRefused(f"{len(taken)} of {limit} calls are in use; end one, or raise max_concurrent_calls")
        self._reserved[call_id] = None

    def release(self, call_id: str) -> None:
        """Give a reservation back; the live call, if it became one, holds the slot itself."""
        self._reserved.pop(call_id, None)

    def unresolved_dials(self) -> bool:
        """Whether some dial has not told its provider id yet: an event nobody knows may be its."""
        return any(owed(record) == "reconcile-dial" for record in self._records.values())

    def dials_since(self, to: str, instant: int) -> int:
        """How often this number was dialled since then."""
        return sum(
            1
            for record in self._records.values()
            if record.direction == "outbound" and record.to == to and record.started_at > instant
        )


def retained(records: list[CallRecord], horizon: int) -> list[CallRecord]:
    """The records that must be kept: all but calls that ended before the horizon and owe nothing."""
    return [
        record
        for record in records
        if record.ended_at is None or record.ended_at > horizon or owed(record) is not None or is_live(record)
    ]
