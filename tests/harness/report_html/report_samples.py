"""Stories and findings for the tests of pages and bundles: small real ones, and one of a stranger who means harm."""

import sys
from pathlib import Path

from harness.explore.tally import Finding
from harness.gate.gate import Gate
from harness.gate.options import Options
from harness.gate.outcome import Report
from harness.report.byte_view import differing_rows
from harness.report.story import Chapter, Crash, Event, FileChange, Lacking, Payload, Story, UnitFate
from harness.report.telling import Telling, tellings

sys.path.insert(0, str(Path(__file__).parent.parent))
import queue_client as queue

HOSTILE = (
    "</script></style></title><img src=x onerror=alert(1)>",
    "<svg onload=alert(2)>\u202egnp.exe\u2066",
    '"><a href="javascript:alert(3)">x</a>',
    "{{ 7 * 7 }}{% raw %}\x00\x1b[2J\ud800\ufffe",
)
"""What a stranger puts into an event, a path, a log line: markup, bidirectional controls, NUL, half a character."""


def run_of(scenario: type = queue.Unsyncing, **options: object) -> Report:
    """What the gate says of a job queue that forgets to sync."""
    made = scenario()
    made.reference = f"queue_client:{scenario.__name__}"
    asked = {"profiles": ("strict",), "jobs": 1, "faults": False, "examples": 0, **options}
    return Gate([made], Options(**asked), local=True).run()  # type: ignore[arg-type]  # keyword by keyword


def told_findings(report: Report) -> list[Telling]:
    return list(tellings(finding for result in report.results for finding in result.total.findings))


def findings_of(report: Report) -> list[Finding]:
    return [finding for result in report.results for finding in result.total.findings]


def hostile_story() -> Story:
    """Every text of it is an attack."""
    mean = " ".join(HOSTILE)
    data = mean.encode("utf-8", "surrogatepass")
    rows, left_out = differing_rows(data, data[:40], 100)
    events = (
        Event(0, 0.0, "world", "attempted", mean),
        Event(1, 0.1, "subject", "note", mean),
        Event(1, 0.1, "operation", "write", mean, mean, "missing", None, Payload(0, data)),
        Event(2, 0.2, "operation", "write", mean, mean, "durable", 3, Payload(7, bytes(range(256)))),
        Event(3, 0.3, "operation", "fsync", mean, mean),
    )
    crash = Crash(
        mean,
        "strict",
        4,
        (UnitFate(1, mean, False), UnitFate(1, mean, True)),
        (Lacking(1, mean, mean),),
        (FileChange(mean, mean, mean, True, 40, rows, left_out), FileChange("/", "folder", "folder", False)),
    )
    return Story(
        verdict=mean,
        guarantee=mean,
        summary=mean,
        scenario=mean,
        workload=mean,
        seed=0,
        phase=mean,
        profile="strict",
        fault=mean,
        operation=mean,
        source=mean,
        profiles=(mean,),
        steps=(mean,),
        chapters=(Chapter(mean, 0, 4, events, crash, "strict"),),
        told=((mean, mean, mean),),
        shows=True,
        matches=False,
        warnings=(mean,),
    )
