"""The one place where something becomes true: commit, fold, then tell who follows.

Commits happen between two awaits, so nothing can change between a decision and its commit. What follows from the state
is not handed along: `rounds` looks at it again after each commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from scenarios.voice_call.ideal import facts
from scenarios.voice_call.ideal.book import Book, Call
from scenarios.voice_call.ideal.disk import IdealDisk, Pen
from scenarios.voice_call.ideal.facts import AnyFact
from scenarios.voice_call.manager.config import Config, EventLog
from scenarios.voice_call.manager.provider_client import ProviderClient, ProviderRefused, ProviderUnavailable
from scenarios.voice_call.manager.store import StoreUnavailable

AnswerT = TypeVar("AnswerT")


class Desk:
    """State, settings, clock and provider of one manager."""

    def __init__(
        self, config: Config, client: ProviderClient, disk: IdealDisk, now: Callable[[], float], log: EventLog
    ) -> None:
        self.config = config
        self.client = client
        self.log = log
        self.book = Book()
        self.dialling: set[str] = set()
        self.began_with = 0
        self.followers: list[Callable[[], None]] = []
        self._now = now
        self._disk = disk
        self._pen: Pen | None = None

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return int(self._now() * 1000)

    def open(self) -> None:
        """Read what is true. Raises StoreUnavailable while another manager writes."""
        pen = self._disk.open()
        self.book = Book()
        for commit in pen.read():
            self.book.fold(facts.decode(commit))
        self._pen = pen
        self.began_with = pen.count

    def close(self) -> None:
        """From here on nothing becomes true by this manager."""
        if self._pen is not None:
            self._pen.close()

    def next_number(self) -> int:
        """A number that no commit has had before, for a name that goes into the next commit."""
        return 0 if self._pen is None else self._pen.count

    def commit(self, news: Sequence[AnyFact]) -> None:
        """Make all of these true, or none. Raises StoreUnavailable when this manager's time is over."""
        if self._pen is None:
            raise StoreUnavailable("this manager was not started: nothing can be written")
        if not news:
            return
        self._pen.commit(facts.encode(news))
        self.book.fold(news)
        for follow in self.followers:
            follow()

    def call(self, name: str) -> Call:
        """A call that is known to exist, as it is now."""
        return self.book.calls[name]

    async def ask(self, request: Awaitable[AnswerT]) -> AnswerT:
        """A request to the provider, bounded in time. Raises ProviderRefused or ProviderUnavailable, nothing else."""
        try:
            async with asyncio.timeout(self.config.provider_timeout_ms / 1000):
                return await request
        except (ProviderRefused, ProviderUnavailable):
            raise
        except Exception as error:
            raise ProviderUnavailable(f"the provider's answer is not known: {error!r}") from error
