"""What a reader sees: progress that does not flood, the summary, the lines of a finding, the timeline of a history."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from harness.gate.gate import Gate, Progress
from harness.gate.options import Options
from harness.report import terminal
from harness.report.failure import lines
from harness.report.repro_files import save_one
from harness.report.terminal import ProgressScreen, summary
from harness.report.timeline import show
from harness.repro import load, replay

sys.path.insert(0, str(Path(__file__).parent))
import queue_client as queue


def plain():
    return Console(file=io.StringIO(), width=160, force_terminal=False)


def text_of(console):
    return console.file.getvalue()


def gate(scenario, **options):
    made = scenario()
    made.reference = f"queue_client:{scenario.__name__}"
    report = Gate([made], Options(profiles=("strict",), jobs=1, **options), local=True).run()
    return made, report


def test_plain_progress_is_one_line_every_five_seconds(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(terminal, "machine_seconds", lambda: now[0])
    console = plain()
    with ProgressScreen(console) as screen:
        for _ in range(4 * 60):
            now[0] += 0.25
            screen(Progress(scenario="queue", tasks=8, tasks_done=2, checked=10, began=0.0))
    said = text_of(console).splitlines()
    assert len(said) == 12
    assert "queue: 2/8 pieces, 10 states checked" in said[0] and "violations so far" in said[0] and "left" in said[0]


def test_quiet_progress_says_nothing():
    console = plain()
    with ProgressScreen(console, quiet=True) as screen:
        screen(Progress())
    assert text_of(console) == ""


def test_progress_on_a_terminal_is_drawn_in_place():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with ProgressScreen(console) as screen:
        screen(Progress(scenario="queue", tasks=2, checked=5, under_way=2))
    assert "7 states checked" in text_of(console)


def test_a_summary_ends_with_the_outcome_and_the_exit_code():
    _, report = gate(queue.Unsyncing, faults=False, examples=0)
    console = plain()
    summary(console, report, {})
    text = text_of(console)
    assert "VIOLATION  lost: job 1 was acknowledged and is gone" in text
    assert "exhaustive" in text and "deaths in recovery" in text
    assert text.splitlines()[-1].startswith("violation") and text.splitlines()[-1].endswith("exit code 1")


def test_the_lines_of_a_finding_begin_with_what_was_lost_and_end_with_the_command():
    _, report = gate(queue.Unsyncing, faults=False, examples=0)
    said = lines(report.results[0].total.findings[0], "harness replay x.repro.json")
    assert said[0] == "lost: job 1 was acknowledged and is gone"
    labels = [line.split()[0] for line in said[1:]]
    assert labels[:2] == ["broken", "died"] and "missing" in labels and "issued" in labels
    assert said[-1].endswith("harness replay x.repro.json")


@pytest.mark.parametrize("histories", [False, True])
def test_a_timeline_shows_steps_operations_and_the_disk_that_was_found(histories, tmp_path):
    class OnlyHistories(queue.Unsyncing):
        def steps(self, run, world, subject, workload):
            world.deliver(subject, 9)
            world.acknowledged = frozenset()

    if histories:
        made, report = gate(OnlyHistories, faults=False, examples=100, seed=1)
    else:
        made, report = gate(queue.Unsyncing, faults=False, examples=0)
    finding = next(one for one in report.results[0].total.findings if bool(one.case.steps) == histories)
    console = plain()
    show(console, replay(load(Path(save_one(finding, tmp_path))), made))
    text = text_of(console)
    for said in ("power cut (strict) at kill-point", "not on the disk: item", "before (page cache)", "acknowledged"):
        assert said in text
    assert (": deliver(job=" in text) == histories, text
