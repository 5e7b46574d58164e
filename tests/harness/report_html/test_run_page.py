"""The pages of a run and of the hunt for bugs: coverage as told elsewhere, each finding reachable, small, and closed."""

import sys
from pathlib import Path

import msgspec
import pytest

from harness.gate.hunt import Caught
from harness.gate.outcome import Report, ScenarioResult
from harness.report.html.coverage import coverage_of, in_words, matrix_of
from harness.report.html.limits import LARGEST_PAGE
from harness.report.html.page import bugs_page, run_page
from harness.report.retelling import story_of

sys.path.insert(0, str(Path(__file__).parent))
import markup
import queue_client as queue
import report_samples as samples


@pytest.fixture(scope="module")
def report():
    return samples.run_of(queue.Unsyncing, faults=True)


@pytest.fixture(scope="module")
def stories(report):
    return {id(told.finding): story_of(told.replay) for told in samples.told_findings(report)}


@pytest.fixture(scope="module")
def page(report, stories):
    repros = {id(one): f".harness/{number}.repro.json" for number, one in enumerate(samples.findings_of(report))}
    return run_page(report, stories, repros, {}, "0.0")


def words_in(element):
    return " ".join(markup.text_of(element).split())


def test_the_page_of_a_run_is_closed_and_every_link_leads_somewhere(page):
    root = markup.assert_closed(page)
    assert any(one.get("href") == "#f1" for one in root.iter("a"))


def test_every_finding_is_there_with_its_lanes_and_its_command(page, report):
    root = markup.read(page)
    findings = samples.findings_of(report)
    articles = list(root.iter("article"))
    assert len(articles) == len(findings) > 1
    for number, (finding, article) in enumerate(zip(findings, articles, strict=True)):
        said = words_in(article)
        assert finding.summary in said and f"harness replay .harness/{number}.repro.json" in said
        assert article.get("data-verdict") == finding.verdict
        assert any(str(one.tag).rpartition("}")[2] == "svg" for one in article.iter())


def test_coverage_is_that_of_the_tallies(page, report):
    said = words_in(markup.read(page))
    result = report.results[0]
    total = sum(tally.checked for tally in result.workloads.values())
    assert f"checked {total:,}" in said
    full = result.total
    assert f"planned {full.faults_planned:,}" in said and f"told {full.faults_told:,}" in said
    assert sum(one.kill_points for one in coverage_of(report)) == sum(
        tally.kill_points for tally in result.workloads.values()
    )


def test_the_matrix_counts_each_case_at_each_name_of_its_place(report):
    findings = samples.findings_of(report)
    matrix = matrix_of(findings, {id(one): f"f{number}" for number, one in enumerate(findings)})
    shown = {
        (verdict, name): cell.count
        for verdict, cells in matrix.rows
        for (name, _), cell in zip(matrix.columns, cells, strict=True)
    }
    for (verdict, name), count in shown.items():
        wanted = sum(one.count for one in findings if one.verdict == verdict and name in (one.where or ("none",)))
        assert count == wanted
    assert sum(shown.values()) >= len(findings)


def test_a_run_that_held_says_so_and_has_no_filter():
    page = run_page(samples.run_of(queue.Queue), {}, {}, {}, "0.0")
    root = markup.assert_closed(page)
    assert "No violation was found." in words_in(root)
    assert not list(root.iter("article")) and not list(root.iter("form"))


def test_findings_that_a_baseline_knows_are_listed_apart(report):
    known = [
        msgspec.structs.replace(one, summary=f"{one.summary} {samples.HOSTILE[0]}")
        for one in samples.findings_of(report)
    ]
    result = ScenarioResult("queue", "strict", known=known)
    root = markup.assert_closed(run_page(Report(0, ("strict",), [result]), {}, {}, {}, "0.0"))
    said = words_in(root)
    assert f"{len(known)} known findings, set aside by the baseline" in said and known[0].summary in said
    assert "No new violation was found." in said and not list(root.iter("article"))


