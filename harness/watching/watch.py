"""The loop: a round of errands, then silence until a source changes; a change in the middle of a round begins it anew."""

import time
from collections.abc import Callable, Sequence
from typing import Final, NoReturn, Protocol

from harness.watching.errands import Errand
from harness.watching.process import Process
from harness.watching.sources import Seen, Sources, changed

PAUSE_S: Final = 0.3
"""Between two looks at the sources; also how long they must be still: an editor may save in several steps."""


class Listener(Protocol):
    """Is told what happens."""

    def begins(self, files: Sequence[str], errands: Sequence[Errand]) -> None:
        """A round, because these files changed (none: the first one)."""

    def starts(self, errand: Errand) -> None: ...

    def ended(self, errand: Errand, exit_code: int, said: str) -> None: ...

    def waits(self, finished: bool) -> None:
        """The round is over, or was cut off by a change."""


def watch(
    sources: Sources, errands: Callable[[], Sequence[Errand]], listener: Listener, pause_s: float = PAUSE_S
) -> NoReturn:
    """Until a KeyboardInterrupt; what was started has ended by then."""
    before: Seen | None = None
    while True:
        seen = _still(sources, pause_s)
        todo = errands()
        listener.begins(changed(before, seen) if before is not None else [], todo)
        before = seen
        listener.waits(all(_done(errand, sources, seen, listener, pause_s) for errand in todo))
        while sources.look() == seen:
            time.sleep(pause_s)


def _still(sources: Sources, pause_s: float) -> Seen:
    seen = sources.look()
    while True:
        time.sleep(pause_s)
        again = sources.look()
        if again == seen:
            return seen
        seen = again


def _done(errand: Errand, sources: Sources, seen: Seen, listener: Listener, pause_s: float) -> bool:
    """Run it; False where it was ended because the sources changed."""
    listener.starts(errand)
    with Process(errand) as process:
        while (exit_code := process.ended(pause_s)) is None:
            if sources.look() != seen:
                return False
    listener.ended(errand, exit_code, process.said)
    return True
