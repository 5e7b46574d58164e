"""A store that another version of the program has left behind, as it was in the middle of its work."""

import contextlib
import json
import os
import zlib
from typing import Any, Final

from scenarios.voice_call.log_lines import fields_of, is_intact
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


_MORE: Final = {"sentiment": {"score": 7}}
"""A field that no version before the newest has."""


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


async def newer_log(stage: Stage) -> None:
    """A newer version has written the log, and says more in it than this one knows; this one rewrites it, and keeps that."""
    provider = stage.provider
    calls = [await stage.picked_up(caller, stays=True) for caller in (FRIEND, OTHER_FRIEND)]
    await stage.manager.stop()
    provider.connect(None)
    log = os.path.join(stage.manager.config.store_dir, "calls.jsonl")
    say_more(log)
    await stage.started_again()
    for number in range(6):
        provider.say(calls[0], f"sentence number {number}")
        await stage.quiet()
    await stage.restart()
    await stage.quiet()
    kept = told_of_more(log)
    shown = {call: (stage.shown(call) or {}).get("callId") for call in calls}
    for call, name in shown.items():
        stage.expect(name in kept["envelope"], f"what a newer version wrote beside a change of {call} is gone")
        stage.expect(name in kept["record"], f"what a newer version wrote about {call} is gone")
    for call in calls:
        provider.leave(call)
    await stage.quiet()


def say_more(path: str) -> None:
    """The same log, as a version would have written it that has something more to say in and about each change."""
    with open(path, "rb") as file:
        lines = file.read().splitlines()
    _replace(path, b"".join(_with_more(line) for line in lines))


def _with_more(line: bytes) -> bytes:
    known = json.loads(line)
    del known["crc"]
    known["body"]["set"] |= _MORE
    head = json.dumps(known | _MORE, separators=(",", ":"))[:-1]
    return f'{head},"crc":"{zlib.crc32(head.encode("ascii")):08x}"}}\n'.encode("ascii")


def told_of_more(path: str) -> dict[str, set[str]]:
    """The calls of which the log still says what this version does not know: beside a change, and in it."""
    with open(path, "rb") as file:
        lines = [fields_of(line) for line in file.read().splitlines() if is_intact(line)]
    return {
        "envelope": {line["call"] for line in lines if line.items() >= _MORE.items()},
        "record": {line["call"] for line in lines if line["body"]["set"].items() >= _MORE.items()},
    }


def write_old_log(path: str, calls: list[dict[str, Any]]) -> None:
    """These calls as the older version would have written them, the oldest first."""
    lines = [json.dumps({key: call[key] for key in _KNOWN_THEN if call[key] is not None}) for call in reversed(calls)]
    _replace(path, "".join(line + "\n" for line in lines).encode("ascii"))


def _replace(path: str, content: bytes) -> None:
    with open(path + ".old", "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".old", path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
