"""One alarm clock for everything: whatever is due or owed is read off the state, again after each commit.

Deadlines are instants of the wall clock in the state. Errands to the provider are wanted as long as the state says so;
one that failed waits a little longer each time. Once in each interval every call is asked about at the provider.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from scenarios.voice_call.ideal import facts
from scenarios.voice_call.ideal.book import TALKING, Call
from scenarios.voice_call.ideal.desk import Desk
from scenarios.voice_call.ideal.errands import Errands
from scenarios.voice_call.ideal.facts import AnyFact
from scenarios.voice_call.manager.store import StoreUnavailable

_LONGEST_SLEEP_S: Final = 3_600.0
_REASONS: Final = {"ring": "no-answer", "notify-hang-up": "hangup-bot"}

Errand = tuple[str, str]
"""The name of a call, and what is to be done for it."""


def deadlines(call: Call) -> dict[str, int]:
    """The instants at which something is to happen to a call by itself."""
    due = {
        "ring": call.answer_by,
        "unanswered": call.ring_until,
        "max-duration": call.talk_until,
        "notify-hang-up": call.hang_up_at,
        "transcript": None if call.question is None else call.question.until,
    }
    return {kind: at for kind, at in due.items() if at is not None and call.live}


class Rounds:
    """See the module's text. `greet` plays the first message of a call."""

    def __init__(self, desk: Desk, errands: Errands, greet: Callable[[str], Awaitable[None]]) -> None:
        self.desk = desk
        self._ways: dict[str, Callable[[str], Awaitable[None]]] = {
            "find": errands.find,
            "hang-up": errands.hang_up,
            "greet": greet,
            "inquire": errands.inquire,
        }
        self._on = False
        self._running: dict[Errand, asyncio.Task[None]] = {}
        self._failures: dict[Errand, int] = {}
        self._not_before: dict[Errand, int] = {}
        self._to_ask: set[str] = set()
        self._next_inquiry: int | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """From here on the state is followed."""
        self._on = True
        self.look()

    def stop(self) -> None:
        """No alarm rings any more; errands under way are left to whoever stops."""
        self._on = False
        if self._alarm is not None:
            self._alarm.cancel()

    def running(self) -> list[asyncio.Task[None]]:
        """The errands under way."""
        return list(self._running.values())

    def failures(self, name: str, kind: str) -> int:
        """How often an errand has failed so far."""
        return self._failures.get((name, kind), 0)

    def of(self, name: str, kind: str) -> asyncio.Task[None] | None:
        """One errand, if it is under way."""
        return self._running.get((name, kind))

    # -- looking --------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Do what is due, begin what is owed, set the alarm for the next instant."""
        if not self._on:
            return
        now = self.desk.now()
        overdue = self.overdue(now)
        if overdue:
            self.desk.log.info("time-is-up", facts=len(overdue))
            try:
                self.desk.commit(overdue)  # which looks again
            except StoreUnavailable as error:
                self.desk.log.warning("time-is-up-for-nobody", why=str(error))
            return
        self._plan_inquiries(now)
        for errand in self.wanted():
            if errand not in self._running and self._not_before.get(errand, now) <= now:
                self._running[errand] = asyncio.get_running_loop().create_task(self._run(errand))
        self._set_alarm(now)

    def overdue(self, now: int) -> list[AnyFact]:
        """What becomes true because time has passed."""
        news: list[AnyFact] = []
        for call in self.desk.book.calls.values():
            for kind, due in deadlines(call).items():
                if due <= now:
                    news.append(_time_is_up(call, kind, now))
                    break  # each of them changes the others
        return news

    def wanted(self) -> Iterator[Errand]:
        """What the state asks to be done at the provider."""
        for call in self.desk.book.calls.values():
            if call.must_be_found and call.name not in self.desk.dialling:
                yield call.name, "find"
            if call.must_be_hung_up:
                yield call.name, "hang-up"
            if call.staying and call.remote is not None:
                if call.greeting == "queued" and call.state in TALKING:
                    yield call.name, "greet"
                if call.name in self._to_ask:
                    yield call.name, "inquire"

    def _plan_inquiries(self, now: int) -> None:
        here = {call.name for call in self.desk.book.live() if call.staying and call.remote is not None}
        self._to_ask &= here
        if not here:
            self._next_inquiry = None
        elif self._next_inquiry is None:
            self._next_inquiry = now + self.desk.config.poll_interval_ms
        elif self._next_inquiry <= now:
            self._to_ask |= here
            self._next_inquiry = now + self.desk.config.poll_interval_ms

    def timers(self) -> list[tuple[str, str, int]]:
        """Call, kind and instant of everything that will happen by itself; what is under way is due now."""
        now = self.desk.now()
        armed = [
            (call.name, kind, due) for call in self.desk.book.calls.values() for kind, due in deadlines(call).items()
        ]
        armed += [(*errand, now) for errand in self._running]
        for errand in self.wanted():
            if errand not in self._running:
                armed.append((*errand, max(now, self._not_before.get(errand, now))))
        if self._next_inquiry is not None:
            armed += [
                (call.name, "inquiry", self._next_inquiry)
                for call in self.desk.book.live()
                if call.staying and call.remote is not None
            ]
        return armed

    def _set_alarm(self, now: int) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        waiting = [due for name, kind, due in self.timers() if (name, kind) not in self._running]
        if waiting:
            delay = min(max(0, min(waiting) - now) / 1000, _LONGEST_SLEEP_S)
            self._alarm = asyncio.get_running_loop().call_later(delay, self.look)

    # -- errands --------------------------------------------------------------------------------------------------

    async def _run(self, errand: Errand) -> None:
        name, kind = errand
        try:
            await self._ways[kind](name)
            self._to_ask -= {name} if kind == "inquire" else set()
        except Exception as error:
            self.desk.log.warning("errand-failed", call=name, kind=kind, why=f"{type(error).__name__}: {error}")
        self._running.pop(errand, None)
        if errand in set(self.wanted()):  # whatever came of it, it is still to be done
            failures = self._failures[errand] = self._failures.get(errand, 0) + 1
            wait = min(self.desk.config.retry_base_ms * failures, self.desk.config.retry_max_ms)
            self._not_before[errand] = self.desk.now() + wait
        else:
            self._failures.pop(errand, None)
            self._not_before.pop(errand, None)
        self.look()


def _time_is_up(call: Call, kind: str, now: int) -> AnyFact:
    if kind == "transcript":
        assert call.question is not None
        return facts.Dropped(call=call.name, at=now, token=call.question.token, how="timed-out")
    if call.remote is None:
        return facts.Abandoned(call=call.name, at=now)
    return facts.Leaving(call=call.name, at=now, reason=_REASONS.get(kind, "timeout"))
