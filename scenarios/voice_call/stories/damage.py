"""Media that change what they were given, and neighbours that take the disk's last room."""

import asyncio
import contextlib
import os
from typing import Final

from scenarios.voice_call.stage import FAR_AWAY, FRIEND, OTHER_FRIEND, Stage
from scenarios.voice_call.terms import POLL_S

LINES: Final = 20
_WRONG: Final = b"####"
_FAR_TOO_MUCH: Final = 1 << 16


async def damaged_line(stage: Stage) -> None:
    """A call has ended; its last record is no longer readable when the manager starts again, and nobody can be asked."""
    provider, client = stage.provider, stage.client
    call = await stage.picked_up(FRIEND)
    known = stage.manager.history(1)[0]["callId"]
    provider.leave(call)
    await stage.quiet()
    client.look(known)
    await stage.manager.stop()
    provider.connect(None)
    provider.damaged(call)
    damage_last_line(os.path.join(stage.manager.config.store_dir, "calls.jsonl"))
    provider.fail("status", "unavailable", times=2)
    stage.manager = await stage.reboot()
    stage.client.look(known)
    await stage.later(POLL_S + 2.0)


def damage_last_line(path: str) -> None:
    """What a medium does: some bytes in the middle of the last line are others, and stay so."""
    with open(path, "r+b", buffering=0) as file:
        data = file.read()
        begin = data.rfind(b"\n", 0, len(data) - 1) + 1
        file.seek((begin + len(data)) // 2)
        file.write(_WRONG)
        os.fsync(file.fileno())


async def small_disk(stage: Stage) -> None:
    """A long talk on a disk that has several times the room for all that is said."""
    provider = stage.provider
    provider.on_an_ample_disk()
    call = provider.ring(FRIEND)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet(0.01)
    for number in range(LINES):
        provider.say(call, f"this is line number {number} of a long talk about nothing in particular")
        await stage.quiet(0.01)
    provider.leave(call)
    await stage.quiet()


async def end_on_a_full_disk(stage: Stage) -> None:
    """We hang up; meanwhile a neighbour takes the last room, and the end of the call cannot be written for a while.

    When the manager starts again later, the provider does not answer its questions.
    """
    provider, client = stage.provider, stage.client
    call_id = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.quiet()
    if call_id is None:
        return
    provider.fail("hang_up", "slow", delay_s=1.0)
    ending = asyncio.create_task(client.end("end-1", call_id))
    await asyncio.sleep(0.5)
    take_all_room(os.path.dirname(stage.manager.config.store_dir))
    await ending
    client.look(call_id)
    await stage.quiet(0.5)
    stage.run.lift_faults()
    await stage.later(4.0)
    provider.fail("status", "unavailable", times=2)
    await stage.restart()
    stage.client.look(call_id)
    await stage.later(POLL_S + 2.0)


def take_all_room(folder: str) -> None:
    """A neighbour writes until nothing fits any more."""
    with contextlib.suppress(OSError), open(os.path.join(folder, "neighbour"), "wb", buffering=0) as file:
        while file.write(bytes(_FAR_TOO_MUCH)):
            pass


def give_room_back(folder: str, room: int) -> None:
    """The neighbour makes do with a little less."""
    path = os.path.join(folder, "neighbour")
    os.truncate(path, os.path.getsize(path) - room)


async def quiet_call(stage: Stage) -> None:
    """A call that nobody says anything in outlives a restart, and a log that is rewritten because of another call."""
    provider = stage.provider
    quiet = await stage.picked_up(FRIEND, stays=True)
    await stage.restart()
    busy = provider.ring(OTHER_FRIEND)
    await stage.quiet()
    for number in range(5):
        provider.say(busy, f"busy line {number}")
        await stage.quiet(0.01)
    provider.leave(busy)
    await stage.later(3.0)
    await stage.restart()
    provider.say(quiet, "I am still here")
    await stage.quiet()
