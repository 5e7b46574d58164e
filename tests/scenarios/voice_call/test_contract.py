"""The contract against managers that are wrong in one place: each is noticed, by the verdict that names its fault."""

import pytest
from msgspec.structs import replace

from harness.explore.crash_sweep import CrashSweep
from harness.explore.judging import by_phase, judge_clean
from harness.explore.life import session
from harness.explore.recording import record
from harness.scenario import Phase
from harness.verdict import VERDICTS
from scenarios.voice_call.bugs.unwatched_store import UnwatchedStore
from scenarios.voice_call.contract import CONTRACT
from scenarios.voice_call.manager import lifecycle
from scenarios.voice_call.manager.call_manager import Parts
from scenarios.voice_call.manager.core import CallBook
from scenarios.voice_call.manager.events import EventRules
from scenarios.voice_call.manager.journal import Journal
from scenarios.voice_call.manager.obligations import Obligations
from scenarios.voice_call.manager.outbound import Outbound
from scenarios.voice_call.manager.restore import Restore
from scenarios.voice_call.manager.speaking import Speaking
from scenarios.voice_call.manager.store import Store
from scenarios.voice_call.manager.timers import Timers
from scenarios.voice_call.manager.webhook import Webhook
from scenarios.voice_call.scenario import VoiceCall


class NoDedupe(EventRules):
    def is_duplicate(self, record, event):
        return False


class WrongReason(EventRules):
    def apply_ended(self, record, event, now):
        return lifecycle.confirm_gone(record, "completed", now)


class AnyTokenAnswers(EventRules):
    def apply_speech(self, record, event, now):
        token = record.turn.token if record.turn is not None else None
        return super().apply_speech(record, replace(event, turn_token=token), now)


class EndMakesACall(EventRules):
    def create_inbound(self, event, provider_id, now):
        return super().create_inbound(replace(event, type="call.ringing"), provider_id, now)


class TextAsKey(EventRules):
    def dedupe_key(self, event):
        return event.transcript or event.id


class NoCapacity(CallBook):
    def reserve(self, call_id, limit):
        self._reserved[call_id] = None


class NeverReleases(CallBook):
    def release(self, call_id):
        pass


class NothingRearmed(Timers):
    def start(self):
        pass


class NoRetry(Timers):
    def _again(self, key, failed):
        if not failed:
            super()._again(key, failed)


class NoPoll(Obligations):
    async def poll(self, call_id):
        pass


class NoVerification(Restore):
    async def run(self, loaded):
        pass


class FullBudgetAgain(Restore):
    def with_deadline(self, record, now):
        due = now + self.desk.config.max_duration_ms
        return replace(record, deadlines=dict.fromkeys(record.deadlines, due))


class GreetsAgain(Restore):
    def greeting_after_crash(self, record):
        return replace(record, greeting="queued")


class ForgetsWhatItSaid(Speaking):
    def played(self, call_id, text, key):
        current = self.desk.again(call_id)
        return self.desk.journal.commit(current, replace(current, playing=None), "spoken")


class NoSync(Store):
    def append_line(self, line):
        self.write_fully(self._fd, line)


class NoSyncOnOpen(Store):
    def sync_content(self):
        if self.generation > 0:
            super().sync_content()


class NothingWrittenAnew(Store):
    def repair_tail(self, loaded, data):
        if loaded.good_end < len(data) or loaded.newline_missing:
            super().repair_tail(loaded, data)


class TrustsAnUnsyncedName(Store):
    def poison(self, why):
        if "directory" not in why:
            super().poison(why)


class NoNewline(Store):
    def repair_tail(self, loaded, data):
        if loaded.good_end < len(data):
            import os

            os.ftruncate(self._fd, loaded.good_end)


class NoCutBack(UnwatchedStore):
    def cut_back(self, error):
        pass


class AnotherCallForAKnownKey(CallBook):
    def find_by_key(self, key):
        return None


class DoubtsItsLog(Store):
    def read_log(self, data):
        loaded = super().read_log(data)
        return replace(loaded, quarantined={"*": "never sure"})


class RingsAgain(EventRules):
    def apply_state(self, record, state, event, now):
        return replace(record, state=state)


class LatestCap(EventRules):
    def apply_answered(self, record, event, now):
        after = super().apply_answered(record, event, now)
        return replace(after, deadlines=after.deadlines | record.deadlines)


class RingsForEver(Outbound):
    def intent(self, *wanted):
        return replace(super().intent(*wanted), deadlines={})


class NeverDialledStays(Obligations):
    def reconciled(self, record, found):
        return super().reconciled(record, found) if found is not None else replace(record, dial="refused")


