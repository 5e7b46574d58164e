"""Records as JSON-able dicts for readers: all copies, nothing of the inside."""

from typing import Any

import msgspec

from scenarios.voice_call.manager.lifecycle import is_live
from scenarios.voice_call.manager.records import CallRecord, Media, Reply


def call_view(record: CallRecord) -> dict[str, Any]:
    """One call for a reader."""
    return {
        "callId": record.call_id,
        "providerCallId": record.provider_call_id,
        "aliases": list(record.aliases),
        "provider": record.provider,
        "direction": record.direction,
        "state": record.state,
        "live": is_live(record),
        "from": record.from_,
        "to": record.to,
        "sessionKey": record.session_key,
        "clientKey": record.client_key,
        "startedAt": record.started_at,
        "answeredAt": record.answered_at,
        "endedAt": record.ended_at,
        "endReason": record.end_reason,
        "ending": record.ending,
        "transcript": list(msgspec.to_builtins(record.transcript)),
        "processedEventIds": list(record.processed_event_ids),
        "metadata": msgspec.to_builtins(record.metadata),
        "deadlines": dict(record.deadlines),
        "greeting": record.greeting,
        "turn": None if record.turn is None else msgspec.to_builtins(record.turn),
        "dial": record.dial,
        "media": None if record.media is None else _media_view(record.media),
        "reply": None if record.reply is None else _reply_view(record.reply),
    }


def _reply_view(reply: Reply) -> dict[str, Any]:
    return {"key": reply.key, "heard": reply.heard, "phase": reply.phase, "text": reply.text}


def _media_view(media: Media) -> dict[str, Any]:
    """What a reader may know about a stream: its tokens open it, so they are counted and not shown."""
    return {
        "connected": media.stream is not None,
        "connectedAt": media.connected_at,
        "disconnectedAt": media.disconnected_at,
        "granted": len(media.tokens),
        "used": len(media.used),
    }
