"""Lines of version 0: one JSON snapshot of a whole call a line, the newest line of a call wins (catalogue 8.1).

There is no envelope: no number, no checksum, no generation, so a damaged line of an old log is noticed only where
it is no JSON any more. What that version did not store is derived: a message still in `metadata.initialMessage` was
not spoken yet (it was cleared before the announcement), a call with a provider id was dialled, one without it may
have been. Deadlines come from the restore, as for any call that has none.

Not modelled: lines of version 0 among newer ones count for nothing; their calls become uncertain.
"""

import json
from typing import Any

from msgspec.structs import replace

from scenarios.voice_call.manager.lifecycle import is_live
from scenarios.voice_call.manager.records import CallRecord, record_from
from scenarios.voice_call.manager.states import is_terminal


def call_of(raw: bytes) -> str | None:
    """The call in a line of version 0; None for any other line."""
    fields = _fields(raw)
    return None if fields is None else str(fields["callId"])


def record_of(raw: bytes) -> tuple[CallRecord, bool]:
    """The record in a line of version 0, and whether a field could not be read."""
    fields = _fields(raw)
    if fields is None:
        raise ValueError(f"not a line of version 0: {raw[:40]!r}")
    call = fields.pop("callId")
    record, doubtful = record_from(call, fields, {})
    return _completed(record), doubtful


def _fields(raw: bytes) -> dict[str, Any] | None:
    if b'"callId"' not in raw:
        return None
    try:
        fields = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("callId"), str) or "v" in fields:
        return None
    return fields


def _completed(record: CallRecord) -> CallRecord:
    record = replace(record, processed_event_times=(record.started_at,) * len(record.processed_event_ids))
    if is_terminal(record.state):
        spoken = (line.timestamp for line in record.transcript)
        return replace(
            record,
            end_reason=record.end_reason or record.state,
            ended_at=record.ended_at or max(record.started_at, record.answered_at or 0, *spoken),
        )
    if is_live(record) and record.metadata.get("initialMessage"):
        record = replace(record, greeting="queued")
    if record.direction != "outbound":
        return record
    return replace(record, client_key=record.call_id, dial="unknown" if record.provider_call_id is None else "created")
