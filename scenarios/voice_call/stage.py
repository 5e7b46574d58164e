"""Who takes part in a story: the run, the provider, the manager and its client; and what a workload is made of."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from harness.faults import FaultPlan
from harness.scenario import Run
from scenarios.voice_call.client import Client
from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.policy import RETRY_NON_2XX, Policy
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.remote import Callee, Noticed

FRIEND: Final = "+15551111111"


OTHER_FRIEND: Final = "+15551111112"


STRANGER: Final = "+15559999999"


FAR_AWAY: Final = "+15552222222"


BODY_LIMIT: Final = 65_536


LOG: Final = "*.jsonl"
"""Where the faults of a workload hit."""


AWAY_S: Final = 10.0
"""No orderly stop and start take longer."""


@dataclass
class Stage:
    """Who takes part in a story. `reboot` starts another manager on the same store; `watch` judges the one that is alive."""

    run: Run
    provider: Provider
    manager: CallManager
    reboot: Callable[[], Awaitable[CallManager]]
    watch: Callable[[], None] = lambda: None
    sound: bool = False
    """No fault belongs to this story, nor is it ever run with one."""

    @property
    def client(self) -> Client:
        return Client(self.provider, self.manager)

    async def quiet(self, seconds: float = 1.0) -> None:
        """Until the provider has nothing more to do within this time."""
        await self.provider.run_until_quiet(seconds)
        self.watch()

    async def later(self, seconds: float) -> None:
        """This much time passes."""
        end = self.run.now() + seconds
        await self.quiet(seconds)
        await asyncio.sleep(max(0.0, end - self.run.now()))
        await self.quiet(0.0)

    async def picked_up(self, caller: str, *, stays: bool = False) -> str:
        """Somebody calls and is answered, each in its time; the provider's name for the call. `stays`: never hangs up."""
        call = self.provider.ring(caller, stays=stays)
        await self.quiet()
        self.provider.pick_up(call)
        await self.quiet()
        return call

    async def restart(self) -> None:
        """An orderly stop and a new start; what is due meanwhile meets a manager that is not ready.

        Calls in which nothing was going on, and of which nothing was heard meanwhile, are what they were, on a sound disk.
        """
        before = self._at_rest()
        self.run.mark("stopping")
        self.provider.excuse()
        await self.manager.stop()
        self.provider.connect(None)
        await self.provider.deliver_due()
        await self.started_again()
        self.run.mark("restarted")
        after = self._at_rest()
        for name in before.keys() & after.keys():
            self.expect(before[name] == after[name], f"call {name[0]} is another after a restart")

    def _at_rest(self) -> dict[tuple[str, int], dict[str, Any]]:
        """The calls in which nothing goes on, each with the number of events that were taken about it."""
        outer = self.provider.outer
        calls: dict[tuple[str, int], dict[str, Any]] = {}
        if not self.sound or self.manager.view()["poisoned"] is not None:
            return calls  # it may not know itself what a start will read
        for one in self.manager.history():
            remote = outer.calls.get(outer.renamed.get(one["providerCallId"], one["providerCallId"]))
            busy = one["state"] == "speaking" or one["greeting"] == "started" or (one["media"] or {}).get("connected")
            open_turn = one["turn"] is not None and one["turn"]["phase"] in ("asking", "listening")
            due = min(one["deadlines"].values(), default=math.inf) / 1000 < self.run.now() + AWAY_S
            replying = one["reply"] is not None and one["reply"]["phase"] in ("thinking", "speaking")
            if remote is not None and remote.alive == one["live"] and not (busy or open_turn or due or replying):
                taken = sum(event.acknowledged for event in outer.happenings.values() if event.call == remote.id)
                calls[one["callId"], taken] = one
        return calls

    def expect(self, truth: bool, otherwise: str) -> None:
        """What this story is about must have come true by now; else `otherwise` is what is wrong."""
        if not truth:
            self.provider.notice(Noticed("check-failed", otherwise, ""))

    def shown(self, remote: str) -> dict[str, Any] | None:
        """The call as it is shown, by the provider's name for it."""
        return next((one for one in self.manager.history() if one["providerCallId"] == remote), None)

    def live(self, remote: str) -> bool:
        """Whether it is shown as a call that goes on."""
        call = self.shown(remote)
        return call is not None and bool(call["live"])

    def state(self, remote: str) -> str | None:
        """The state in which it is shown; None where it is not."""
        call = self.shown(remote)
        return None if call is None else str(call["state"])

    async def absence(self, seconds: float) -> None:
        """The manager is stopped, and started so much later; the world goes on meanwhile."""
        self.provider.excuse()
        await self.manager.stop()
        self.provider.connect(None)
        end = self.run.now() + seconds
        await self.provider.run_until_quiet(seconds)
        await asyncio.sleep(max(0.0, end - self.run.now()))
        self.provider.was_alone(seconds)
        await self.started_again()

    async def started_again(self) -> None:
        """Another manager is started; where nothing is wrong with the disk, one that does not start breaks its word."""
        try:
            self.manager = await self.reboot()
        except (StoreUnavailable, OSError) as error:
            if not self.sound:
                raise
            self.provider.notice(Noticed("unavailable", f"the manager does not start again: {error}", ""))


Story = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Workload:
    """A story, how the provider redelivers in it, how those who are called behave, and the manager's settings."""

    story: Story
    policy: Policy = RETRY_NON_2XX
    callee: Callee = field(default_factory=Callee)
    settings: dict[str, Any] = field(default_factory=dict)
    plan: FaultPlan | None = None
    faults: bool = True
    swept: bool = True
    """False: a rehearsal, judged alive; its log holds what other stories write as well."""
    media: bool = False
    """People talk over media streams; the settings should say `streaming` as well."""
    touches_log: bool = False
    """The story itself changes the file of the log: only a manager that has one can play it."""
    sets_clock: bool = False
    """The clock goes ahead of the loop's: only a manager that is told the machine's time can notice it."""
    reference_only: bool = False
    """It is about what only the reference manager does or knows, and what nobody else owes."""
    lends: bool = False
    """Its world, with nothing in it yet, is lent to random histories, beside one world for each policy."""
