"""What a command tells: lines on a console, one JSON document, the summary of a run with its saved cases."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from harness.anyprogram.case_file import CaseFile
    from harness.commands.formats import Formats
    from harness.gate.outcome import Report
    from harness.report.story import Story


def console(no_color: bool, json_file: Path | None = None) -> "Console":
    """Standard output, unless the JSON goes there: then standard error."""
    from rich.console import Console

    to_stderr = json_file is not None and str(json_file) == "-"
    width = None if sys.stdout.isatty() else 160
    return Console(no_color=no_color or "NO_COLOR" in os.environ, stderr=to_stderr, highlight=False, width=width)


def write_json(document: Any, json_file: Path | None) -> None:
    """UsageError for a file that cannot be written; nothing without a file."""
    if json_file is None:
        return
    text = json.dumps(document, indent=2) + "\n"
    if str(json_file) == "-":
        sys.stdout.write(text)
        return
    try:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(text)
    except OSError as error:
        raise click.UsageError(f"cannot write --json {json_file}: {error.strerror}") from None


def write_page(page: str, html_file: Path) -> None:
    """UsageError for a file that cannot be written."""
    try:
        html_file.parent.mkdir(parents=True, exist_ok=True)
        html_file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write --html {html_file}: {error.strerror}") from None


def write_page_of_cases(
    report: "Report", cases: "Mapping[int, CaseFile]", repros: Mapping[int, str], html_file: Path | None
) -> None:
    """The page of a sweep of any program; `cases` and `repros` are by id(finding). Nothing without a file."""
    if html_file is None:
        return
    from harness.anyprogram.case_file import CaseError
    from harness.report.check_story import story_of_check
    from harness.report.html.page import run_page

    stories: dict[int, Story | str] = {}
    for key, case in cases.items():
        try:
            stories[key] = story_of_check(case)
        except CaseError as error:
            stories[key] = str(error)
    write_page(run_page(report, stories, repros, {}, __version__), html_file)


def show_report(
    screen: "Console",
    report: "Report",
    out: Path,
    json_file: Path | None,
    *,
    quiet: bool,
    verbose: bool,
    mends: Mapping[int, Sequence[str]],
    formats: "Formats | None" = None,
) -> None:
    """Set aside what a baseline knows, save the cases, print the summary (or one word), write the JSON and the other forms.

    Then each finding is played once more, for its bundle beside its case, and for the page if there is to be one.
    """
    from harness.report.json_report import document
    from harness.report.repro_files import save_all
    from harness.report.terminal import summary

    told = formats.set_aside(report) if formats is not None else []
    repros: dict[int, str] = {}
    try:
        repros = save_all(report, out)
    except OSError as error:  # the findings are told all the same
        click.echo(f"error: cannot write repro files to --out {out}: {error.strerror}", err=True)
    if not quiet:
        summary(screen, report, repros, verbose, mends)
    else:
        screen.print(str(report.outcome))
    for line in told:
        screen.print(line, soft_wrap=True, markup=False)
    write_json(document(report, __version__, repros, mends), json_file)
    stories = _retold(report, out, repros, mends)
    if formats is not None:
        formats.write(report, repros, mends, stories)


def _retold(
    report: "Report", out: Path, repros: Mapping[int, str], mends: Mapping[int, Sequence[str]]
) -> "dict[int, Story | str]":
    """Write a bundle for each finding whose case was saved; the stories by id(finding), or why there is none."""
    from harness.report.bundle import save_bundle
    from harness.report.retelling import story_of
    from harness.report.telling import TELLING_S, tellings

    stories: dict[int, Story | str] = {}
    within_s = 0.0 if report.interrupted else TELLING_S  # whoever interrupts wants to go
    findings = [finding for result in report.results for finding in result.total.findings]
    for told in tellings(findings, within_s):
        key = id(told.finding)
        stories[key] = story_of(told.replay) if told.replay is not None else told.why_not
        if told.replay is None or key not in repros:
            continue
        try:
            save_bundle(told, out, f"harness replay {repros[key]}", mends.get(key, ()))
        except OSError as error:  # the finding and its case are there all the same
            click.echo(f"error: cannot write a bundle into --out {out}: {error.strerror}", err=True)
    return stories
