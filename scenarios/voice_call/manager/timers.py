"""Timers of calls: armed from what the records ask for, supervised, retried with a bounded back-off.

A deadline is an absolute wall instant on a record; here it becomes an instant of the loop's monotonic clock,
in bounded sleeps, and on each wake both clocks are asked, so that a suspended machine does not prolong a
call. One run per call and kind at a time; a run that fails is told and tried again, never dropped.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from scenarios.voice_call.manager.config import Config, EventLog
from scenarios.voice_call.manager.duties import Duty, duties
from scenarios.voice_call.manager.records import CallRecord

_LONGEST_SLEEP_S = 3_600.0


class Armed(msgspec.Struct):
    """One armed timer."""

    due: int
    asked: int
    fixed: bool
    loop_due: float
    handle: asyncio.TimerHandle


class Timers:
    """All timers of one manager. `fire` does the work of one kind for one call.

    `besides`: what a record asks for beyond `duties.py`, because it depends on more than the record.
    """

    def __init__(
        self,
        config: Config,
        now: Callable[[], int],
        fire: Callable[[str, str], Awaitable[None]],
        is_dialing: Callable[[str], bool],
        current: Callable[[str], CallRecord | None],
        *,
        log: EventLog,
        besides: Callable[[CallRecord, int], dict[str, Duty]] | None = None,
    ) -> None:
        self.config = config
        self.log = log
        self._now = now
        self._fire = fire
        self._is_dialing = is_dialing
        self._current = current
        self._besides = besides
        self._armed: dict[tuple[str, str], Armed] = {}
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._attempts: dict[tuple[str, str], int] = {}
        self._on = False

    def start(self) -> None:
        """From here on records are followed."""
        self._on = True

    def rearm(self, record: CallRecord) -> None:
        """Arm what this record asks for, cancel what it no longer asks for."""
        if not self._on:
            return
        wanted = self.wanted(record)
        for call, kind in list(self._armed):
            if call == record.call_id and kind not in wanted:
                self._disarm((call, kind))
        for kind, duty in wanted.items():
            self._want((record.call_id, kind), duty)

    def wanted(self, record: CallRecord) -> dict[str, Duty]:
        """What this record asks for now; the same after a restart."""
        now = self._now()
        wanted = duties(record, self.config, now, dialing=self._is_dialing(record.call_id))
        return wanted if self._besides is None else wanted | self._besides(record, now)

    def _want(self, key: tuple[str, str], duty: Duty) -> None:
        armed = self._armed.get(key)
        if key in self._running or (armed is not None and not (duty.fixed and duty.due < armed.asked)):
            return
        self.arm(key, duty)

    def arm(self, key: tuple[str, str], duty: Duty, *, after_ms: int = 0) -> None:
        """Arm one timer for what is left until its instant; at once when that is past."""
        self._disarm(key)
        loop = asyncio.get_running_loop()
        now = self._now()
        due = max(duty.due, now + after_ms)
        loop_due = loop.time() + max(0, due - now) / 1000
        handle = loop.call_at(min(loop_due, loop.time() + _LONGEST_SLEEP_S), self._wake, key)
        self._armed[key] = Armed(due, duty.due, duty.fixed, loop_due, handle)

    def _disarm(self, key: tuple[str, str]) -> None:
        armed = self._armed.pop(key, None)
        if armed is not None:
            armed.handle.cancel()

    def _wake(self, key: tuple[str, str]) -> None:
        armed = self._armed[key]
        loop = asyncio.get_running_loop()
        if loop.time() < armed.loop_due and self._now() < armed.due:
            later = min(armed.loop_due, loop.time() + _LONGEST_SLEEP_S)
            armed.handle = loop.call_at(later, self._wake, key)
            return
        del self._armed[key]
        self._running[key] = loop.create_task(self._run(key))

    async def _run(self, key: tuple[str, str]) -> None:
        call, kind = key
        failed = False
        try:
            await self._fire(call, kind)
        except Exception as error:
            failed = True
            self.log.warning("timer-failed", call=call, kind=kind, why=f"{type(error).__name__}: {error}")
        finally:
            self._running.pop(key, None)
        self._again(key, failed)

    def _again(self, key: tuple[str, str], failed: bool) -> None:
        record = self._current(key[0])
        if not self._on or record is None:
            return
        duty = self.wanted(record).get(key[1])
        if duty is None:
            self._attempts.pop(key, None)
        elif failed or duty.due <= self._now():
            self._retry(key, duty)
        else:
            self._attempts.pop(key, None)
            self.arm(key, duty)

    def _retry(self, key: tuple[str, str], duty: Duty) -> None:
        """Wait longer each time, so that nothing spins and nothing is given up; but no longer than until the next turn."""
        wait = self.backoff(key)
        ahead = duty.due - self._now()
        if duty.fixed or ahead <= 0:
            self.arm(key, duty, after_ms=wait)
        else:
            self.arm(key, Duty(self._now(), False), after_ms=min(wait, ahead))

    def backoff(self, key: tuple[str, str]) -> int:
        """The wait before the next attempt: 1, 2, 4 … seconds, at most a minute."""
        attempt = self._attempts.get(key, 0)
        self._attempts[key] = attempt + 1
        return min(self.config.retry_base_ms << min(attempt, 30), self.config.retry_max_ms)

    def attempts(self, call: str, kind: str) -> int:
        """How often this has failed so far."""
        return self._attempts.get((call, kind), 0)

    def armed(self) -> list[tuple[str, str, int]]:
        """Call, kind and due instant of each armed timer, and of each run in flight (due now)."""
        waiting = [(call, kind, armed.due) for (call, kind), armed in self._armed.items()]
        return sorted(waiting + [(call, kind, self._now()) for call, kind in self._running])

    def running(self) -> list[asyncio.Task[None]]:
        """The runs in flight."""
        return list(self._running.values())

    def stop(self) -> None:
        """Cancel everything armed; runs in flight are left to the drain."""
        self._on = False
        for key in list(self._armed):
            self._disarm(key)
