"""After a restart: faults end, people finish what they were doing, the provider redelivers, time passes.

It is run at every crash state, so it lets no more time pass than something is due in.
"""

import asyncio
from typing import Final

from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.provider import Provider

REDELIVERY_HORIZON_S: Final = 4 * 3600.0
"""Longer than the whole schedule of every policy."""

IN_FLIGHT_S: Final = 2.0
"""What is due now is under way: a request to a provider that takes its time."""

_ROUNDS: Final = 8
"""More than a correct manager needs: a deadline, the hang-up it owes, and the retries of both."""


async def settle(provider: Provider, manager: CallManager) -> None:
    """Until nothing is due any more, on either side."""
    provider.lift_faults()
    await asyncio.sleep(0.1)
    people_go_on(provider)
    for _ in range(_ROUNDS):
        await provider.run_until_quiet(REDELIVERY_HORIZON_S)
        due_ms = max((int(timer["due"]) for timer in manager.view()["timers"]), default=None)
        if due_ms is None:
            return
        left = due_ms / 1000 - provider.run.now() - provider.outer.clock_off_s
        await asyncio.sleep(left if left > 0 else IN_FLIGHT_S)


def people_go_on(provider: Provider) -> None:
    """Everybody who is on the line says one thing more; those who do not stay then hang up."""
    for remote in provider.live_calls():
        if remote.answered_at is not None:
            provider.say(remote.id, f"{remote.id} goes on")
        if not remote.stays:
            provider.plan(remote.id, "leave", 0.5, "hangup-user")