class GreetsWithoutALine(Speaking):
    def greeted(self, call_id, phase):
        current = self.desk.again(call_id)
        self.desk.journal.commit(
            current, self.after_greeting(replace(current, greeting=phase, playing=None)), "greeted"
        )


class ReopensBlindly(Journal):
    def ensure_writable(self):
        if self.store.poisoned is not None:
            self.store.reopen()
        super().ensure_writable()


class BatchesBackwards(Webhook):
    async def apply_all(self, events):
        return await super().apply_all(events[::-1])


class AlwaysOk(Webhook):
    async def apply_all(self, events):
        await super().apply_all(events)
        return 200


class PrefixPath(Webhook):
    def path_matches(self, scope):
        return scope["path"].startswith(self._path)


def with_part(part, broken):
    class Broken(VoiceCall):
        def manager_parts(self):
            return Parts(**{part: broken})

    return Broken()


def verdicts(part, broken, workload, profile):
    scenario = with_part(part, broken)
    contract = by_phase(scenario.contract())
    with session():
        recording = record(scenario, workload, 0)
        told = {one.violation.verdict for one in judge_clean(contract, recording)}
        sweep = CrashSweep(recording, profile, contract, recovery=False)
        tally = sweep.run(range(recording.began, recording.end + 1))
    return told | {finding.verdict for finding in tally.findings}


def told_by(tally):
    return {finding.verdict for finding in tally.findings}


@pytest.mark.parametrize(
    ("part", "broken", "workload", "verdict"),
    [
        ("rules", NoDedupe, "inbound", "double-applied"),
        ("rules", WrongReason, "inbound", "wrong-terminal"),
        ("rules", AnyTokenAnswers, "conversation", "misattributed"),
        ("rules", EndMakesACall, "lost-end", "ghost-call"),
        ("rules", TextAsKey, "inbound", "lost"),
        ("book", NoCapacity, "at-once", "wedged-capacity"),
        ("book", NeverReleases, "notify", "wedged-capacity"),
        ("timers", NothingRearmed, "inbound", "timer-lost"),
        ("timers", NoRetry, "stranger", "orphan-remote"),
        ("obligations", NoPoll, "lost-end", "wrong-terminal"),
        ("restore", NoVerification, "inbound", "stale-active"),
        ("restore", FullBudgetAgain, "long-call", "timer-extended"),
        ("restore", GreetsAgain, "inbound", "side-effect-repeated"),
        ("speaking", ForgetsWhatItSaid, "conversation", "lost"),
        ("store", NoCutBack, "full-disk", "lost"),
        ("book", AnotherCallForAKnownKey, "lost-dial", "ghost-call"),
        ("store", DoubtsItsLog, "inbound", "check-failed"),
        ("rules", RingsAgain, "overtaken", "reordered"),
        ("rules", LatestCap, "overtaken", "timer-extended"),
        ("outbound", RingsForEver, "nobody-answers", "timer-lost"),
        ("obligations", NeverDialledStays, "lost-dial", "stale-active"),
        ("speaking", GreetsWithoutALine, "inbound", "lost"),
        ("journal", ReopensBlindly, "refused-and-there", "double-applied"),
        ("webhook", BatchesBackwards, "overtaken", "reordered"),
        ("webhook", AlwaysOk, "full-disk", "swallowed-error"),
        ("webhook", PrefixPath, "hostile", "ghost-call"),
    ],
)
def test_a_wrong_manager_is_noticed_by_its_own_verdict(part, broken, workload, verdict):
    assert verdict in verdicts(part, broken, workload, "process")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "workload", "verdict"),
    [
        (NoSync, "inbound", "acked-not-durable"),
        (NoNewline, "inbound", "torn-tail-swallow"),
        (NoSyncOnOpen, "restart-on-a-bad-disk", "acked-not-durable"),
        (NothingWrittenAnew, "restart-on-a-bad-disk", "acked-not-durable"),
        (TrustsAnUnsyncedName, "compaction-without-a-name", "acked-not-durable"),
    ],
)
def test_a_wrong_store_is_noticed_after_a_power_cut(broken, workload, verdict):
    scenario = with_part("store", broken)
    with session():
        recording = record(scenario, workload, 0)
        sweep = CrashSweep(recording, "strict", by_phase(scenario.contract()), recovery=False)
        tally = sweep.run(range(recording.began, recording.end + 1), lambda so_far: verdict in told_by(so_far))
    assert verdict in told_by(tally)


def test_every_promise_has_its_own_name_and_a_sentence_of_the_vocabulary():
    assert len({promise.name for promise in CONTRACT}) == len(CONTRACT)
    assert {promise.sentence for promise in CONTRACT} <= set(VERDICTS.values())
    assert all(promise.phases <= frozenset(Phase) and promise.phases for promise in CONTRACT)
