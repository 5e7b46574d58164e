"""A call manager, the telephony provider around it, and what it owes: the harness' first subject.

`VoiceCall` (see `scenario.py`) is imported on first use: the manager in `manager/` is a program of its own, and running
it must not load the harness.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenarios.voice_call.scenario import VoiceCall

__all__ = ["VoiceCall"]


def __getattr__(name: str) -> Any:
    if name == "VoiceCall":
        from scenarios.voice_call.scenario import VoiceCall

        return VoiceCall
    raise AttributeError(f"module 'scenarios.voice_call' has no attribute {name!r}")
