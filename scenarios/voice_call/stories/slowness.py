"""Providers without patience, commands that take their time, clocks that are set, deadlines that lie far ahead."""

import asyncio
import os
from typing import Final

from scenarios.voice_call.stage import FAR_AWAY, FRIEND, Stage
from scenarios.voice_call.stories.damage import take_all_room
from scenarios.voice_call.terms import MAX_DURATION_S, PROMPTLY_S

PATIENCE_S: Final = 5.0
"""A provider's limit for an answer to its webhook (the catalogue's section 6: Dialpad)."""

FAR_AHEAD_MS: Final = 30 * 24 * 3_600_000
"""Thirty days: more milliseconds than 31 bits can count."""

OUTAGE_S: Final = 600.0
"""Long enough that waits which double without end would leave a call alone for minutes afterwards."""

LONG_CALL_MS: Final = 90 * 60_000
"""Longer than a manager sleeps without looking at the clock."""

_HOUR_S: Final = 3_600.0
_SLOW_S: Final = 8.0
_WITHOUT_END: Final = 1_000_000
_A_MINUTE_S: Final = 60.0
"""The longest a manager waits before it tries again what it owes."""


async def slow_greeting(stage: Stage) -> None:
    """The first message takes longer to play than the provider waits for the answer to its webhook."""
    provider = stage.provider
    provider.lose_patience(PATIENCE_S)
    call = provider.ring(FRIEND)
    await stage.quiet()
    provider.fail("play", "slow", times=2, delay_s=_SLOW_S)
    provider.pick_up(call)
    await stage.later(3 * _SLOW_S)
    provider.say(call, "that was a long one")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


async def slow_answer(stage: Stage) -> None:
    """The provider's own interface is slow, its webhooks are impatient, and a neighbour takes the disk's last room."""
    provider = stage.provider
    provider.lose_patience(PATIENCE_S)
    call = await stage.picked_up(FRIEND, stays=True)
    take_all_room(os.path.dirname(stage.manager.config.store_dir))
    provider.fail("status", "slow", times=1, delay_s=_SLOW_S)
    provider.say(call, "are you listening?")
    await stage.later(_SLOW_S + 1.0)
    stage.run.lift_faults()
    await stage.later(8.0)
    provider.leave(call)
    await stage.quiet(5.0)


async def clock_set_back(stage: Stage) -> None:
    """Somebody sets the machine's clock back by ten minutes in the middle of a call of which only the cap is the end."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.later(10.0)
    provider.set_clock(-600.0)
    await stage.later(MAX_DURATION_S + 10.0)
    provider.set_clock(0.0)
    await stage.later(2.0)


async def suspended(stage: Stage) -> None:
    """The machine sleeps for an hour in a long call: the wall clock jumps, the loop's does not, and the cap is due.

    That is found out whenever the machine looks at both clocks again, once in an hour of its own time.
    """
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    await stage.later(1_800.0)
    provider.set_clock(_HOUR_S)
    await stage.later(_HOUR_S - 1_800.0 + PROMPTLY_S)
    stage.expect(not stage.live(call), f"the cap of {call} was reached in the machine's sleep, and it goes on")
    await stage.later(10.0)


async def patient_question(stage: Stage) -> None:
    """A question for whose answer we would wait for a month; it comes after three seconds."""
    provider, client = stage.provider, stage.client
    call_id = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.quiet()
    if call_id is None or "out-1" not in provider.outer.calls:
        return
    asked = asyncio.create_task(client.continue_call("ask-1", call_id, "what do you think of it?"))
    await stage.later(3.0)
    provider.say("out-1", "let me see")
    await stage.quiet()
    await asked
    await client.end("end-1", call_id)
    await stage.quiet()


async def long_outage(stage: Stage) -> None:
    """A call has to be hung up, and for ten minutes the provider answers nothing; within a minute of its return it is."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    provider.fail("*", "unavailable", times=_WITHOUT_END)
    await stage.later(MAX_DURATION_S + OUTAGE_S)
    provider.lift_faults()
    await stage.later(_A_MINUTE_S + PROMPTLY_S)
    stage.expect(not provider.remote(call).alive, f"{call} is not hung up a minute after the provider's return")
