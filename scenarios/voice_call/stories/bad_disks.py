"""Disks that fill up, refuse once, or hold a log that is being compacted."""

import contextlib
import os
from typing import Final

from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.stage import FAR_AWAY, FRIEND, OTHER_FRIEND, Stage
from scenarios.voice_call.terms import MAX_DURATION_S

KEPT_LOG: Final = "/data/calls/calls.jsonl"
"""Where the reference manager keeps its log in this scenario."""


async def compaction(stage: Stage) -> None:
    """Several short calls over a log that is replaced by its snapshot again and again."""
    provider = stage.provider
    calls = [provider.ring(FRIEND), provider.ring(OTHER_FRIEND)]
    await stage.quiet()
    for number, call in enumerate(calls):
        provider.say(call, f"call number {number}")
        await stage.quiet()
    provider.leave(calls[0])
    await stage.quiet()
    last = provider.ring(FRIEND)
    await stage.quiet()
    provider.duplicate(f"{calls[0]}-1")
    provider.say(calls[1], "still here")
    await stage.quiet()
    provider.leave(calls[1])
    await stage.quiet()
    provider.leave(last, "no-answer")
    await stage.quiet()


async def full_disk(stage: Stage) -> None:
    """The disk is full for some seconds; the redelivery brings what was refused."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND)
    provider.say(call, "is anybody there?")
    await stage.quiet()
    provider.say(call, "hello?")
    await stage.quiet()
    stage.run.lift_faults()
    await stage.later(6.0)
    provider.leave(call)
    await stage.quiet(5.0)


async def full_disk_dial(stage: Stage) -> None:
    """We want to call somebody while the disk takes nothing: nobody is dialled. Later it works."""
    await stage.client.initiate("early-1", OTHER_FRIEND, message="nobody hears this")
    await stage.quiet()
    stage.run.lift_faults()
    await stage.client.initiate("late-1", FAR_AWAY, message="your parcel is here")
    await stage.later(4.0)


async def full_disk_batch(stage: Stage) -> None:
    """Three events in one request; the disk takes the first of them only, until the redelivery."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    provider.pick_up(call)
    provider.say(call, "is this too much at once?")
    provider.batch(3)
    await stage.quiet()
    stage.run.lift_faults()
    await stage.later(6.0)
    provider.leave(call)
    await stage.quiet(5.0)


async def brief_fault(stage: Stage) -> None:
    """The disk refuses once, in the middle of a call; what was refused is delivered again before anything else."""
    await _refused_for(stage, 3.0)


async def longer_fault(stage: Stage) -> None:
    """The disk refuses, and once more when the manager begins anew; the redelivery after that is taken."""
    await _refused_for(stage, 8.0)


async def _refused_for(stage: Stage, seconds: float) -> None:
    provider = stage.provider
    call = await stage.picked_up(FRIEND)
    refused = provider.say(call, "can you hear me?")
    await stage.later(seconds)
    stage.expect(refused is not None and refused.acknowledged, "the disk works again, and what it refused is not taken")
    provider.say(call, "now I can")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet(5.0)


async def short_writes(stage: Stage) -> None:
    """The disk takes a record byte by byte; that is no error, and nobody is told of one."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND)
    told = provider.say(call, "can you hear me?")
    await stage.later(3.0)
    stage.expect(told is not None and told.attempts == 1, "what the disk took piece by piece was refused")
    provider.leave(call)
    await stage.quiet(5.0)


async def request_cut_short(stage: Stage) -> None:
    """Two sentences in one request; the disk refuses the first of them once, and would take the second."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND)
    provider.say(call, "this comes first")
    provider.say(call, "this comes second")
    provider.batch(2)
    await stage.later(3.0)
    provider.leave(call)
    await stage.quiet(5.0)


async def unreadable_log(stage: Stage) -> None:
    """The disk does not answer when the manager starts again; whoever watches over it starts it once more."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    try:
        await stage.restart()
    except StoreUnavailable:
        stage.run.lift_faults()
        with contextlib.suppress(StoreUnavailable):
            stage.manager = await stage.reboot()
    provider.say(call, "are you back?")
    await stage.quiet(5.0)
    provider.leave(call)
    await stage.quiet(5.0)


async def restart_on_a_bad_disk(stage: Stage) -> None:
    """A record can neither be synced nor taken back; the next manager reads it, and says so to the redelivery.

    It happens twice over, because a manager that syncs less often meets the same fault later.
    """
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    provider.pick_up(call)
    for text in ("is this on?", "now it is"):
        await stage.quiet()
        provider.say(call, text)
        await stage.quiet()
        await stage.restart()
        await stage.later(4.0)
    provider.leave(call)
    await stage.quiet(5.0)


async def cap_is_reached(stage: Stage) -> None:
    """A caller who never hangs up, until the cap ends the call; the report of that is taken at once."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.later(MAX_DURATION_S + 15.0)
    told = [one for one in provider.outer.happenings.values() if one.kind == "call.ended"]
    stage.expect(all(one.attempts == 1 for one in told), "the disk works, and the report of an end is refused")


async def cap_on_a_full_disk(stage: Stage) -> None:
    """A caller who never hangs up reaches the cap while the disk takes nothing, and for a good while after it."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.later(MAX_DURATION_S + 25.0)
    stage.run.lift_faults()
    await stage.later(40.0)


async def kept_short(stage: Stage) -> None:
    """A long talk: the log is rewritten whenever it has grown by six lines, neither later nor at every line."""
    await _kept_short(stage, 20)


async def long_and_kept_short(stage: Stage) -> None:
    """The same with sentences so long that the log is read in pieces, and written in some."""
    await _kept_short(stage, 12_000)


async def _kept_short(stage: Stage, length: int) -> None:
    lengths: list[int] = []
    call = await stage.picked_up(FRIEND)

    async def talk(numbers: range) -> None:
        for number in numbers:
            stage.provider.say(call, f"sentence number {number} " + "and so on " * (length // 10))
            await stage.quiet()
            if os.path.exists(KEPT_LOG):  # other managers keep what they know in other ways
                with open(KEPT_LOG, "rb") as log:
                    lengths.append(log.read().count(b"\n"))

    await talk(range(13))
    stage.expect(not lengths or lengths == [3, 4, 5, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4], f"the log has {lengths} lines")
    lengths.clear()
    await stage.restart()
    await stage.quiet()
    await talk(range(13, 18))
    stage.expect(not lengths or lengths == [5, 1, 2, 3, 4], f"after a restart the log has {lengths} lines")
    await stage.restart()
    await stage.quiet()
    stage.provider.leave(call)
    await stage.quiet()
