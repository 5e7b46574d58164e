"""The contract of the call manager: each guarantee one function, one name, one sentence, and when it holds.

It is written for a correct manager: nothing here knows how one could be wrong. It shares no code with the manager, and
sees it only through `observe`. Sources: DESIGN, section 4, rules 4 to 7; the vocabulary of the bug catalogue, section 0.

When the provider gives an event up (its policy), nothing is owed for that event but that the call does not stay
active for ever: the manager asks the provider itself. While a manager is not there (no view), only `answers` speaks.
"""

from collections.abc import Callable
from typing import Final

from harness.scenario import Guarantee, Phase
from harness.verdict import VERDICTS, Violation, unavailable
from harness.verdict.vocabulary import violation
from scenarios.voice_call import call_promises as calls
from scenarios.voice_call import effect_promises as effects
from scenarios.voice_call import ending_promises as endings
from scenarios.voice_call import event_promises as events
from scenarios.voice_call import reader_promises as readers
from scenarios.voice_call import record_promises as records
from scenarios.voice_call import request_promises as requests
from scenarios.voice_call import session_promises as sessions
from scenarios.voice_call import stream_promises as streams
from scenarios.voice_call import turn_promises as turns
from scenarios.voice_call.event_promises import CallCase
from scenarios.voice_call.observe import CallsObserved

Judge = Callable[[CallCase, CallsObserved], list[Violation]]

ALWAYS: Final = frozenset(Phase)
RESTARTED: Final = frozenset({Phase.RESTARTED})
AT_REST: Final = frozenset({Phase.CLEAN, Phase.SETTLED, Phase.AGAIN})
AGAIN: Final = frozenset({Phase.AGAIN})
CLEAN: Final = frozenset({Phase.CLEAN})


def answers(case: CallCase) -> list[Violation]:
    """The manager is there, and takes events."""
    if case.observed is None:
        return [violation("unavailable", case.failure or "the manager does not come up")]
    if case.observed.unreadable:
        return [violation("unavailable", f"the manager cannot be read: {case.observed.unreadable}")]
    return unavailable(case.observed)


def _promise(name: str, verdict: str, judge: Judge, phases: frozenset[Phase]) -> Guarantee:
    def ask(case: CallCase) -> list[Violation]:
        if case.observed is None or not case.observed.available:
            return []
        return judge(case, case.observed)

    return Guarantee(name, VERDICTS[verdict], ask, phases)


