"""Logs that somebody moves, replaces or changes while the manager writes them, and disks that fail while it looks after them."""

import os
from collections.abc import Callable
from typing import Final

from scenarios.voice_call.log_lines import log_of, put, read_lines
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.stage import FRIEND, OTHER_FRIEND, STRANGER, Stage
from scenarios.voice_call.stories.odd_logs import ensure_private, shown

BEYOND: Final = 20.0
"""After so many seconds an ended call of `everything_forgotten` need not be remembered."""

_MORE: Final = b"a line of somebody else\n"


def moved(path: str) -> None:
    os.rename(path, f"{path}.1")


def replaced(path: str) -> None:
    put(path, b"".join(read_lines(path)))


def emptied(path: str) -> None:
    os.truncate(path, 0)


def grown(path: str) -> None:
    with open(path, "ab") as file:
        file.write(_MORE)


MOVES: Final[tuple[Callable[[str], None], ...]] = (moved, replaced, emptied, grown)
"""What rotates, restores, clears or uses a log that is in use."""


async def moved_log(stage: Stage) -> None:
    """What is written to a log that was moved or changed no start will read: it is refused, until the log is put right."""
    provider = stage.provider
    calls = [await stage.picked_up(caller, stays=True) for caller in (FRIEND, OTHER_FRIEND)]
    path = log_of(stage.manager.config.store_dir)
    ensure_private(stage)
    for number, move in enumerate(MOVES):
        provider.say(calls[0], f"this is kept, number {number}")
        await stage.quiet()
        before, good = shown(stage), read_lines(path)
        provider.excuse()
        move(path)
        told = [provider.say(call, f"this is refused, number {number}") for call in calls]
        await stage.quiet(0.1)
        for event in told:
            stage.expect(
                event is not None and not event.acknowledged, f"the log was {move.__name__}, and more is taken"
            )
        stage.expect(shown(stage) == before, f"the log was {move.__name__}, and something came of what was refused")
        await stage.manager.stop()
        provider.connect(None)
        put(path, b"".join(good))
        stage.manager = await stage.reboot()
        stage.expect(shown(stage) == before, f"the log was {move.__name__} and put right, and the calls are others")
        await stage.later(10.0)
        stage.expect(
            all(event is not None and event.acknowledged for event in told), "what was refused is not taken later"
        )
    for call in calls:
        provider.leave(call)
    await stage.quiet()


async def replaced_under_a_bad_disk(stage: Stage) -> None:
    """A sync fails, and before the log is opened anew somebody puts another in its place: it is not taken for ours."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    path = log_of(stage.manager.config.store_dir)
    before, good = shown(stage), read_lines(path)
    provider.say(call, "nobody knows whether this is on the disk")
    await stage.quiet(0.1)
    provider.excuse()
    put(path, b"".join(good[:1]))
    await stage.later(4.0)
    stage.expect(shown(stage) == before, "another log was taken for ours")
    await stage.manager.stop()
    provider.connect(None)
    put(path, b"".join(good))
    stage.manager = await stage.reboot()
    await stage.later(10.0)
    provider.say(call, "after")
    await stage.quiet()


async def original_in_the_way(stage: Stage) -> None:
    """The place where the older version's log is to be kept is taken: nothing is brought over until it is free."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND, stays=True)
    provider.excuse()
    await stage.manager.stop()
    provider.connect(None)
    store = stage.manager.config.store_dir
    old = b'{"callId":"long-ago","direction":"inbound","state":"completed","endReason":"completed"}\n'
    old += b'{"callId":"odd","direction":"inbound","state":"completed","from":7}\nno line of any version\n'
    path, place = log_of(store), os.path.join(store, "calls.v0.jsonl")
    good = read_lines(path)
    put(path, old)
    put(place, b"something dear to somebody\n")
    try:
        stage.manager = await stage.reboot()
    except StoreUnavailable:
        pass
    else:
        stage.expect(False, "the older version's log was brought over, and the place to keep it is taken")
    with open(place, "rb") as file:
        stage.expect(
            file.read() == b"something dear to somebody\n", "what stood in the place to keep the old log is gone"
        )
    os.unlink(place)
    for _ in range(2):
        put(path, old)
        await stage.started_again()
        _ensure_both(stage)
        kept = read_lines(place) if os.path.exists(place) else []
        stage.expect(b"".join(kept) == old, "the older version's log is not kept")
        await stage.manager.stop()
        await stage.started_again()
        _ensure_both(stage)
        await stage.manager.stop()
        if os.path.exists(place):
            os.unlink(place)
    put(path, b"".join(good))
    stage.manager = await stage.reboot()
    provider.say(call, "this is now")
    await stage.quiet()


