"""A provider that does not wait: late answers count for nothing, and the request is tried again."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from scenarios.voice_call.provider import Provider

PATIENCE_S = 5.0


class Slow:
    """An ASGI application whose first answer takes `first_s`; `block` lets time pass while nothing else can run."""

    def __init__(self, first_s: float, block: Callable[[float], None] | None = None) -> None:
        self.waits = [first_s]
        self.block = block
        self.requests = 0
        self.answered = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        self.requests += 1
        wait = self.waits.pop(0) if self.waits else 0.0
        if self.block is not None:
            self.block(wait)
        else:
            await asyncio.sleep(wait)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"OK"})
        self.answered += 1


def ring(run: Any, subject: Slow, patience_s: float | None) -> Provider:
    world = Provider()
    world.attach(run)
    world.connect(subject)
    if patience_s is not None:
        world.lose_patience(patience_s)
    world.ring()
    return world


def test_a_late_answer_is_no_answer_and_the_request_comes_again(run: Any, play: Any) -> None:
    subject = Slow(8.0)
    world = ring(run, subject, PATIENCE_S)
    start = run.now()
    play(world.run_until_quiet(60.0))
    assert run.seen("attempted", "refused", "acknowledged") == [
        ("attempted", "in-1-1"),
        ("refused", "in-1-1"),
        ("attempted", "in-1-1"),
        ("acknowledged", "in-1-1"),
    ]
    assert world.outer.happenings["in-1-1"].acknowledged_at == pytest.approx(start + PATIENCE_S, abs=0.1)


def test_the_subject_may_finish_what_nobody_waits_for(run: Any, play: Any) -> None:
    subject = Slow(8.0)
    world = ring(run, subject, PATIENCE_S)
    play(world.run_until_quiet(60.0))
    play(asyncio.sleep(10.0))
    assert (subject.requests, subject.answered) == (2, 2)
    assert len(run.seen("acknowledged")) == 1, "the late answer acknowledges nothing"


def test_an_answer_in_time_is_an_answer(run: Any, play: Any) -> None:
    world = ring(run, Slow(PATIENCE_S - 1.0), PATIENCE_S)
    play(world.run_until_quiet(60.0))
    assert run.seen("attempted", "refused", "acknowledged") == [("attempted", "in-1-1"), ("acknowledged", "in-1-1")]


def test_a_process_that_stood_still_has_answered_too_late(run: Any, play: Any) -> None:
    world = ring(run, Slow(8.0, block=run.clock.advance), PATIENCE_S)
    play(world.run_until_quiet(60.0))
    assert run.seen("refused") == [("refused", "in-1-1")]
    assert run.seen("acknowledged") == [("acknowledged", "in-1-1")]


def test_a_provider_that_was_not_told_otherwise_waits(run: Any, play: Any) -> None:
    world = ring(run, Slow(80.0), None)
    play(world.run_until_quiet(200.0))
    assert run.seen("attempted", "refused", "acknowledged") == [("attempted", "in-1-1"), ("acknowledged", "in-1-1")]
