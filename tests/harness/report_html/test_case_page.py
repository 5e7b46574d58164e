"""The page of one case: closed to the outside, true to the case, and text whatever a stranger has written into it."""

import base64
import sys
from pathlib import Path

import msgspec
import pytest

from harness.explore.saved_case import SavedCase, Step
from harness.explore.tally import Finding
from harness.report.failure import lines
from harness.report.html.page import case_page
from harness.report.retelling import story_of
from harness.repro import REPRO_SCHEMA, ReproFile, load, replay, save

sys.path.insert(0, str(Path(__file__).parent))
import markup
import queue_client as queue
import report_samples as samples


@pytest.fixture(scope="module")
def telling():
    return samples.told_findings(samples.run_of())[0]


@pytest.fixture(scope="module")
def page(telling):
    return case_page(story_of(telling.replay), "harness replay x.repro.json", "0.0")


def test_a_page_of_a_case_is_closed_to_the_outside(page):
    markup.assert_closed(page)


def test_the_lanes_show_marks_operations_and_what_was_missing(page, telling):
    root = markup.read(page)
    rows = {one.get("id"): markup.text_of(one) for one in root.iter("tr")}
    labels = [rows[one.get("data-row")] for one in root.iter() if one.get("role") == "button"]
    assert any("acknowledged" in label for label in labels)
    assert any("survived in part" in label for label in labels), labels
    text = markup.text_of(root)
    assert telling.finding.summary in text and telling.finding.operation in text and telling.finding.source in text
    assert "power cut (strict)" in text and "✕ missing" in text


def test_every_lane_has_a_table_with_the_same_events(page):
    root = markup.read(page)
    rows = {one.get("id") for one in root.iter("tr")}
    events = [one for one in root.iter() if one.get("role") == "button"]
    assert events and {one.get("data-row") for one in events} <= rows
    first = [one for one in events if one.get("tabindex") == "0"]
    svgs = [one for one in root.iter() if str(one.tag).rpartition("}")[2] == "svg"]
    assert len(first) == len(svgs), "each drawing is one stop of the Tab key"


def test_the_bytes_of_a_write_are_on_the_page(page, telling):
    written = [item.data for life in telling.replay.played.lives for item in life.items if hasattr(item, "data")]
    root = markup.read(page)
    kept = {one.get("data-bytes") for one in root.iter("tr") if one.get("data-bytes")}
    assert base64.b64encode(written[0]).decode() in kept


def test_a_hostile_case_stays_text():
    page = case_page(samples.hostile_story(), "harness replay </script><b>", "0.0")
    root = markup.assert_closed(page)
    assert "alert(1)>" in markup.text_of(root)
    for hidden in ("\x00", "\x1b", "\u202e", "\u2066", "\ud800", "\ufffe"):
        assert hidden not in page
    assert "\\u202e" in page and "\\x00" in page and "\\ud800" in page
    assert "{{ 7 * 7 }}" in markup.text_of(root), "a template in an event is not run"
    page.encode("utf-8")


@pytest.mark.parametrize("largest", [40_000, 60_000, 200_000])
def test_a_page_gets_smaller_until_it_fits_and_says_so(largest):
    story = samples.hostile_story()
    events = story.chapters[0].events * 60
    chapter = type(story.chapters[0])("recorded run", 0, 300, events, story.chapters[0].crash, "strict")
    long = msgspec.structs.replace(story, chapters=(chapter,) * 8)
    page = case_page(long, "", "0.0", largest=largest)
    assert len(page.encode()) <= largest
    assert "This page shows less" in page and "not shown" in page
    markup.assert_closed(page)


def test_a_random_history_shows_its_steps_and_the_cut_in_it():
    steps = (
        Step("die", {"how": "strict", "after": 3, "state": 1}),
        Step("act", {"action": "deliver", "job": 1}),
        Step("act", {"action": "deliver", "job": 1}),
    )
    found = ("lost", "An acknowledged event is never lost.", "job 1 was acknowledged and is gone", "restarted")
    case = SavedCase("queue_client:Unsyncing", "steps", 0, "strict", *found, steps=steps)
    again = replay(ReproFile("crash-harness repro", REPRO_SCHEMA, case), queue.Unsyncing())
    assert again.violated
    text = markup.text_of(markup.assert_closed(case_page(story_of(again), "", "0.0")))
    assert "deliver(job=1)" in text and "history, ended by a power cut (strict)" in text and "✕ missing" in text
    said = lines(Finding(*found, "steps", 4, "die → deliver", "", ("strict",), case), "")
    assert "died      in a random history of 3 steps with 1 death in it, in workload 'steps'" in said
    assert "steps     die → deliver" in said


def test_a_saved_case_is_told_the_same_way(telling, tmp_path):
    again = replay(load(save(telling.file, tmp_path)))
    assert story_of(again).chapters == story_of(telling.replay).chapters
