"""A case in thirty lines: what was broken and where, the last things that happened, the death, what was found."""

from collections.abc import Sequence
from typing import Final

from harness.report.selection import Gap, selected
from harness.report.story import FATES, Chapter, Event, Story
from harness.report.visible_text import on_one_line

MOST_LINES: Final = 30
MOST_COLUMNS: Final = 160

_SIGNS: Final = {"world": "outside", "subject": "subject", "operation": "disk"}


def timeline_lines(story: Story, head: Sequence[str]) -> list[str]:
    """At most `MOST_LINES` lines of at most `MOST_COLUMNS` characters. `head`: the finding's own lines."""
    top = [_fitted(line) for line in head[:12]]
    chapter = decisive(story)
    end = _ending(story, chapter)[:8]
    room = MOST_LINES - len(top) - len(end) - 2
    middle = [] if chapter is None else [f"{chapter.title}, items {chapter.began} to {chapter.end}:"]
    if chapter is not None:
        middle += [_row(one) for one in _at_most(chapter, room - 1)]
    return [*top, "", *[_fitted(line) for line in middle], *[_fitted(line) for line in end]][:MOST_LINES]


def decisive(story: Story) -> Chapter | None:
    """The last chapter that ends with a death; without one, the first."""
    died = [chapter for chapter in story.chapters if chapter.crash is not None]
    return died[-1] if died else next(iter(story.chapters), None)


def _at_most(chapter: Chapter, lines: int) -> list[Event | Gap]:
    for most in range(lines, 0, -1):
        shown = selected(chapter, most)
        if len(shown) <= lines:
            return shown
    return []


def _row(one: Event | Gap) -> str:
    if isinstance(one, Gap):
        return f"        … {one.count} {'item' if one.count == 1 else 'items'} not shown"
    source = f"  [{one.source}]" if one.source else ""
    fate = f"  <- {FATES[one.fate]}" if one.fate in ("missing", "partly", "given-up") else ""
    words = on_one_line(one.words)
    most = MOST_COLUMNS - 34 - len(source) - len(fate)
    if len(words) > most:
        words = words[: max(20, most - 1)] + "…"
    return f"  {one.position:>5} +{one.at_s:.3f}s  {_SIGNS[one.lane]:<8} {words}{source}{fate}"


def _ending(story: Story, chapter: Chapter | None) -> list[str]:
    text: list[str] = []
    if chapter is not None and chapter.crash is not None:
        crash = chapter.crash
        text.append(f"--- {crash.words} at kill-point {crash.position} ---")
        text += [f"found     {one.path}: {one.before} -> {one.after}" for one in crash.files if one.changed][:3]
    text += [f"{phase:<10}{verdict}: {summary}" for phase, verdict, summary in story.told[:3]]
    return text or ["no violation: the case holds now"]


def _fitted(line: str) -> str:
    line = on_one_line(line)
    return line if len(line) <= MOST_COLUMNS else line[: MOST_COLUMNS - 1] + "…"