def _ensure_both(stage: Stage) -> None:
    known, doubted = sorted(shown(stage)), sorted(map(str, stage.manager.view()["quarantined"]))
    reasons = stage.manager.view()["quarantined"].values()
    stage.expect(all(isinstance(one, str) for one in reasons), f"the reasons of doubts are {list(reasons)}")
    stage.expect(known == ["long-ago", "odd"], f"of two calls of the older version's log {', '.join(known)} is shown")
    stage.expect(doubted == ["*", "odd"], f"a line and a field of the old log are lost, and {doubted} is doubted")


async def everything_forgotten(stage: Stage) -> None:
    """The only calls ended long ago, and what was owed for them is done: the log is empty then, and begins anew."""
    provider = stage.provider
    provider.forget_after(BEYOND)
    provider.fail("hang_up", "unavailable", times=12)
    for _ in range(2):
        provider.ring(STRANGER, stays=True)
        await stage.quiet(0.1)
    await stage.later(120.0)
    stage.expect(not stage.manager.view()["rejected"], "what need not be remembered is remembered")
    with open(log_of(stage.manager.config.store_dir), "rb") as file:
        stage.expect(not file.read(), "there is nothing to remember, and the log is not empty")
    call = await stage.picked_up(FRIEND, stays=True)
    await stage.restart()
    provider.say(call, "I am new here")
    await stage.quiet()
    await stage.restart()
    provider.leave(call)
    await stage.quiet()


async def kept_long(stage: Stage) -> None:
    """The log cannot be rewritten the first time; it is tried again when it has grown as much once more."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND)
    path = log_of(stage.manager.config.store_dir)
    lengths = []
    for number in range(10):
        provider.say(call, f"sentence number {number}")
        await stage.quiet()
        lengths.append(len(read_lines(path)))
        stage.expect(not os.path.exists(f"{path}.tmp"), "what is left of an attempt to rewrite the log was not removed")
    stage.expect(lengths == [3, 4, 5, 6, 7, 1, 2, 3, 4, 1], f"the log has {lengths} lines")
    ensure_private(stage)
    await stage.restart()
    provider.leave(call)
    await stage.quiet()


async def made_anew(stage: Stage) -> None:
    """The directory of the store is made once more, by somebody who dies before that is on the disk; then it is used."""
    provider = stage.provider
    provider.excuse()
    await stage.manager.stop()
    provider.connect(None)
    store = stage.manager.config.store_dir
    os.rename(store, f"{store}.old")
    os.mkdir(store)
    stage.manager = await stage.reboot()
    call = provider.ring(FRIEND)
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


async def stuck(stage: Stage) -> None:
    """The log cannot be rewritten, nor what that left behind be removed: nobody is told of it, and it works later."""
    provider = stage.provider
    call = await stage.picked_up(FRIEND)
    for number in range(10):
        told = provider.say(call, f"sentence number {number}")
        await stage.quiet()
        stage.expect(told is not None and told.attempts == 1, "a sentence is refused because the log is long")
    await stage.restart()
    provider.leave(call)
    await stage.quiet()


async def forgotten_in_vain(stage: Stage) -> None:
    """A call ended long ago, and the log is to be rewritten without it, which does not work: it is known as before."""
    provider = stage.provider
    provider.forget_after(BEYOND)
    gone = provider.ring(FRIEND)
    await stage.quiet()
    provider.leave(gone)
    await stage.later(BEYOND + 5.0)
    call = await stage.picked_up(OTHER_FRIEND, stays=True)
    for number in range(3):
        provider.say(call, f"sentence number {number}")
        await stage.quiet()
    before = shown(stage)
    provider.excuse()
    await stage.manager.stop()
    provider.connect(None)
    stage.manager = await stage.reboot()
    stage.expect(
        shown(stage).keys() == before.keys(), f"{', '.join(before)} were known, and now {', '.join(shown(stage))}"
    )
    provider.leave(call)
    await stage.quiet()