CONTRACT: Final[tuple[Guarantee, ...]] = (
    Guarantee("answers", VERDICTS["unavailable"], answers, ALWAYS),
    _promise("requests-fail-as-documented", "unavailable", requests.requests_fail_as_documented, ALWAYS),
    _promise("records-make-sense", "check-failed", records.records_make_sense, ALWAYS),
    _promise("debts-have-dates", "check-failed", records.debts_have_dates, ALWAYS),
    _promise("records-tell-the-truth", "misattributed", records.records_tell_the_truth, ALWAYS),
    _promise("lines-tell-when", "misattributed", records.lines_tell_when, ALWAYS),
    _promise("turns-are-counted", "check-failed", records.turns_are_counted, ALWAYS),
    _promise("states-follow-reports", "reordered", records.states_follow_reports, ALWAYS),
    _promise("refusals-have-reasons", "unavailable", requests.refusals_have_reasons, ALWAYS),
    _promise("writers-are-sound", "unavailable", requests.writers_are_sound, ALWAYS),
    _promise("requests-are-answered", "hung", requests.requests_are_answered, ALWAYS),
    _promise("answers-were-given", "misattributed", requests.answers_were_given, ALWAYS),
    _promise("held-all-along", "unavailable", requests.held_all_along, ALWAYS),
    _promise("created-calls-are-connected", "orphan-remote", requests.created_calls_are_connected, ALWAYS),
    _promise("dials-are-found-out", "orphan-remote", requests.dials_are_found_out, ALWAYS),
    _promise("durable-when-acknowledged", "acked-not-durable", events.durable_when_acknowledged, RESTARTED),
    _promise("not-lost", "lost", events.not_lost, AT_REST),
    _promise("errors-are-told", "swallowed-error", events.errors_are_told, ALWAYS),
    _promise("survives-the-next-crash", "torn-tail-swallow", events.survives_the_next_crash, AGAIN),
    _promise("applied-once", "double-applied", events.applied_once, ALWAYS),
    _promise("first-answer-wins", "double-applied", events.first_answer_wins, ALWAYS),
    _promise("refused-did-not-happen", "nacked-but-durable", events.refused_did_not_happen, AT_REST),
    _promise("redelivery-is-taken", "unavailable", events.redelivery_is_taken, frozenset({Phase.SETTLED})),
    _promise("nothing-is-doubted", "check-failed", events.nothing_is_doubted, ALWAYS),
    _promise("answered-calls-do-not-ring", "reordered", events.answered_calls_do_not_ring, ALWAYS),
    _promise("words-are-kept", "lost", events.words_are_kept, ALWAYS),
    _promise("in-order", "reordered", events.in_order, ALWAYS),
    _promise("where-they-belong", "misattributed", events.where_they_belong, ALWAYS),
    _promise("readers-find-calls", "lost", events.readers_find_calls, ALWAYS),
    _promise("forged-requests-are-refused", "ghost-call", events.forged_requests_are_refused, ALWAYS),
    _promise("no-ghosts", "ghost-call", calls.no_ghosts, ALWAYS),
    _promise("rejected-callers-stay-out", "ghost-call", calls.rejected_callers_stay_out, ALWAYS),
    _promise("acknowledged-ends-hold", "stale-active", calls.acknowledged_ends_hold, RESTARTED),
    _promise("ends-are-known", "stale-active", calls.ends_are_known, AT_REST),
    _promise("ends-are-noticed", "stale-active", endings.ends_are_noticed, AT_REST),
    _promise("ended-calls-owe-nothing", "side-effect-repeated", endings.ended_calls_owe_nothing, ALWAYS),
    _promise("restart-asks-the-provider", "stale-active", calls.restart_asks_the_provider, RESTARTED),
    _promise("no-question-stays-open", "stale-active", calls.no_question_stays_open, RESTARTED | AT_REST),
    _promise("ends-make-no-calls", "ghost-call", calls.ends_make_no_calls, ALWAYS),
    _promise("refused-dials-are-over", "stale-active", calls.refused_dials_are_over, ALWAYS),
    _promise("ended-stays-ended", "resurrected", calls.ended_stays_ended, frozenset({Phase.RESTARTED, Phase.AGAIN})),
    _promise("somebody-owns-every-line", "orphan-remote", calls.somebody_owns_every_line, AT_REST),
    _promise("restart-changes-nothing", "diverged", calls.restart_changes_nothing, RESTARTED),
    _promise("second-recovery-changes-nothing", "not-idempotent", calls.second_recovery_changes_nothing, AGAIN),
    _promise("capacity-is-free-again", "wedged-capacity", calls.capacity_is_free_again, AT_REST),
    _promise("capacity-is-kept", "wedged-capacity", calls.capacity_is_kept, ALWAYS),
    _promise("true-ends", "wrong-terminal", calls.true_ends, ALWAYS),
    _promise("deadlines-are-armed", "timer-lost", effects.deadlines_are_armed, ALWAYS),
    _promise("deadlines-do-not-move", "timer-extended", effects.deadlines_do_not_move, ALWAYS),
    _promise("ringing-has-an-end", "timer-lost", effects.ringing_has_an_end, ALWAYS),
    _promise("our-calls-ring-out", "timer-extended", effects.our_calls_ring_out, AT_REST),
    _promise("calls-end-in-time", "timer-extended", effects.calls_end_in_time, AT_REST),
    _promise("notifications-hang-up", "timer-lost", effects.notifications_hang_up, AT_REST),
    _promise("nothing-is-left-over", "side-effect-lost", effects.nothing_is_left_over, AT_REST),
    _promise("rejected-by-us", "wrong-terminal", endings.rejected_callers_are_hung_up_by_us, ALWAYS),
    _promise("rejected-are-sent-away", "side-effect-lost", endings.rejected_callers_are_sent_away, AT_REST),
    _promise("what-was-shown-stays-true", "resurrected", readers.what_was_shown_stays_true, ALWAYS),
    _promise("silence-is-not-speech", "stale-active", readers.silence_is_not_speech, ALWAYS),
    _promise("ample-disks-suffice", "unavailable", readers.ample_disks_suffice, CLEAN),
    _promise("questions-are-heard", "side-effect-lost", turns.questions_are_heard, ALWAYS),
    _promise("questions-are-remembered", "lost", turns.questions_are_remembered, ALWAYS),
    _promise("answers-are-waited-for", "timer-extended", turns.answers_are_waited_for, ALWAYS),
    _promise("same-request-same-answer", "diverged", streams.same_request_same_answer, ALWAYS),
    _promise("both-names-find-the-call", "lost", streams.both_names_find_the_call, ALWAYS),
    _promise("unheard-calls-end", "stale-active", streams.unheard_calls_end, ALWAYS),
    _promise("streams-are-granted-as-asked", "unavailable", streams.streams_are_granted_as_asked, ALWAYS),
    _promise("connected-means-heard", "stale-active", streams.connected_means_heard, ALWAYS),
    _promise("heard-calls-go-on", "wrong-terminal", streams.heard_calls_go_on, ALWAYS),
    _promise("grants-are-good", "unavailable", streams.grants_are_good, ALWAYS),
    _promise("replies-are-accounted-for", "side-effect-lost", streams.replies_are_accounted_for, AT_REST),
    _promise("replies-are-true", "side-effect-lost", streams.replies_are_true, ALWAYS),
    _promise("replies-are-heard", "side-effect-lost", streams.replies_are_heard, CLEAN),
    _promise("sessions-say-what-was-said", "misattributed", sessions.sessions_say_what_was_said, ALWAYS),
    _promise("sessions-hold-every-line", "lost", sessions.sessions_hold_every_line, AT_REST),
    _promise("resets-hold", "resurrected", sessions.resets_hold, ALWAYS),
    _promise("effects-happen-once", "side-effect-repeated", effects.effects_happen_once, ALWAYS),
    _promise("effects-happen", "side-effect-lost", effects.effects_happen, AT_REST),
    _promise("greetings-are-written-down", "lost", effects.greetings_are_written_down, ALWAYS),
    _promise("greetings-are-heard", "side-effect-lost", effects.greetings_are_heard, CLEAN),
)
