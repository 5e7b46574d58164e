"""Our calls ring for the ring time: a manager that rings longer, or names another reason, is noticed."""

import pytest
from msgspec.structs import replace

from harness.explore.judging import by_phase, judge_clean
from harness.explore.life import session
from harness.explore.recording import record
from scenarios.voice_call.manager.call_manager import Parts
from scenarios.voice_call.manager.lifecycle import RING, without_deadline
from scenarios.voice_call.manager.outbound import Outbound
from scenarios.voice_call.manager.timers import Timers
from scenarios.voice_call.scenario import VoiceCall


class NoRingTime(Outbound):
    def intent(self, *wanted):
        return without_deadline(super().intent(*wanted), RING)


class ShortRingTime(Outbound):
    def intent(self, *wanted):
        intent = super().intent(*wanted)
        return replace(intent, deadlines=intent.deadlines | {RING: intent.started_at + 5_000})


class RingTimeNeverArmed(Timers):
    def wanted(self, record):
        return {kind: duty for kind, duty in super().wanted(record).items() if kind != RING}


def verdicts(parts: Parts) -> set[str]:
    class Subject(VoiceCall):
        def manager_parts(self) -> Parts:
            return parts

    with session():
        subject = Subject()
        return {
            told.violation.verdict
            for told in judge_clean(by_phase(subject.contract()), record(subject, "nobody-answers", 0))
        }


def test_correct_manager_holds() -> None:
    assert verdicts(Parts()) == set()


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        (Parts(outbound=NoRingTime), "timer-extended"),
        (Parts(timers=RingTimeNeverArmed), "timer-extended"),
        (Parts(outbound=ShortRingTime), "wrong-terminal"),
    ],
    ids=["rings until the reaper", "deadline without a timer", "gives up early"],
)
def test_manager_that_rings_too_long_or_too_short_is_noticed(parts: Parts, verdict: str) -> None:
    assert verdict in verdicts(parts)
