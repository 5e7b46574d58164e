"""What readers and clients are shown, by managers that are wrong in one place: each is noticed in a story, and named."""

import pytest
from msgspec.structs import replace

from harness.explore.judging import by_phase, judge_clean
from harness.explore.life import session
from harness.explore.recording import record
from scenarios.voice_call.contract import CONTRACT
from scenarios.voice_call.manager.call_manager import CallManager, Parts
from scenarios.voice_call.manager.events import EventRules
from scenarios.voice_call.manager.obligations import Obligations
from scenarios.voice_call.manager.outbound import Outbound
from scenarios.voice_call.manager.speaking import Speaking
from scenarios.voice_call.manager.webhook import Webhook
from scenarios.voice_call.scenario import VoiceCall


class WrongNumber(EventRules):
    def create_inbound(self, event, provider_id, now):
        return replace(super().create_inbound(event, provider_id, now), to="+15550001111")


class EndsWithoutATime(EventRules):
    def apply_ended(self, record, event, now):
        return replace(super().apply_ended(record, event, now), ended_at=None)


class AnswersInNoTime(EventRules):
    def apply_speech(self, record, event, now):
        after = super().apply_speech(record, event, now)
        return replace(after, metadata=after.metadata | {"lastTurnLatencyMs": 0}) if after.turn is not None else after


class StaysWhereItIs(EventRules):
    def apply_state(self, record, state, event, now):
        return record


class WordsOfTheDead(EventRules):
    def absorb_late(self, record, event, now):
        return self.claim(record, event, now)


class MovesTooSlowly(Webhook):
    async def apply_one(self, event):
        if event.type == "call.dtmf" and event.call_id not in self.__dict__.setdefault("seen", set()):
            self.seen.add(event.call_id)
            raise ValueError("not now")
        return await super().apply_one(event)


class TellsNobody(Speaking):
    def follow(self, record):
        pass


class SaysYes(Outbound):
    async def initiate(self, *wanted):
        return replace(await super().initiate(*wanted), outcome="certainly")


class NeverAsks(Obligations):
    async def reconcile(self, record):
        return record


class OwesFromTheStart(EventRules):
    def reject(self, record, event, now):
        return replace(super().reject(record, event, now), owed_since=0)


WRONG = [
    (WrongNumber, "inbound", "misattributed", "to is '+15550001111'"),
    (EndsWithoutATime, "inbound", "check-failed", "its end at None"),
    (AnswersInNoTime, "conversation", "check-failed", "lastTurnLatencyMs is 0"),
    (StaysWhereItIs, "every-state", "reordered", "was reported as active"),
    (WordsOfTheDead, "batches", "lost", "overtaken by the end"),
    (MovesTooSlowly, "talks-on", "unavailable", "was refused with 503"),
    (TellsNobody, "conversation", "hung", "before the client gave up"),
    (SaysYes, "notify", "unavailable", "expected created, refused, unknown"),
    (NeverAsks, "silent-dial", "orphan-remote", "nobody knew after"),
    (OwesFromTheStart, "two-strangers", "check-failed", "is owed since 0"),
]

PART_OF = {
    EventRules: "rules",
    Webhook: "webhook",
    Speaking: "speaking",
    Outbound: "outbound",
    Obligations: "obligations",
}


def told(scenario, workload):
    with session():
        recording = record(scenario, workload, 0)
        assert recording.failure is None, recording.failure
        found = judge_clean(by_phase(CONTRACT), recording)
    return {(one.violation.verdict, one.violation.summary) for one in found}


@pytest.mark.parametrize("part, workload, verdict, says", WRONG, ids=lambda value: getattr(value, "__name__", None))
def test_a_wrong_face_is_noticed_by_the_promise_that_names_it(part, workload, verdict, says):
    place = next(name for base, name in PART_OF.items() if issubclass(part, base))

    class Wrong(VoiceCall):
        def manager_parts(self):
            return Parts(**{place: part})

    seen = told(Wrong(), workload)
    assert any(name == verdict and says in summary for name, summary in seen), sorted(seen)


@pytest.mark.parametrize(
    "view, says",
    [
        (lambda view: 1 / 0, "ZeroDivisionError"),
        (lambda view: {**view, "ready": "yes"}, "Expected `bool`, got `str` - at `$.ready`"),
        (lambda view: {key: view[key] for key in view if key != "timers"}, "missing required field `timers`"),
    ],
    ids=["raises", "another type", "a field less"],
)
def test_a_manager_that_cannot_be_read_is_not_there(view, says):
    class Unreadable(CallManager):
        def view(self):
            return view(super().view())

    class Wrong(VoiceCall):
        def make_manager(self, run, world):
            manager = super().make_manager(run, world)
            manager.__class__ = Unreadable
            return manager

        async def settle(self, run, world, subject):
            """It cannot be read."""

    assert any(name == "unavailable" and says in summary for name, summary in told(Wrong(), "inbound"))


def test_what_is_noticed_in_the_middle_of_a_story_is_told_at_its_end():
    class RingsInTheMiddle(EventRules):
        def apply_state(self, record, state, event, now):
            moved = super().apply_state(record, state, event, now)
            return replace(moved, state="ringing") if state == "active" else moved

    class Wrong(VoiceCall):
        def manager_parts(self):
            return Parts(rules=RingsInTheMiddle)

    seen = told(Wrong(), "every-state")
    assert any(summary.startswith("in the middle of it") for _, summary in seen), sorted(seen)
