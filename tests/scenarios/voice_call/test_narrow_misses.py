"""Managers that are right but for one condition: the story in which just that condition counts tells them apart."""

import asyncio

import pytest

from harness.explore.judging import by_phase, judge_clean
from harness.explore.life import session
from harness.explore.recording import record
from scenarios.voice_call.bugs.base import BuggyVoiceCall
from scenarios.voice_call.manager.public_address import raw_path
from scenarios.voice_call.manager.store import Store
from scenarios.voice_call.manager.timers import Timers
from scenarios.voice_call.manager.webhook import Webhook


class EachEventByItself(Webhook):
    def identity(self, event):
        return event.id


class AnyCase(Webhook):
    def path_matches(self, scope):
        return raw_path(scope).lower() == self._path


class AnySlashes(Webhook):
    def path_matches(self, scope):
        return raw_path(scope).rstrip("/") == self._path


class DecodesFirst(Webhook):
    def path_matches(self, scope):
        return super().path_matches({**scope, "raw_path": scope["path"].encode()})


class EndlessRoom(Webhook):
    def take_place(self, scope):
        self._from_address.clear()
        return super().take_place(scope)

    def leave_place(self, address):
        pass


class KeepsThePlaces(Webhook):
    def leave_place(self, address):
        pass


class PatientReader(Webhook):
    async def read_request(self, scope, headers, receive):
        parts, more = [], True
        while more:
            async with asyncio.timeout(self.config.body_timeout_ms / 1000):
                message = await receive()
            parts.append(message["body"])
            more = message["more_body"]

        async def at_once():
            return {"type": "http.request", "body": b"".join(parts), "more_body": False}

        return await super().read_request(scope, headers, at_once)


class OneClock(Timers):
    def _wake(self, key):
        armed, loop = self._armed[key], asyncio.get_running_loop()
        if loop.time() < armed.loop_due:
            armed.handle = loop.call_at(armed.loop_due, self._wake, key)
        else:
            super()._wake(key)


class DoublesWithoutEnd(Timers):
    def backoff(self, key):
        attempt = self._attempts.get(key, 0)
        self._attempts[key] = attempt + 1
        return self.config.retry_base_ms << attempt


class RestsForTenMinutes(Timers):
    def backoff(self, key):
        return 600_000


class DropsTheEnvelope(Store):
    def _snapshot(self, records):
        for record_ in records:
            record_.envelope.clear()
        yield from super()._snapshot(records)


def told(workload, **parts):
    scenario = BuggyVoiceCall(**parts)
    with session():
        recording = record(scenario, workload, 0)
    return {one.violation.verdict for one in judge_clean(by_phase(scenario.contract()), recording)}


@pytest.mark.parametrize(
    ("part", "wrong", "workload", "verdict"),
    [
        ("webhook", EachEventByItself, "request-cut-short", "reordered"),
        ("webhook", AnyCase, "look-alikes", "ghost-call"),
        ("webhook", AnySlashes, "look-alikes", "ghost-call"),
        ("webhook", DecodesFirst, "look-alikes", "ghost-call"),
        ("webhook", EndlessRoom, "crowd", "check-failed"),
        ("webhook", KeepsThePlaces, "crowd", "unavailable"),
        ("webhook", PatientReader, "slow-body", "ghost-call"),
        ("timers", OneClock, "suspended", "check-failed"),
        ("timers", DoublesWithoutEnd, "long-outage", "check-failed"),
        ("timers", RestsForTenMinutes, "cap-on-a-full-disk", "timer-extended"),
        ("store", DropsTheEnvelope, "newer-log", "check-failed"),
    ],
)
def test_one_wrong_condition_is_noticed(part, wrong, workload, verdict):
    assert verdict in told(workload, **{part: wrong})
