"""Appends held against a trace: which were acknowledged before they were written, and where they were asked for."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from harness.trace import Create, Item, Mark, Write
from scenarios.voice_call_plugin.appends import (
    Append,
    acknowledged_unwritten,
    overtaken,
    read_appends,
    source_lines,
)


def append(text: str, told: int, *at: str) -> Append:
    return Append(told, at, hashlib.sha256(text.encode()).hexdigest())


def written(*texts: str) -> Sequence[Item]:
    return [Create(2, 1, "calls.jsonl"), *(Write(2, 0, text.encode()) for text in texts)]


ASKED = (append("a", 0), append("b", 1), append("c", 1))


def test_what_was_asked_for_before_the_last_line_and_is_not_written_was_acknowledged_unwritten() -> None:
    assert acknowledged_unwritten(ASKED, written("a"), 2) == ASKED[1:]
    assert acknowledged_unwritten(ASKED, written("a", "c"), 2) == ASKED[1:2]


def test_what_no_line_has_acknowledged_yet_may_be_unwritten() -> None:
    assert acknowledged_unwritten(ASKED, written("a"), 1) == ()


def test_one_write_stands_for_one_append_of_the_same_text() -> None:
    twice = (append("a", 0), append("a", 0))
    assert acknowledged_unwritten(twice, written("a"), 1) == twice[:1]


def test_an_append_whose_write_came_after_a_later_one_was_overtaken() -> None:
    assert overtaken(ASKED, [*written("a", "c"), Mark("printed", "line"), Write(2, 0, b"b")]) == ASKED[1:2]
    assert overtaken(ASKED, written("a", "b", "c")) == ()


def test_lines_are_told_innermost_first_with_the_line_that_asked() -> None:
    asked = [append("a", 0, "store.ts:10", "events.ts:228", "manager.ts:1"), append("b", 0, "store.ts:10", "out.ts:7")]
    assert source_lines(asked) == "store.ts:10, from events.ts:228 and out.ts:7"
    assert source_lines([]) == ""
    assert source_lines([append("a", 0)]) == "an unknown line"


def test_appends_are_read_in_the_order_in_which_they_were_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "appends"
    file.write_text('{"told": 0, "at": ["store.ts:10"], "sha256": "aa"}\n{"told": 2, "at": [], "sha256": "bb"}\n')
    assert read_appends(file) == (Append(0, ("store.ts:10",), "aa"), Append(2, (), "bb"))