def test_how_deep_recoveries_died_is_told(report):
    result = ScenarioResult("queue", "strict")
    result.total.recovery_depths = {"2": 7, "1": 1500}
    result.total.recovery_kill_points = 3
    said = words_in(markup.assert_closed(run_page(Report(0, ("strict",), [result]), {}, {}, {}, "0.0")))
    assert "Deaths in a row that hit recoveries: 1 in 1,500 states, 2 in 7 states." in said


def test_a_finding_that_was_not_played_again_says_why(report):
    findings = samples.findings_of(report)
    page = run_page(report, {id(findings[0]): "not played again: the case cannot be played"}, {}, {}, "0.0")
    assert "No lanes: not played again: the case cannot be played" in words_in(markup.assert_closed(page))


def test_hostile_findings_probes_notes_and_errors_stay_text(report):
    mean = " ".join(samples.HOSTILE)
    findings = [
        msgspec.structs.replace(
            one, verdict=mean, guarantee=mean, summary=mean, source=mean, fault=mean, operation=mean, profiles=(mean,)
        )
        for one in samples.findings_of(report)
    ]
    result = msgspec.structs.replace(report.results[0], name=mean, reasons=[mean], errors=[mean], probes=(mean,))
    result.total = msgspec.structs.replace(result.total, findings=findings, notes=[mean], probes={mean: 1})
    result.workloads = {mean: next(iter(result.workloads.values()))}
    hostile = Report(0, (mean,), [result])
    stories = {id(one): samples.hostile_story() for one in findings}
    page = run_page(hostile, stories, {id(one): mean for one in findings}, {id(one): [mean] for one in findings}, mean)
    root = markup.assert_closed(page)
    assert "alert(1)>" in markup.text_of(root)
    assert not {"\x00", "\x1b", "\u202e", "\u2066", "\ud800", "\ufffe"} & set(page)


def test_a_hundred_findings_with_long_lanes_stay_under_the_limit(report, stories):
    finding = samples.findings_of(report)[0]
    story = stories[id(finding)]
    chapter = story.chapters[0]
    events = tuple(
        msgspec.structs.replace(event, position=event.position + 1000 * number)
        for number in range(60)
        for event in chapter.events
    )
    long = msgspec.structs.replace(story, chapters=(msgspec.structs.replace(chapter, events=events),) * 3)
    findings = [msgspec.structs.replace(finding, source=f"log.py:{number}") for number in range(100)]
    result = ScenarioResult("queue", "strict")
    result.total.findings = findings
    page = run_page(Report(0, ("strict",), [result]), {id(one): long for one in findings}, {}, {}, "0.0")
    assert len(page.encode()) <= LARGEST_PAGE
    assert page.count("<svg") >= 100, "each finding still has lanes"
    assert "This page shows less of each case" in page


def test_the_page_of_the_hunt_links_each_bug_to_the_finding_that_caught_it(report, stories):
    finding = samples.findings_of(report)[0]
    results = [
        Caught("lost-sync", "store", "made up", "lost", True, "lost", ("lost",), finding, 0.5, number=3),
        Caught("never-seen", "store", "made up", "lost", False, "held", (), None, 0.5, error="</td><b>KeyError"),
    ]
    root = markup.assert_closed(bugs_page(results, stories, {}, "0.0"))
    said = words_in(root)
    assert "1 of 2 seeded bugs caught" in said and "missed (held)" in said and "</td><b>KeyError" in said
    assert [one.get("href") for one in root.iter("a") if markup.text_of(one) == "lost-sync"] == ["#f1"]
    assert len(list(root.iter("article"))) == 1


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0"), (1204, "1,204"), (3 * 10**17, "about 3.0e17"), (2**2000, "about 1.1e602"), (2**20_000, "about 2^20000")],
    ids=["none", "some", "many", "very many", "more than int() prints"],
)
def test_numbers_of_any_size_are_told(count, words):
    assert in_words(count) == words


def test_more_states_than_a_float_can_hold_are_drawn():
    report = samples.run_of(queue.Queue)
    next(iter(report.results[0].workloads.values())).legal = 2**20_000
    markup.assert_closed(run_page(report, {}, {}, {}, "0.0"))
