"""Stories about the manager's log in other hands and on bad disks, and the settings that most rehearsals share."""

from typing import Any, Final

from harness.faults import Fault, FaultPlan
from scenarios.voice_call.stage import LOG, Workload
from scenarios.voice_call.stories import bad_disks, damaged_logs, lost_logs, moved_logs, odd_logs

PLAIN: Final[dict[str, Any]] = {"inbound_greeting": ""}
HOURS: Final[dict[str, Any]] = {"max_duration_ms": 10 * 3_600_000}
"""For stories in which nothing shall happen by itself."""

REHEARSED: Final[dict[str, Any]] = {"faults": False, "swept": False}

ABOUT_LOGS: Final[dict[str, Workload]] = {
    "made-anew": Workload(moved_logs.made_anew, settings=PLAIN, faults=False, touches_log=True),
    "changed-logs": Workload(odd_logs.changed_logs, settings={**PLAIN, **HOURS}, touches_log=True, **REHEARSED),
    "changed-long-logs": Workload(
        odd_logs.changed_long_logs, settings={**PLAIN, **HOURS}, touches_log=True, **REHEARSED
    ),
    "damaged-logs": Workload(
        damaged_logs.damaged_logs,
        settings={**PLAIN, **HOURS, "compact_after_lines": damaged_logs.COMPACT_AFTER},
        touches_log=True,
        **REHEARSED,
    ),
    "damaged-long-logs": Workload(
        damaged_logs.damaged_long_logs,
        settings={**PLAIN, **HOURS, "compact_after_lines": damaged_logs.COMPACT_AFTER},
        touches_log=True,
        **REHEARSED,
    ),
    "unusable-logs": Workload(lost_logs.unusable_logs, settings={**PLAIN, **HOURS}, touches_log=True, **REHEARSED),
    "answer-lost": Workload(
        lost_logs.answer_lost, settings={**PLAIN, "max_concurrent_calls": 3}, touches_log=True, **REHEARSED
    ),
    "only-newer": Workload(lost_logs.only_newer, settings={**PLAIN, **HOURS}, touches_log=True, **REHEARSED),
    "first-line-lost": Workload(lost_logs.first_line_lost, settings=PLAIN, touches_log=True, **REHEARSED),
    "known-by-name": Workload(lost_logs.known_by_name, settings={**PLAIN, **HOURS}, touches_log=True, **REHEARSED),
    "beginning-lost": Workload(
        lost_logs.beginning_lost, settings={**PLAIN, "max_concurrent_calls": 3}, touches_log=True, **REHEARSED
    ),
    "restored-on-a-bad-disk": Workload(
        lost_logs.restored_on_a_bad_disk,
        settings=PLAIN,
        plan=FaultPlan((Fault(("write",), LOG, occurrence=4, errno="EIO"),)),
        **REHEARSED,
    ),
    "end-of-line-lost": Workload(
        lost_logs.end_of_line_lost,
        settings={**PLAIN, **HOURS},
        plan=FaultPlan((Fault(("write",), LOG, occurrence=5, keep=100, errno="ENOSPC"),)),
        touches_log=True,
        **REHEARSED,
    ),
    "end-of-line-in-flight": Workload(
        lost_logs.end_of_line_in_flight,
        settings={**PLAIN, **HOURS},
        plan=FaultPlan(
            (
                Fault(("write",), LOG, occurrence=2, keep=lost_logs.CUT_SHORT_AT, errno="EIO"),
                Fault(("truncate",), LOG, errno="EIO"),
            )
        ),
        touches_log=True,
        **REHEARSED,
    ),
    "long-log-on-a-bad-disk": Workload(
        lost_logs.long_log_on_a_bad_disk,
        settings={**PLAIN, **HOURS},
        plan=FaultPlan((Fault(("fsync",), LOG, occurrence=14, errno="EIO"),)),
        touches_log=True,
        **REHEARSED,
    ),
    "long-log-cut-short": Workload(
        lost_logs.long_log_on_a_bad_disk,
        settings={**PLAIN, **HOURS},
        plan=FaultPlan(
            (
                Fault(("write",), LOG, occurrence=13, keep=100, errno="EIO"),
                Fault(("truncate",), LOG, errno="EIO"),
            )
        ),
        touches_log=True,
        **REHEARSED,
    ),
    "short-writes": Workload(
        bad_disks.short_writes,
        settings=PLAIN,
        plan=FaultPlan((Fault(("write",), LOG, occurrence=3, keep=1, lasts=3),)),
        **REHEARSED,
    ),
    "reopened-over-a-rest": Workload(
        bad_disks.longer_fault,
        settings=PLAIN,
        plan=FaultPlan(
            (
                Fault(("fsync",), LOG, occurrence=4, errno="EIO"),
                Fault(("write",), "*.jsonl.tmp", keep=100, errno="ENOSPC"),
            )
        ),
        **REHEARSED,
    ),
    "first-number-lost": Workload(
        lost_logs.first_number_lost, settings={**PLAIN, **HOURS}, touches_log=True, **REHEARSED
    ),
    "long-and-kept-short": Workload(
        bad_disks.long_and_kept_short, settings={**PLAIN, "compact_after_lines": 6}, **REHEARSED
    ),
    "moved-log": Workload(moved_logs.moved_log, settings={**PLAIN, **HOURS}, touches_log=True, **REHEARSED),
    "replaced-under-a-bad-disk": Workload(
        moved_logs.replaced_under_a_bad_disk,
        settings={**PLAIN, **HOURS},
        plan=FaultPlan((Fault(("fsync",), LOG, occurrence=4, errno="EIO"),)),
        touches_log=True,
        **REHEARSED,
    ),
    "original-in-the-way": Workload(
        moved_logs.original_in_the_way, settings={**PLAIN, **HOURS}, touches_log=True, **REHEARSED
    ),
    "everything-forgotten": Workload(
        moved_logs.everything_forgotten,
        settings={**PLAIN, "redelivery_horizon_ms": round(moved_logs.BEYOND * 1000), "compact_after_lines": 4},
        touches_log=True,
        **REHEARSED,
    ),
    "kept-long": Workload(
        moved_logs.kept_long,
        settings={**PLAIN, "compact_after_lines": 4},
        plan=FaultPlan((Fault(("rename",), "*.jsonl*", errno="EIO"),)),
        touches_log=True,
        **REHEARSED,
    ),
    "kept-long-and-stuck": Workload(
        moved_logs.stuck,
        settings={**PLAIN, "compact_after_lines": 4},
        plan=FaultPlan(
            (Fault(("rename",), "*.jsonl*", errno="EIO"), Fault(("unlink",), "*.tmp", errno="EIO", lasts=None))
        ),
        **REHEARSED,
    ),
    "forgotten-in-vain": Workload(
        moved_logs.forgotten_in_vain,
        settings={**PLAIN, "redelivery_horizon_ms": round(moved_logs.BEYOND * 1000), "compact_after_lines": 6},
        plan=FaultPlan((Fault(("rename",), "*.jsonl*", errno="EIO", lasts=None),)),
        **REHEARSED,
    ),
    "unseen-place": Workload(
        bad_disks.brief_fault,
        settings=PLAIN,
        plan=FaultPlan((Fault(("stat",), LOG, occurrence=4, errno="EIO"),)),
        **REHEARSED,
    ),
    "reopened-twice": Workload(
        bad_disks.longer_fault,
        settings=PLAIN,
        plan=FaultPlan(
            (Fault(("fsync",), LOG, occurrence=4, errno="EIO"), Fault(("read",), LOG, occurrence=2, errno="EIO"))
        ),
        **REHEARSED,
    ),
    "kept-short": Workload(bad_disks.kept_short, settings={**PLAIN, "compact_after_lines": 6}, **REHEARSED),
}
