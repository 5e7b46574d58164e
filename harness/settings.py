"""What the surroundings of a `crash_test` call ask for: the pytest plugin sets it, without it the defaults hold.

Every pytest where the plugin is installed imports this: it needs nothing that pytest has not imported already.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Place:
    """The running test: how it is found again (`file.py::Class::test[parameter]`), and whether only pytest can run it."""

    reference: str
    only_pytest: bool


@dataclasses.dataclass
class Settings:
    """`replay` takes over every crash_test call: it gets the scenario and raises what the saved case shows.

    `replayed` says that it found the call it belongs to; `calls` counts them for each test; `place` is the running one.
    `reports` and `commands` (those that replay what was found) are of the running test.
    """

    profiles: tuple[str, ...] = ()
    seed: int = 0
    budget_s: float | None = None
    out: Path = Path(".harness")
    replay: Callable[[Any], None] | None = None
    replay_of: str = ""
    replayed: bool = False
    place: Place | None = None
    calls: dict[str, int] = dataclasses.field(default_factory=dict)
    reports: list[Any] = dataclasses.field(default_factory=list)
    commands: list[str] = dataclasses.field(default_factory=list)

    def begin(self, place: Place) -> None:
        """A test begins: nothing of the one before counts any more."""
        self.place, self.replayed = place, False
        self.calls.clear()
        self.reports.clear()
        self.commands.clear()


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
