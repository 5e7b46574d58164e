"""Calls as their readers see them: JSON values, in the shape that every call manager of this scenario shows."""

from typing import Any

from scenarios.voice_call.ideal.book import Call
from scenarios.voice_call.ideal.rounds import deadlines


def show(call: Call, provider: str) -> dict[str, Any]:
    """One call, whatever its standing."""
    return {
        "callId": call.name,
        "providerCallId": call.remote,
        "aliases": list(call.other_names),
        "provider": provider,
        "direction": "inbound" if call.inbound else "outbound",
        "state": call.state,
        "live": call.live,
        "from": call.caller,
        "to": call.callee,
        "sessionKey": call.session_key,
        "clientKey": call.key,
        "startedAt": call.began,
        "answeredAt": call.answered,
        "endedAt": call.ended,
        "endReason": call.reason,
        "ending": call.leaving,
        "transcript": [
            {"timestamp": line.at, "speaker": line.speaker, "text": line.text, "isFinal": True} for line in call.lines
        ],
        "processedEventIds": list(call.heard),
        "metadata": _metadata(call),
        "deadlines": deadlines(call),
        "greeting": call.greeting,
        "turn": _turn(call),
        "dial": call.dial,
        "media": None,
        "reply": None,
    }


def _metadata(call: Call) -> dict[str, Any]:
    message = {} if call.message is None else {"initialMessage": call.message}
    return {"mode": call.mode, **message, **call.turns}


def _turn(call: Call) -> dict[str, Any] | None:
    question = call.question
    if question is None:
        return None
    return {
        "token": question.token,
        "phase": question.phase,
        "prompt": question.prompt,
        "askedAt": question.asked_at,
        "listeningAt": question.listening_at,
        "answer": question.answer,
    }


def owed(call: Call) -> str | None:
    """What the provider is still to be asked for on account of this call."""
    if call.must_be_found:
        return "find"
    return "hang-up" if call.must_be_hung_up else None
