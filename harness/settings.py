"""What the surroundings of a `crash_test` call ask for: the pytest plugin sets it, without it the defaults hold."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec


class Settings(msgspec.Struct):
    """`replay` takes over every crash_test call: it gets the scenario and raises what the saved case shows."""

    profiles: tuple[str, ...] = ()
    seed: int = 0
    budget_s: float | None = None
    out: Path = Path(".harness")
    replay: Callable[[Any], None] | None = None
    replay_of: str = ""
    reports: list[Any] = msgspec.field(default_factory=list)


_active = Settings()


def active() -> Settings:
    return _active


@contextlib.contextmanager
def using(settings: Settings) -> Iterator[Settings]:
    global _active
    before, _active = _active, settings
    try:
        yield settings
    finally:
        _active = before
