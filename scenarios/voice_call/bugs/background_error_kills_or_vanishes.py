"""A timer whose record cannot be written is logged and gone: nobody tries again, and the call goes on beyond its cap.

The next event of the call arms its timers anew, so what the world sees is a cap that comes too late, or never.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.obligations import Obligations
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.timers import Timers


class UnsupervisedTimers(Timers):
    """Fires once, whatever comes of it."""

    async def _run(self, key: tuple[str, str]) -> None:
        call, kind = key
        try:
            await self._fire(call, kind)
        except StoreUnavailable as error:
            self.log.error("timer-failed", call=call, kind=kind, why=str(error))
            self._running.pop(key, None)
            return
        except Exception as error:
            self.log.warning("timer-retried", call=call, kind=kind, why=str(error))
            self._running.pop(key, None)
            self._again(key, True)
            return
        self._running.pop(key, None)
        self._again(key, False)


class WritesFirst(Obligations):
    """Hangs up for what is written, and the error came before that."""

    async def hang_up_on_time(self, call_id: str) -> None:
        pass


BUG = SeededBug(
    id="background-error-kills-or-vanishes",
    number=63,
    group="process",
    source="dograh-hq/dograh#618; openclaw/openclaw#18852 (timers.ts: the write failure is logged)",
    trigger="a write error when the cap of a call is reached",
    expected="timer-extended",
    build=with_parts(timers=UnsupervisedTimers, obligations=WritesFirst),
    workloads=("cap-on-a-bad-disk",),
)
