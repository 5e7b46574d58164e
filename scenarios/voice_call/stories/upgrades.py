"""A store that an older version of the program has left behind, as it was in the middle of its work."""

import contextlib
import json
import os
from typing import Any, Final

from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.stage import FRIEND, OTHER_FRIEND, Stage
from scenarios.voice_call.stories.damage import give_room_back, take_all_room

ROOM: Final = 1_000
"""Bytes that are left on the disk when the new version starts: more than one call takes, and less than three."""

_KNOWN_THEN: Final = (
    "callId",
    "providerCallId",
    "provider",
    "direction",
    "state",
    "from",
    "to",
    "startedAt",
    "answeredAt",
    "endedAt",
    "endReason",
    "transcript",
    "processedEventIds",
    "metadata",
)
"""The fields of version 0 (catalogue 8.1)."""


async def old_log(stage: Stage) -> None:
    """The log is of the older version; the disk has too little room to bring it over at the first start."""
    provider = stage.provider
    first, second = provider.ring(FRIEND), provider.ring(OTHER_FRIEND)
    await stage.quiet()
    provider.say(first, "this was said long ago")
    provider.leave(first)
    provider.leave(second)
    await stage.quiet()
    third = provider.ring(FRIEND, stays=True)
    provider.pick_up(third)
    await stage.quiet()
    calls = stage.manager.history()
    await stage.manager.stop()
    provider.connect(None)
    store = stage.manager.config.store_dir
    write_old_log(os.path.join(store, "calls.jsonl"), calls)
    take_all_room(os.path.dirname(store))
    give_room_back(os.path.dirname(store), ROOM)
    try:
        stage.manager = await stage.reboot()
    except StoreUnavailable:
        stage.run.lift_faults()
        with contextlib.suppress(StoreUnavailable):
            stage.manager = await stage.reboot()
    provider.say(third, "and this is new")
    await stage.quiet(5.0)
    provider.leave(third)
    await stage.quiet()


def write_old_log(path: str, calls: list[dict[str, Any]]) -> None:
    """These calls as the older version would have written them, the oldest first."""
    lines = [json.dumps({key: call[key] for key in _KNOWN_THEN if call[key] is not None}) for call in reversed(calls)]
    with open(path + ".old", "w") as file:
        file.write("".join(line + "\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".old", path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
