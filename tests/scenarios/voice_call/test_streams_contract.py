"""The promises about streams, replies, renamed calls and sessions, against managers that are wrong in one place each."""

import asyncio

import pytest
from msgspec.structs import replace

from harness.explore.crash_sweep import CrashSweep
from harness.explore.history import History
from harness.explore.judging import by_phase, judge_clean
from harness.explore.life import session
from harness.explore.recording import record
from harness.explore.saved_case import Step
from scenarios.voice_call.manager.call_manager import Parts
from scenarios.voice_call.manager.events import EventRules
from scenarios.voice_call.manager.lifecycle import keep_stream
from scenarios.voice_call.manager.media_stream import MediaStreams
from scenarios.voice_call.manager.provider_client import StreamGrant
from scenarios.voice_call.manager.replies import Replies
from scenarios.voice_call.manager.restore import Restore
from scenarios.voice_call.manager.session_bridge import SessionBridge
from scenarios.voice_call.manager.webhook import Webhook
from scenarios.voice_call.scenario import VoiceCall


class AnyTokenOpens(MediaStreams):
    def admitted_token(self, record, given):
        return given or "none"


class TokensOpenAgain(MediaStreams):
    def admitted_token(self, record, given):
        if record.media is not None and given in record.media.tokens.values():
            return given
        return super().admitted_token(record, given)


class TokensOutliveTheirCalls(MediaStreams):
    def caller(self, provider_call_id):
        return self.desk.book.find(provider_call_id) or super().caller(provider_call_id)

    def admitted_token(self, record, given):
        return given if record.ended_at is not None else super().admitted_token(record, given)


class SendsEverybodyAway(MediaStreams):
    def admitted_token(self, record, given):
        return super().admitted_token(record, "")


class AnyEndCounts(MediaStreams):
    def is_current(self, socket):
        return True


class ClosesWhatItHasHeard(MediaStreams):
    async def hear(self, socket, frame):
        await super().hear(socket, frame)
        socket.close(1000)


class EndsMeanNothing(MediaStreams):
    def note_end(self, socket):
        return True


class NoGrace(MediaStreams):
    def lose(self, call_id, kind):
        super().lose(call_id, kind)
        self.grace_is_over(call_id)


class SilenceIsGold(MediaStreams):
    def watch(self, call_id):
        record = self.desk.book.get(call_id)
        self.desk.journal.commit(record, keep_stream(record, self.desk.journal.now() + 30_000), "stream-alive")


class HeardBeforeItIsKept(MediaStreams):
    async def hear(self, socket, frame):
        await socket.say(self.desk.line.client.heard(frame.id))
        await super().hear(socket, frame)


class NeverHeard(MediaStreams):
    async def hear(self, socket, frame):
        await socket.say(self.desk.line.client.heard(frame.id))


class KnowsFramesByTheirStream(MediaStreams):
    async def hear(self, socket, frame):
        self.keep(str(socket.call_id), replace(frame, id=f"{socket.token}:{frame.id}"))
        await socket.say(self.desk.line.client.heard(frame.id))


class GreetsWhenConnected(MediaStreams):
    def connect(self, socket, start, given):
        super().connect(socket, start, given)
        called = self.desk.book.get(socket.call_id)
        message = str(called.metadata.get("initialMessage"))
        asyncio.get_running_loop().create_task(self.desk.line.play(called, message, f"welcome:{socket.token}"))


class GrantsAfresh(Webhook):
    def grants(self, events):
        fresh = self.log
        fresh.count = getattr(fresh, "count", 0) + 1
        return [StreamGrant(one.provider_call_id, one.event_id, one.url, f"{one.token}-{fresh.count}")
                for one in super().grants(events)]  # fmt: skip


class ThinksStreamsSurvive(Restore):
    def without_stream(self, record, now):
        return record


class SpeaksAgainAfterARestart(Restore):
    def tidy(self, record):
        if record.reply is not None and record.reply.phase == "speaking":
            record = replace(record, reply=replace(record.reply, phase="thinking"))
        return super().tidy(record)


class ForgetsWhatItThoughtOf(Restore):
    def tidy(self, record):
        return super().tidy(replace(record, reply=None))


class NeverReplies(Replies):
    def owe(self, before, after, frame_id, text):
        return after


class ClaimsToHaveSpoken(Replies):
    async def speak(self, record, reply, text):
        self.desk.journal.commit(record, replace(record, reply=replace(reply, phase="done", text=text)), "reply-done")


class ThinksForEver(Replies):
    async def answer(self, call_id):
        return None


class ForgetsOldNames(EventRules):
    def remap(self, record, event):
        return replace(super().remap(record, event), aliases=())


class BringsOldLinesBack(SessionBridge):
    async def reset(self, key):
        forgotten = dict.fromkeys((record.call_id for record in self.desk.book.all()), 0)
        self.store.reset(key, self.desk.new_id(), forgotten, self.desk.journal.now())
        self.follow_all()


