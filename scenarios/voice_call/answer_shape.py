"""The shape of what the manager answers to the client of its own interface; anything else is no answer.

Raises ValueError, which names what is wrong. What an answer means for the world, the promises say.
"""

from typing import Final

from scenarios.voice_call.manager.outbound import EndResult, InitiateResult
from scenarios.voice_call.manager.speaking import TurnResult

_TURNS: Final = ("answered", "timed-out", "ended", "failed", "interrupted")


def dial_answer(result: InitiateResult) -> InitiateResult:
    """Created with an id, or not, with a reason."""
    _one_of(result.outcome, ("created", "refused", "unknown"))
    if result.outcome == "refused":
        _text(result.reason, "the reason of a refusal")
    else:
        _text(result.call_id, f"the id of a call that is {result.outcome}")
    return result


def turn_answer(result: TurnResult) -> TurnResult:
    """Answered with a text, or not, without one; the token tells which question it was."""
    _one_of(result.outcome, _TURNS)
    _text(result.turn_token, "the token of a turn")
    if (result.outcome == "answered") != isinstance(result.text, str):
        raise ValueError(f"a turn is {result.outcome}, and its text is {result.text!r}")
    return result


def end_answer(result: EndResult) -> EndResult:
    """Ended, or being ended, for a reason."""
    _one_of(result.outcome, ("ended", "ending"))
    _text(result.call_id, "the id of a call that is ended")
    _text(result.reason, "the reason of an end")
    return result


def _one_of(outcome: object, known: tuple[str, ...]) -> None:
    if outcome not in known:
        raise ValueError(f"the outcome is {outcome!r}: expected {', '.join(known)}")


def _text(value: object, what: str) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is {value!r}")
