"""What happens in one recorded run: short stories between people, provider, manager and its client.

Each leaves 6 to 16 log records, because every byte of every record is a crash state. Texts that people say are
different from each other unless the story is about equal ones, so that a judge can tell whose they are.
"""

from typing import Final

from harness.faults import Fault, FaultPlan
from scenarios.voice_call.log_workloads import ABOUT_LOGS, HOURS, PLAIN, REHEARSED
from scenarios.voice_call.people import OUR_NUMBER
from scenarios.voice_call.policy import AT_MOST_ONCE, CONNECT_RETRY, LONG_HORIZON
from scenarios.voice_call.remote import Callee
from scenarios.voice_call.stage import LOG, Workload
from scenarios.voice_call.stories import (
    bad_disks,
    calls,
    damage,
    dialects,
    ends,
    misfortunes,
    odd_names,
    our_calls,
    restarts,
    rules,
    sessions,
    slowness,
    stops,
    strangers,
    streams,
    upgrades,
)

WORKLOADS: Final[dict[str, Workload]] = {
    "inbound": Workload(calls.inbound),
    "notify": Workload(calls.notify),
    "conversation": Workload(calls.conversation),
    "two-calls": Workload(calls.two_calls),
    "at-once": Workload(calls.at_once, settings={"max_concurrent_calls": 1}),
    "across-restart": Workload(restarts.across_restart),
    "compaction": Workload(bad_disks.compaction, settings={"compact_after_lines": 4, "inbound_greeting": ""}),
    "compaction-without-a-name": Workload(
        bad_disks.compaction,
        settings={"compact_after_lines": 4, "inbound_greeting": ""},
        plan=FaultPlan((Fault(("fsync",), "*/calls", occurrence=2, errno="EIO"),)),
        faults=False,
    ),
    "full-disk": Workload(bad_disks.full_disk, plan=FaultPlan(faults=(), budget=1_700), faults=False),
    "full-disk-dial": Workload(
        bad_disks.full_disk_dial, plan=FaultPlan(faults=(), budget=300), faults=False, swept=False
    ),
    "full-disk-batch": Workload(bad_disks.full_disk_batch, plan=FaultPlan(faults=(), budget=700), faults=False),
    "short-write": Workload(
        bad_disks.brief_fault,
        settings={"inbound_greeting": ""},
        plan=FaultPlan((Fault(("write",), LOG, occurrence=3, keep=100, errno="ENOSPC"),)),
        faults=False,
    ),
    "failed-sync": Workload(
        bad_disks.brief_fault,
        settings={"inbound_greeting": ""},
        plan=FaultPlan((Fault(("fsync",), LOG, occurrence=4, errno="EIO"),)),
        faults=False,
    ),
    "restart-on-a-bad-disk": Workload(
        bad_disks.restart_on_a_bad_disk,
        settings={"inbound_greeting": ""},
        plan=FaultPlan((Fault(("fsync",), LOG, occurrence=4, errno="EIO"), Fault(("truncate",), LOG, errno="EIO"))),
        faults=False,
    ),
    "refused-and-there": Workload(
        bad_disks.brief_fault,
        settings={"inbound_greeting": ""},
        plan=FaultPlan((Fault(("fsync",), LOG, occurrence=4, errno="EIO"), Fault(("truncate",), LOG, errno="EIO"))),
        faults=False,
        swept=False,
    ),
    "unreadable-log": Workload(
        bad_disks.unreadable_log,
        settings={"inbound_greeting": ""},
        plan=FaultPlan((Fault(("read",), LOG, occurrence=2, errno="EIO"),)),
        faults=False,
        swept=False,
    ),
    "overlap": Workload(restarts.overlap, settings={"inbound_greeting": ""}, faults=False, swept=False),
    "successor": Workload(restarts.successor, settings={"inbound_greeting": ""}, faults=False),
    "stop-in-flight": Workload(restarts.stop_in_flight, settings={"inbound_greeting": ""}, faults=False, swept=False),
    "cap-on-a-bad-disk": Workload(
        bad_disks.cap_is_reached,
        settings={"inbound_greeting": ""},
        plan=FaultPlan((Fault(("write",), LOG, occurrence=3, keep=100, errno="ENOSPC"),)),
        faults=False,
        swept=False,
    ),
    "cap-on-a-full-disk": Workload(
        bad_disks.cap_on_a_full_disk,
        settings={"inbound_greeting": ""},
        plan=FaultPlan((Fault(("write",), LOG, occurrence=3, errno="ENOSPC", lasts=None),)),
        faults=False,
        swept=False,
    ),
    "notify-while-away": Workload(restarts.notify_while_away, faults=False, swept=False),
    "hostile": Workload(strangers.hostile, settings={"inbound_greeting": ""}),
    "stranger": Workload(strangers.stranger),
    "long-call": Workload(calls.long_call),
    "lost-dial": Workload(calls.lost_dial),
    "busy": Workload(calls.busy, callee=Callee("busy")),
    "lost-end": Workload(calls.lost_end, policy=AT_MOST_ONCE, faults=False),
    "batches": Workload(calls.batches, settings={"inbound_greeting": ""}),
    "overtaken": Workload(calls.overtaken, settings={"inbound_greeting": ""}, faults=False, swept=False),
    "nobody-answers": Workload(
        calls.nobody_answers, callee=Callee("no-answer", after_s=70.0), faults=False, swept=False
    ),
    "damaged-line": Workload(
        damage.damaged_line, settings={"inbound_greeting": ""}, faults=False, swept=False, touches_log=True
    ),
    "small-disk": Workload(
        damage.small_disk,
        settings={"inbound_greeting": "", "compact_after_lines": 8},
        plan=FaultPlan(budget=24_000),
        faults=False,
        swept=False,
    ),
    "end-on-a-full-disk": Workload(damage.end_on_a_full_disk, plan=FaultPlan(budget=20_000), faults=False, swept=False),
    "quiet-call": Workload(
        damage.quiet_call, settings={"inbound_greeting": "", "compact_after_lines": 6}, faults=False, swept=False
    ),
    "slow-greeting": Workload(slowness.slow_greeting, faults=False, swept=False),
    "slow-answer": Workload(
        slowness.slow_answer,
        settings={"inbound_greeting": ""},
        plan=FaultPlan(budget=20_000),
        faults=False,
        swept=False,
    ),
    "clock-set-back": Workload(slowness.clock_set_back, settings={"inbound_greeting": ""}, faults=False, swept=False),
    "patient-question": Workload(
        slowness.patient_question, settings={"transcript_wait_ms": slowness.FAR_AHEAD_MS}, faults=False, swept=False
    ),
    "unplayed-prompts": Workload(misfortunes.unplayed_prompts, faults=False, swept=False),
    "unanswered-questions": Workload(
        misfortunes.unanswered_questions, settings={"inbound_greeting": ""}, faults=False, swept=False
    ),
    "wrong-provider": Workload(
        misfortunes.wrong_provider, settings={"inbound_greeting": ""}, faults=False, swept=False
    ),
    "two-strangers": Workload(misfortunes.two_strangers, faults=False, swept=False),
    "two-lines": Workload(misfortunes.two_lines, settings={"inbound_greeting": ""}, faults=False, swept=False),
    "old-log": Workload(
        upgrades.old_log,
        settings={"inbound_greeting": ""},
        plan=FaultPlan(budget=20_000),
        faults=False,
        swept=False,
    ),
    "named-too-late": Workload(
        misfortunes.named_too_late, settings={"inbound_greeting": ""}, faults=False, swept=False
    ),
    "reset-in-a-hurry": Workload(
        misfortunes.reset_in_a_hurry,
        settings={"inbound_greeting": "", "session_bridge": True},
        faults=False,
        swept=False,
    ),
    "stream": Workload(streams.stream, settings={"inbound_greeting": "", "streaming": True}, media=True),
    "stream-reconnect": Workload(
        streams.reconnect, settings={"streaming": True}, media=True, faults=False, swept=False
    ),
    "stream-sessions": Workload(
        sessions.heard_and_kept,
        settings={"inbound_greeting": "", "streaming": True, "session_bridge": True},
        media=True,
        faults=False,
        swept=False,
        lends=True,
    ),
    "stream-silent": Workload(
        streams.silent, settings={"inbound_greeting": "", "streaming": True}, media=True, faults=False, swept=False
    ),
    "stream-stranger": Workload(
        streams.stranger, settings={"inbound_greeting": "", "streaming": True}, media=True, faults=False, swept=False
    ),
    "renamed": Workload(streams.renamed, settings={"inbound_greeting": ""}, faults=False, swept=False),
    "sessions": Workload(sessions.sessions, settings={"inbound_greeting": "", "session_bridge": True}),
    "odd-events": Workload(
        dialects.odd_events, settings={"inbound_greeting": "", "from_number": OUR_NUMBER}, faults=False, swept=False
    ),
    "odd-beginnings": Workload(dialects.odd_beginnings, settings={"inbound_greeting": ""}, faults=False, swept=False),
    "told-by-events": Workload(dialects.told_by_events, faults=False, swept=False),
    "talks-on": Workload(calls.talks_on, settings={"inbound_greeting": ""}, faults=False, swept=False),
    "long-absence": Workload(
        restarts.long_absence, callee=Callee("no-answer", after_s=200.0), faults=False, swept=False
    ),
    "ended-while-away": Workload(restarts.ended_while_away, policy=AT_MOST_ONCE, faults=False, swept=False),
    "stopped-while-dialling": Workload(
        restarts.stopped_while_dialling, settings={"max_concurrent_calls": 3}, faults=False, swept=False
    ),
    "overdue-twice": Workload(restarts.overdue_twice, settings={"inbound_greeting": ""}, faults=False, swept=False),
    "open-house": Workload(rules.open_house, settings={**PLAIN, "inbound_policy": "open"}, **REHEARSED),
    "closed-house": Workload(rules.closed_house, settings={**PLAIN, "inbound_policy": "disabled"}, **REHEARSED),
    "known-numbers": Workload(rules.known_numbers, settings={**PLAIN, "inbound_policy": "pairing"}, **REHEARSED),
    "too-often": Workload(
        rules.too_often,
        settings={"max_dials_per_destination": 2, "dial_window_ms": 40_000, "inbound_policy": "open", **PLAIN},
        **REHEARSED,
    ),
    "every-state": Workload(rules.every_state, settings=PLAIN, **REHEARSED),
    "odd-ends": Workload(rules.odd_ends, settings=PLAIN, **REHEARSED),
    "unconnected": Workload(
        rules.unconnected, policy=LONG_HORIZON, callee=Callee("no-answer", after_s=70.0), **REHEARSED
    ),
    "full-house": Workload(rules.full_house, settings=PLAIN, **REHEARSED),
    "questions": Workload(rules.questions, **REHEARSED),
    "stopped-while-asking": Workload(rules.stopped_while_asking, **REHEARSED),
    "few-words": Workload(ends.few_words, settings=PLAIN, **REHEARSED),
    "two-reasons": Workload(ends.two_reasons, settings=PLAIN, **REHEARSED),
    "nobody-there": Workload(ends.nobody_there, settings=PLAIN, callee=Callee("no-answer", after_s=300.0), **REHEARSED),
    "slow-dial-given-up": Workload(ends.slow_dial_given_up, settings=PLAIN, policy=LONG_HORIZON, **REHEARSED),
    "unmakeable": Workload(ends.unmakeable, settings=PLAIN, **REHEARSED),
    "request-cut-short": Workload(
        bad_disks.request_cut_short,
        settings=PLAIN,
        plan=FaultPlan((Fault(("write",), LOG, occurrence=3, errno="ENOSPC"),)),
        **REHEARSED,
    ),
    "long-outage": Workload(slowness.long_outage, settings=PLAIN, **REHEARSED),
    "newer-log": Workload(
        upgrades.newer_log, settings={**PLAIN, "compact_after_lines": 4}, touches_log=True, **REHEARSED
    ),
    "suspended": Workload(
        slowness.suspended,
        settings={**PLAIN, "max_duration_ms": slowness.LONG_CALL_MS},
        sets_clock=True,
        **REHEARSED,
    ),
    "by-its-leg": Workload(odd_names.by_its_leg, settings=PLAIN, **REHEARSED),
    "by-another-leg": Workload(odd_names.by_another_leg, settings=PLAIN, **REHEARSED),
    "after-the-end": Workload(odd_names.after_the_end, settings=PLAIN, **REHEARSED),
    "unwritable-names": Workload(odd_names.unwritable_names, settings=PLAIN, **REHEARSED),
    "owed-since-then": Workload(ends.owed_since_then, settings=PLAIN, **REHEARSED),
    "ended-meanwhile": Workload(ends.ended_meanwhile, settings=PLAIN, **REHEARSED),
    "ended-before-told": Workload(ends.ended_before_told, settings=PLAIN, **REHEARSED),
    "unreported-answers": Workload(ends.unreported_answers, settings=PLAIN, **REHEARSED),
    "stopped-with-nothing-to-do": Workload(stops.with_nothing_to_do, settings=PLAIN, **REHEARSED),
    "stopped-while-speaking": Workload(stops.while_speaking, settings=PLAIN, touches_log=True, **REHEARSED),
    "stopped-while-greeting": Workload(stops.while_greeting, touches_log=True, **REHEARSED),
    "greeting-again": Workload(
        stops.greeting_again, settings={"repeat_greeting_after_crash": True}, touches_log=True, **REHEARSED
    ),
    "stopped-while-replying": Workload(
        stops.while_replying, settings={**PLAIN, "streaming": True}, media=True, **REHEARSED
    ),
    "found-unverified": Workload(stops.found_unverified, policy=LONG_HORIZON, **REHEARSED),
    "gone-while-away": Workload(stops.gone_while_away, callee=Callee("no-answer", after_s=200.0), **REHEARSED),
    "rung-out-while-away": Workload(stops.rung_out_while_away, callee=Callee("no-answer", after_s=200.0), **REHEARSED),
    "greeted-conversation": Workload(our_calls.greeted_conversation, settings=PLAIN, reference_only=True, **REHEARSED),
    "asked-while-greeting": Workload(our_calls.asked_while_greeting, settings=PLAIN, reference_only=True, **REHEARSED),
    "lost-questions": Workload(our_calls.lost_questions, settings=PLAIN, **REHEARSED),
    **{
        f"asked-on-a-bad-disk-{number}": Workload(
            our_calls.asked_on_a_bad_disk,
            settings=PLAIN,
            plan=FaultPlan((Fault(("write",), LOG, occurrence=number, errno="EIO"),)),
            **REHEARSED,
        )
        for number in range(5, 9)
    },
    "stopped-on-a-full-disk": Workload(
        our_calls.stopped_on_a_full_disk, settings=PLAIN, plan=FaultPlan(budget=20_000), **REHEARSED
    ),
    **{
        f"{name}-on-a-bad-disk": Workload(
            story, settings=PLAIN, plan=FaultPlan((Fault(("write",), LOG, occurrence=2, errno="EIO"),)), **REHEARSED
        )
        for name, story in (
            ("dialled", our_calls.dialled_on_a_bad_disk),
            ("refused", our_calls.refused_on_a_bad_disk),
            ("unknown", our_calls.unknown_on_a_bad_disk),
        )
    },
    "asked-twice": Workload(our_calls.asked_twice, settings=PLAIN, policy=LONG_HORIZON, **REHEARSED),
    "told-while-asking": Workload(our_calls.told_while_asking, settings=PLAIN, **REHEARSED),
    "renamed-while-dialling": Workload(our_calls.renamed_while_dialling, settings=PLAIN, **REHEARSED),
    "nameless-ring": Workload(
        our_calls.nameless_ring,
        settings=PLAIN,
        policy=LONG_HORIZON,
        callee=Callee("no-answer", after_s=300.0),
        reference_only=True,
        **REHEARSED,
    ),
    "wrong-mode": Workload(our_calls.wrong_mode, settings=PLAIN, **REHEARSED),
    "unreachable": Workload(our_calls.unreachable, settings={**PLAIN, **HOURS}, reference_only=True, **REHEARSED),
    "without-a-number": Workload(
        our_calls.unreachable,
        settings={**PLAIN, **HOURS, "public_url": "https://calls.example.org"},
        reference_only=True,
        **REHEARSED,
    ),
    "in-a-session": Workload(our_calls.in_a_session, settings={**PLAIN, "session_bridge": True}, **REHEARSED),
    "many-streams": Workload(
        our_calls.many_streams,
        settings={**PLAIN, "streaming": True, "max_event_ids_per_call": 3},
        media=True,
        **REHEARSED,
    ),
    "speaking-at-once": Workload(our_calls.speaking_at_once, settings=PLAIN, **REHEARSED),
    "said-and-there": Workload(
        our_calls.said_and_there,
        settings=PLAIN,
        plan=FaultPlan((Fault(("fsync",), LOG, occurrence=5, errno="EIO"), Fault(("truncate",), LOG, errno="EIO"))),
        **REHEARSED,
    ),
    "heard-for-long": Workload(
        our_calls.heard_for_long, settings={**PLAIN, "streaming": True}, media=True, **REHEARSED
    ),
    "look-alikes": Workload(strangers.look_alikes, settings=PLAIN, **REHEARSED),
    "slow-body": Workload(
        strangers.slow_body, settings={**PLAIN, "body_timeout_ms": round(strangers.BODY_TIMEOUT_S * 1000)}, **REHEARSED
    ),
    "crowd": Workload(strangers.crowd, settings={**PLAIN, "in_flight_per_key": strangers.PLACES}, **REHEARSED),
    **ABOUT_LOGS,
    "fatal-error": Workload(dialects.fatal_error, settings={"inbound_greeting": ""}, faults=False, swept=False),
    "nameless-dial": Workload(dialects.nameless_dial, faults=False, swept=False),
    "silent-dial": Workload(dialects.silent_dial, callee=Callee("no-answer", after_s=70.0), faults=False, swept=False),
    "foreign-calls": Workload(dialects.foreign_calls, settings={"inbound_greeting": ""}, faults=False, swept=False),
    "long-memory": Workload(
        dialects.long_memory,
        settings={"inbound_greeting": "", "max_event_ids_per_call": 3},
        faults=False,
        swept=False,
    ),
    "short-memory": Workload(
        dialects.short_memory,
        settings={"inbound_greeting": "", "redelivery_horizon_ms": 20_000, "compact_after_lines": 4},
        faults=False,
        swept=False,
    ),
    "inbound@at-most-once": Workload(calls.inbound, policy=AT_MOST_ONCE),
    "inbound@connect-retry": Workload(calls.inbound, policy=CONNECT_RETRY, faults=False),
    "inbound@long-horizon": Workload(calls.inbound, policy=LONG_HORIZON, faults=False),
}


def workload(name: str) -> Workload:
    try:
        return WORKLOADS[name]
    except KeyError:
        raise ValueError(f"workload={name!r} is not known: use one of {', '.join(WORKLOADS)}") from None


def plan_for(name: str) -> FaultPlan | None:
    """The faults that belong to a workload itself."""
    return workload(name).plan