class KeepsTheSession(SessionBridge):
    async def reset(self, key):
        pass


class BringsNothingOver(SessionBridge):
    def is_behind(self, record):
        return False


class BringsOverTwice(SessionBridge):
    def bring(self, records):
        super().bring(records)
        for key, one in self.store.sessions.items():
            doubled = replace(one, lines=(*one.lines, *one.lines))
            self.store.sessions[key] = doubled


def with_part(part, broken):
    class Broken(VoiceCall):
        def manager_parts(self):
            return Parts(**{part: broken})

    return Broken()


def told_of(part, broken, workload):
    """What is told of a wrong manager: at the end of a run, else after a kill at some point of it."""
    scenario = with_part(part, broken)
    contract = by_phase(scenario.contract())
    with session():
        recording = record(scenario, workload, 0)
        told = {(one.violation.verdict, one.violation.summary) for one in judge_clean(contract, recording)}
        sweep = CrashSweep(recording, "process", contract, recovery=False)
        tally = sweep.run(range(recording.began, recording.end + 1))
    return told | {(finding.verdict, finding.summary) for finding in tally.findings}


@pytest.mark.parametrize(
    ("part", "broken", "workload", "verdict", "saying"),
    [
        ("streams", AnyTokenOpens, "stream-stranger", "ghost-call", "'stream-guess' of a stranger was accepted"),
        ("streams", TokensOpenAgain, "stream-stranger", "ghost-call", "'stream-used' of a stranger was accepted"),
        ("streams", TokensOutliveTheirCalls, "stream-stranger", "ghost-call", "'stream-after-the-end'"),
        ("streams", SendsEverybodyAway, "stream", "unavailable", "was granted and sent away"),
        ("streams", AnyEndCounts, "stream-reconnect", "unavailable", "stream in-1/2 was granted and sent away"),
        ("streams", ClosesWhatItHasHeard, "stream-reconnect", "wrong-terminal", "was hung up while its stream"),
        ("streams", EndsMeanNothing, "stream", "stale-active", "could not be heard any more"),
        ("streams", NoGrace, "stream", "wrong-terminal", "was hung up while its stream"),
        ("streams", SilenceIsGold, "stream-silent", "stale-active", "could not be heard any more"),
        ("streams", HeardBeforeItIsKept, "stream", "acked-not-durable", "in-1-3"),
        ("streams", NeverHeard, "stream", "lost", "in-1-3"),
        ("streams", KnowsFramesByTheirStream, "stream", "double-applied", "in-1-3 is found 2 times"),
        ("streams", GreetsWhenConnected, "stream-reconnect", "side-effect-repeated", "'Welcome.' was played"),
        ("webhook", GrantsAfresh, "stream-reconnect", "diverged", "got another answer"),
        ("restore", ThinksStreamsSurvive, "stream", "stale-active", "could not be heard any more"),
        ("restore", SpeaksAgainAfterARestart, "stream", "side-effect-repeated", "reply:"),
        ("restore", ForgetsWhatItThoughtOf, "stream", "side-effect-lost", "nobody thought of an answer"),
        ("replies", NeverReplies, "stream", "side-effect-lost", "nobody thought of an answer"),
        ("replies", ClaimsToHaveSpoken, "stream", "side-effect-lost", "was never spoken"),
        ("replies", ThinksForEver, "stream", "side-effect-lost", "the assistant was never asked"),
        ("rules", ForgetsOldNames, "renamed", "lost", "is not found by both"),
        ("bridge", BringsOldLinesBack, "sessions", "resurrected", "is back in session"),
        ("bridge", KeepsTheSession, "sessions", "resurrected", "is the one from before its reset"),
        ("bridge", BringsNothingOver, "sessions", "lost", "is not in session"),
        ("bridge", BringsOverTwice, "sessions", "double-applied", "twice"),
    ],
)
def test_a_wrong_manager_is_noticed_by_the_promise_it_breaks(part, broken, workload, verdict, saying):
    told = told_of(part, broken, workload)
    assert any(one == verdict and saying in summary for one, summary in told), told


def played(*steps):
    """A history of actions, to its end; what was told of it."""
    with session():
        history = History(VoiceCall(), "inbound", 0)
        for name, arguments in steps:
            history.do(Step("act", {"action": name, **arguments}))
        history.finish()
    return [told.violation.summary for told in history.violations]


CONNECTED = (("ring", {"caller": 0, "stays": True}), ("deliver", {}))


def test_a_report_that_was_overtaken_does_not_rename_a_call_back():
    overtaken = (("pick_up", {"number": 0}), ("rename", {"number": 0}), ("reorder", {}), ("deliver", {}))
    assert played(*CONNECTED, *overtaken) == []


def test_a_call_that_is_over_learns_its_new_name():
    assert played(*CONNECTED, ("rename", {"number": 0}), ("end", {"number": 0})) == []
