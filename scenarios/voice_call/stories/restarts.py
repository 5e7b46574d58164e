"""Calls across an orderly stop and start, and managers that meet each other."""

import asyncio

from scenarios.voice_call.client import Client
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.stage import FAR_AWAY, FRIEND, Stage
from scenarios.voice_call.terms import POLL_S


async def across_restart(stage: Stage) -> None:
    """The manager is stopped and started in the middle of a call; an event comes while it is away."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    provider.say(call, "before")
    await stage.quiet()
    provider.say(call, "meanwhile")
    await stage.restart()
    await stage.quiet(5.0)
    provider.duplicate(f"{call}-3")
    provider.say(call, "after")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


async def overlap(stage: Stage) -> None:
    """A second manager is started while the first one works; it has to leave the store to it."""
    provider, first = stage.provider, stage.manager
    call = provider.ring(FRIEND)
    await stage.quiet()
    try:
        stage.manager = await stage.reboot()
    except StoreUnavailable:
        provider.connect(first.app)
    provider.say(call, "who is there?")
    await stage.quiet()
    await Client(provider, first).initiate("second-line", FAR_AWAY, mode="conversation")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


async def successor(stage: Stage) -> None:
    """A call goes on under a manager that was started in the same process, and ends; time passes afterwards."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    await stage.restart()
    provider.say(call, "still me")
    await stage.quiet()
    provider.leave(call)
    await stage.later(POLL_S + 2.0)


async def stop_in_flight(stage: Stage) -> None:
    """The manager is stopped just when somebody says something."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    provider.say(call, "one last thing")
    delivering = asyncio.create_task(provider.deliver_due())
    await asyncio.sleep(0.005)
    await stage.restart()
    await delivering
    await stage.quiet(5.0)
    provider.leave(call)
    await stage.quiet()


async def notify_while_away(stage: Stage) -> None:
    """The message is played; when it is time to hang up, the manager is not there."""
    await stage.client.initiate("notify-1", FAR_AWAY, message="your parcel is here")
    await stage.quiet()
    stage.provider.excuse()
    await stage.manager.stop()
    stage.provider.connect(None)
    await asyncio.sleep(5.0)
    stage.manager = await stage.reboot()
    await stage.later(2.0)
