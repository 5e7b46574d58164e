"""The scenario of a seeded bug: the voice call scenario around a manager some of whose parts were replaced."""

from collections.abc import Callable
from typing import Any

from scenarios.voice_call.manager.call_manager import Parts
from scenarios.voice_call.scenario import VoiceCall


class BuggyVoiceCall(VoiceCall):
    """`replaced` are fields of `Parts`; a bug that needs another manager derives from this class instead."""

    def __init__(self, **replaced: type[Any]) -> None:
        super().__init__()
        self._parts = Parts(**replaced)

    def manager_parts(self) -> Parts:
        return self._parts


def with_parts(**replaced: type[Any]) -> Callable[[], BuggyVoiceCall]:
    """A `build` for `SeededBug`: `with_parts(store=LeakyStore)`."""
    return lambda: BuggyVoiceCall(**replaced)
