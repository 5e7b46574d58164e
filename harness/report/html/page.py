"""One self-contained page: a replayed case, a run, or the hunt for seeded bugs.

Safe to hand around: the content-security-policy allows the page's own style and script by their hashes and nothing
else (no request, no frame, no form, no HTML made by a script), templates escape everything, and `visible` writes out
what would reorder, hide or end a text. A page is made anew with smaller limits until it fits `LARGEST_PAGE`; what is
left out is said where it is missing.
"""

import base64
import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from typing import Any, Final

import jinja2
import msgspec
from markupsafe import Markup

from harness.explore.kill_points import explained
from harness.explore.tally import Finding
from harness.gate.hunt import Caught
from harness.gate.outcome import Report
from harness.report.byte_view import hex_of
from harness.report.failure import lines
from harness.report.html.coverage import coverage_of, in_words, matrix_of
from harness.report.html.lanes import LANES, WIDTH, draw
from harness.report.html.limits import LADDER, LARGEST_PAGE, Limits
from harness.report.story import Story
from harness.report.visible_text import as_text, on_one_line, shortened, visible

POLICY: Final = (
    "default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

_LABEL: Final = 10
"""Width of the labels of `failure.lines`."""


class Shown(msgspec.Struct, frozen=True):
    """A finding of a page. `rows`: (label, text); `story` None: `why_not` says why there are no lanes."""

    anchor: str
    verdict: str
    summary: str
    scenario: str
    workload: str
    profiles: tuple[str, ...]
    kill_points: str
    source: str
    count: int
    rows: tuple[tuple[str, str], ...]
    story: Story | None
    why_not: str = ""
    title: str = ""


def case_page(story: Story, command: str, version: str, *, largest: int = LARGEST_PAGE) -> str:
    """The page of `harness replay FILE --html OUT`."""
    return _fitting(
        "case.html.j2", {"story": story, "command": command, "version": version, "title": _title(story)}, largest
    )


def run_page(
    report: Report,
    stories: Mapping[int, Story | str],
    repros: Mapping[int, str],
    mends: Mapping[int, Sequence[str]],
    version: str,
    *,
    largest: int = LARGEST_PAGE,
) -> str:
    """The page of `harness run --html FILE`. `stories`, `repros` and `mends` are by id(finding); a text says why not."""
    findings = [finding for result in report.results for finding in result.total.findings]
    anchors = {id(finding): f"f{number}" for number, finding in enumerate(findings, 1)}
    shown = [_finding(one, anchors[id(one)], stories, repros, mends) for one in findings]
    return _fitting(
        "run.html.j2",
        {
            "title": f"{report.outcome}: {', '.join(dict.fromkeys(result.name for result in report.results))}",
            "report": report,
            "coverage": coverage_of(report),
            "matrix": matrix_of(findings, anchors),
            "findings": shown,
            "known": [finding for result in report.results for finding in result.known],
            "checked": sum(result.total.checked + result.total.recovery_checked for result in report.results),
            "version": version,
        },
        largest,
    )


def bugs_page(
    results: Sequence[Caught],
    stories: Mapping[int, Story | str],
    repros: Mapping[int, str],
    version: str,
    *,
    largest: int = LARGEST_PAGE,
) -> str:
    """The page of `harness bugs --html FILE`: one row a bug, and the finding that caught it."""
    shown: list[Shown] = []
    rows: list[tuple[Caught, str]] = []
    for result in results:
        anchor = f"f{len(shown) + 1}" if result.finding is not None else ""
        rows.append((result, anchor))
        if result.finding is not None:
            one = _finding(result.finding, anchor, stories, repros, {})
            shown.append(msgspec.structs.replace(one, title=result.id))
    findings = [result.finding for result in results if result.finding is not None]
    anchors = {id(finding): one.anchor for finding, one in zip(findings, shown, strict=True)}
    missed = sum(not result.caught for result in results)
    return _fitting(
        "bugs.html.j2",
        {
            "title": f"{len(results) - missed} of {len(results)} seeded bugs caught",
            "rows": rows,
            "missed": missed,
            "matrix": matrix_of(findings, anchors),
            "findings": shown,
            "version": version,
        },
        largest,
    )


def _title(story: Story) -> str:
    return f"{story.verdict}: {story.summary}"


def _finding(
    finding: Finding,
    anchor: str,
    stories: Mapping[int, Story | str],
    repros: Mapping[int, str],
    mends: Mapping[int, Sequence[str]],
) -> Shown:
    repro = repros.get(id(finding), "")
    said = lines(finding, f"harness replay {repro}" if repro else "", mends.get(id(finding), ()))[1:]
    told = stories.get(id(finding), "not played again")
    return Shown(
        anchor=anchor,
        verdict=finding.verdict,
        summary=finding.summary,
        scenario=finding.case.scenario,
        workload=finding.workload,
        profiles=finding.profiles,
        kill_points=explained(finding.where),
        source=finding.source,
        count=finding.count,
        rows=tuple([(line[:_LABEL].strip(), line[_LABEL:]) for line in said]),
        story=told if isinstance(told, Story) else None,
        why_not=told if isinstance(told, str) else "",
    )


def _fitting(template: str, content: Mapping[str, Any], largest: int) -> str:
    """The page under the first limits under which it is small enough; the last ones are taken in any case."""
    for number, limits in enumerate(LADDER[:-1]):
        page = _within(largest, _parts(template, content, limits, cut=number > 0))
        if page is not None:
            return page
    return "".join(_parts(template, content, LADDER[-1], cut=True))


def _within(largest: int, parts: Iterable[str]) -> str | None:
    """The parts as one text, or None as soon as they are more than `largest` bytes."""
    made: list[str] = []
    size = 0
    for part in parts:
        made.append(part)
        size += len(part.encode())
        if size > largest:
            return None
    return "".join(made)


def _parts(template: str, content: Mapping[str, Any], limits: Limits, *, cut: bool) -> Iterable[str]:
    style, script = _own("style.css"), _own("script.js")
    policy = POLICY.format(style=_hash(style), script=_hash(script))
    return (
        _environment()
        .get_template(template)
        .generate(
            **content,
            limits=limits,
            cut=cut,
            policy=policy,
            style=Markup(style),  # our own file, whose hash the policy names
            script=Markup(script),
        )
    )


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report.html", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    used: dict[str, Any] = {
        "draw": draw,
        "lanes": LANES,
        "lane_width": WIDTH,
    }
    filters: dict[str, Callable[..., Any]] = {
        "one_line": on_one_line,
        "short": shortened,
        "base64": _base64,
        "as_text": as_text,
        "in_words": in_words,
        "hex_runs": hex_runs,
        "text_runs": text_runs,
    }
    made.globals.update(used)
    made.filters.update(filters)
    return made


def _harmless(value: object) -> object:
    """Applied to each value that a template prints: own markup stays, everything else is text that hides nothing."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(value)


@functools.cache
def _own(name: str) -> str:
    return resources.files("harness.report.html").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def hex_runs(data: bytes, other: bytes) -> list[tuple[str, bool]]:
    """The bytes in hex, in runs that differ from `other`, or not."""
    return [(hex_of(run), differs) for run, differs in _runs(data, other)]


def text_runs(data: bytes, other: bytes) -> list[tuple[str, bool]]:
    """The same runs as text."""
    return [(as_text(run), differs) for run, differs in _runs(data, other)]


def _runs(data: bytes, other: bytes) -> Iterable[tuple[bytes, bool]]:
    start = 0
    differs = [index >= len(other) or byte != other[index] for index, byte in enumerate(data)]
    for index in range(1, len(data) + 1):
        if index == len(data) or differs[index] != differs[start]:
            yield data[start:index], differs[start]
            start = index
