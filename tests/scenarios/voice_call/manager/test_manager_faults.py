"""Every call to the disk fails once, one after the other: whatever was acknowledged is there, and counts once."""

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Any

import pytest

from scenarios.voice_call.manager.store import StoreUnavailable

World = Any
CALLS = ("open", "read", "write", "fsync", "ftruncate", "rename", "unlink", "mkdir", "lseek")


class Nth:
    """Fails the n-th call of the process, and from then on for `length` calls."""

    def __init__(self, patched: pytest.MonkeyPatch, first: int, length: int, short: bool) -> None:
        self.count = 0
        self.fired = False
        self.first = first
        self.length = length
        self.short = short
        for name in CALLS:
            patched.setattr(os, name, self.wrapped(name, getattr(os, name)))

    def wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            if self.first < self.count <= self.first + self.length:
                self.fired = True
                if name == "write" and self.short:
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise OSError(errno.EIO, f"{name} failed")
            return real(*arguments, **named)

        return call


async def delivered(world: World, manager: Any, event: dict[str, Any]) -> None:
    """Deliver until it is acknowledged, as a provider does."""
    for _ in range(20):
        if await world.post(manager, event) == 200:
            return
        await asyncio.sleep(1)
    raise AssertionError("never acknowledged")


async def begun(world: World, **settings: Any) -> Any:
    for _ in range(20):
        manager = world.manager(**settings)
        try:
            await manager.start()
        except StoreUnavailable:
            continue
        return manager
    raise AssertionError("never started")


async def whole_story(world: World) -> None:
    settings = {"compact_after_lines": 3}
    manager = await begun(world, **settings)
    events = [world.event("ringing"), world.event("answered")]
    events += [world.event("speech", transcript=f"line {n}") for n in range(4)]
    for event in events[:4]:
        await delivered(world, manager, event)
    world.kill(manager)
    manager = await begun(world, **settings)
    (call,) = manager.view()["calls"]
    assert call["processedEventIds"] == [event["id"] for event in events[:4]]
    for event in events:
        await delivered(world, manager, event)
    await asyncio.sleep(400)
    world.kill(manager)
    manager = await begun(world, **settings)
    await asyncio.sleep(200)
    (call,) = manager.view()["calls"]
    assert sorted(call["processedEventIds"]) == sorted(event["id"] for event in events)
    assert [line["text"] for line in call["transcript"]] == [f"line {n}" for n in range(4)]
    assert call["endReason"] == "timeout" and manager.view()["obligations"] == []


@pytest.mark.parametrize(("length", "short"), [(1, False), (1, True), (2, False), (3, True), (7, False)])
def test_every_disk_call_may_fail(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, length: int, short: bool, make_world: Callable[[str], World]
) -> None:
    first = 0
    while True:
        world = make_world(str(tmp_path / f"{first}"))
        world.provider.calls["pc-1"] = world.in_progress
        with monkeypatch.context() as patched:
            disk = Nth(patched, first, length, short)
            try:
                world.run(whole_story(world))
            except AssertionError as error:
                raise AssertionError(f"disk call {first} to {first + length}: {error}; {world.log.names()}") from error
        if not disk.fired:
            break
        first += 1
    assert first > 60
