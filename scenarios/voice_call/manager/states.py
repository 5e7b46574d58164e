"""The states of a call and the transitions between them (catalogue 8.2).

Pure; knows no record and no clock.
"""

LIVE = ("initiated", "ringing", "answered", "active", "speaking", "listening")
TERMINAL = (
    "completed",
    "hangup-user",
    "hangup-bot",
    "timeout",
    "error",
    "failed",
    "no-answer",
    "busy",
    "voicemail",
)
CONVERSATIONAL = ("answered", "active", "speaking", "listening")

_RANK = {state: rank for rank, state in enumerate(LIVE)}
_TERMINAL = frozenset(TERMINAL)
_CONVERSATIONAL = frozenset(CONVERSATIONAL)
_TALKING = frozenset(("speaking", "listening"))


def is_terminal(state: str) -> bool:
    """Whether a call in this state is over. A state this version does not know is not taken for an end."""
    return state in _TERMINAL


def is_conversational(state: str) -> bool:
    """Whether being in this state proves that somebody answered."""
    return state in _CONVERSATIONAL


def advance(current: str, target: str) -> str:
    """The state after asking for `target` in `current`: the rules of 8.2, in their order."""
    if current == target or current in _TERMINAL:
        return current
    if target in _TERMINAL:
        return target
    if current in _TALKING and target in _TALKING:
        return target
    if target not in _RANK or current not in _RANK:
        return current
    return target if _RANK[target] > _RANK[current] else current


def end_reason(reason: str | None, *, default: str = "completed") -> str:
    """A reason as one of the terminal states; a word nobody knows is the default, not a new state."""
    return reason if reason in _TERMINAL else default
