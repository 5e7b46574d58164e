"""Whoever answers what people say on the phone: a service outside the process, with answers that can be foretold.

Not modelled: answers that depend on anything but the last thing said.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from scenarios.voice_call.remote import Outer
from scenarios.voice_call.remote_media import Asked, Mood


class Surroundings(Protocol):
    """The world that remembers what was asked."""

    outer: Outer

    def now(self) -> float:
        """Virtual seconds since the epoch."""

    def changed(self) -> None:
        """Something outside is another than before."""


class AssistantFailed(Exception):
    """The service did not answer."""


def answer_to(text: str) -> str:
    """What the assistant says to it, always."""
    return f"you said: {text}"


class Assistant:
    """The manager's `Assistant`; its moods lie in the world."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    async def reply(self, call: Mapping[str, Any], text: str) -> str | None:
        """The answer; None for nothing to say. Raises AssistantFailed."""
        world = self._surroundings
        media = world.outer.media
        if media is None:
            raise AssistantFailed("this world has no assistant: give it media")
        asked = Asked(str(call.get("providerCallId")), text, world.now())
        media.asked.append(asked)
        mood = _mood(media.moods)
        world.changed()
        if mood is not None and mood.delay_s > 0:
            await asyncio.sleep(mood.delay_s)
        asked.until = world.now()
        asked.outcome = {"fails": "failed", "says-nothing": "nothing"}.get(mood.kind if mood else "", "answered")
        world.changed()
        if asked.outcome == "failed":
            raise AssistantFailed("the assistant does not answer")
        return answer_to(text) if asked.outcome == "answered" else None


def _mood(moods: list[Mood]) -> Mood | None:
    if not moods:
        return None
    moods[0].times -= 1
    return moods.pop(0) if moods[0].times <= 0 else moods[0]
