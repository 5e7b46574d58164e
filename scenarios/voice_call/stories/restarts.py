"""Calls across an orderly stop and start, and managers that meet each other."""

import asyncio

from scenarios.voice_call.client import Client
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.stage import FAR_AWAY, FRIEND, OTHER_FRIEND, Stage
from scenarios.voice_call.terms import MAX_DURATION_S, POLL_S


async def across_restart(stage: Stage) -> None:
    """The manager is stopped and started in the middle of a call; an event comes while it is away."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
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
    call = await stage.picked_up(FRIEND, stays=True)
    await stage.restart()
    provider.say(call, "still me")
    await stage.quiet()
    provider.leave(call)
    await stage.later(POLL_S + 2.0)


async def stop_in_flight(stage: Stage) -> None:
    """The manager is stopped just when somebody says something."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
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
    await stage.absence(5.0)
    await stage.later(2.0)


async def long_absence(stage: Stage) -> None:
    """While the manager is away, the time of three calls runs out: of a talk, of a ringing, and of one of ours."""
    provider, client = stage.provider, stage.client
    talk = provider.ring(FRIEND, stays=True)
    provider.ring(OTHER_FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(talk)
    await stage.later(2.0)
    await client.initiate("away-1", FAR_AWAY, message="nobody hears this")
    await stage.quiet()
    await stage.absence(MAX_DURATION_S + 1.0)
    await stage.later(5.0)


async def ended_while_away(stage: Stage) -> None:
    """Two callers hang up, and one of those whom we call, while the manager is away; nobody ever reports it again."""
    provider, client = stage.provider, stage.client
    calls = [provider.ring(FRIEND), provider.ring(OTHER_FRIEND)]
    await stage.quiet()
    provider.pick_up(calls[0])
    await stage.quiet()
    await client.initiate("gone-1", FAR_AWAY, mode="conversation")
    await stage.later(2.0)
    provider.plan(calls[0], "leave", 1.0, "hangup-user")
    provider.plan(calls[1], "leave", 1.0, "no-answer")
    if "out-1" in provider.outer.calls:
        provider.plan("out-1", "leave", 1.0, "error")
    await stage.absence(3.0)
    await stage.later(2.0)


async def stopped_while_dialling(stage: Stage) -> None:
    """The manager is stopped before the provider has answered its dial; the next one asks what became of it."""
    provider, client = stage.provider, stage.client
    provider.fail("dial", "slow", delay_s=5.0)
    dialling = asyncio.create_task(client.initiate("slow-1", FAR_AWAY, mode="conversation"))
    await asyncio.sleep(0.2)
    await stage.restart()
    await dialling
    await stage.later(2.0)
    provider.fail("dial", "unavailable")
    provider.fail("find_by_key", "unavailable", times=2)
    await stage.client.initiate("never-1", OTHER_FRIEND, mode="conversation")
    await asyncio.sleep(0.2)
    await stage.restart()
    await stage.later(2.0)
    if "out-1" in provider.outer.calls:
        provider.say("out-1", "hello?")
    await stage.quiet()


async def overdue_twice(stage: Stage) -> None:
    """A call is hung up in vain until the manager is stopped; the next one owes it still."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    provider.fail("hang_up", "unavailable", times=5)
    await stage.later(MAX_DURATION_S + 4.0)
    await stage.restart()
    await stage.later(12.0)
