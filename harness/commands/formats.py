"""Other forms of the same result: JUnit, SARIF, Markdown, HTML, GitHub annotations; and the baseline of known findings."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from harness import __version__

if TYPE_CHECKING:
    from harness.gate.outcome import Report
    from harness.report.baseline import Baseline
    from harness.report.story import Story

STEP_SUMMARY: Final = "GITHUB_STEP_SUMMARY"
"""Where GitHub Actions wants the Markdown of a job."""


@dataclass(frozen=True)
class Formats:
    """What was asked for beside the terminal and the JSON."""

    junit: Path | None = None
    sarif: Path | None = None
    markdown: Path | None = None
    html: Path | None = None
    github: bool = False
    baseline: Path | None = None
    update_baseline: bool = False

    def check(self) -> None:
        """UsageError for what cannot work, before the work starts."""
        if self.update_baseline and self.baseline is None:
            raise click.UsageError("--update-baseline: name the file with --baseline FILE")
        for option, file in self._files():
            folder = next(above for above in file.absolute().parents if above.exists())
            if file.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
                raise click.UsageError(f"{option}: cannot write {file}")
        if not self.update_baseline:
            self._known()

    def set_aside(self, report: "Report") -> list[str]:
        """Take what the baseline knows out of the findings, or write what was found into it; lines to show."""
        from harness.report.baseline import dump, set_aside, updated

        if self.baseline is None:
            return []
        if self.update_baseline:
            before = self._known() if self.baseline.exists() else None
            after = updated(report, before)
            set_aside(report, after)
            _write("--baseline", self.baseline, dump(after))
            return [f"baseline  {self.baseline} now knows {len(after.known)} causes"]
        known = self._known()
        gone = set_aside(report, known) if known is not None else []
        return [
            f"mended  {one.scenario}: {one.verdict} ({one.file}: {one.code or 'no line'}) was not found any more: "
            f"remove it from {self.baseline}"
            for one in gone
        ]

    def write(
        self,
        report: "Report",
        repros: Mapping[int, str],
        mends: Mapping[int, Sequence[str]],
        stories: "Mapping[int, Story | str]",
    ) -> None:
        """Write each file that was asked for; all mappings are by id(finding)."""
        from harness.report.github import annotations
        from harness.report.junit import junit
        from harness.report.markdown import markdown
        from harness.report.sarif import sarif

        if self.junit is not None:
            _write("--junit", self.junit, junit(report, repros))
        if self.sarif is not None:
            _write("--sarif", self.sarif, sarif(report, __version__, repros))
        if self.markdown is not None:
            _write("--markdown", self.markdown, markdown(report, repros))
        if self.html is not None:
            from harness.report.html.page import run_page

            _write("--html", self.html, run_page(report, stories, repros, mends, __version__))
        if self.github:
            for line in annotations(report, repros):
                click.echo(line, err=True)  # the runner reads both streams; standard output may be JSON
            summary = os.environ.get(STEP_SUMMARY)
            if summary:
                _write(STEP_SUMMARY, Path(summary), markdown(report, repros), mode="a")

    def _files(self) -> list[tuple[str, Path]]:
        named = (("--junit", self.junit), ("--sarif", self.sarif), ("--markdown", self.markdown), ("--html", self.html))
        updated = (("--baseline", self.baseline),) if self.update_baseline else ()
        return [(option, file) for option, file in (*named, *updated) if file is not None]

    def _known(self) -> "Baseline | None":
        from harness.report.baseline import BaselineError, load

        if self.baseline is None:
            return None
        try:
            return load(self.baseline)
        except BaselineError as error:
            raise click.UsageError(f"--baseline: {error}") from None
        except OSError as error:
            hint = "; --update-baseline writes it" if isinstance(error, FileNotFoundError) else ""
            raise click.UsageError(f"--baseline: cannot read {self.baseline}: {error.strerror}{hint}") from None


def format_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options, and hands them to the command as one `formats`."""

    @functools.wraps(command)
    def with_formats(
        *arguments: Any,
        junit: Path | None,
        sarif: Path | None,
        markdown: Path | None,
        html: Path | None,
        github: bool,
        baseline: Path | None,
        update_baseline: bool,
        **others: Any,
    ) -> Any:
        formats = Formats(junit, sarif, markdown, html, github, baseline, update_baseline)
        return command(*arguments, formats=formats, **others)

    added = with_formats
    for name, words in (
        ("--update-baseline", "Write what was found into the baseline; nothing of it fails."),
        ("--github", f"Annotate the lines of a pull request; add the Markdown to ${STEP_SUMMARY}."),
    ):
        added = click.option(name, is_flag=True, help=words)(added)
    for name, words in (
        ("--baseline", "Known findings: only others fail (see --update-baseline)."),
        ("--html", "Write a page with coverage and the lanes of each finding; it opens without a network."),
        ("--markdown", "Write a summary in Markdown."),
        ("--sarif", "Write the findings as SARIF 2.1.0."),
        ("--junit", "Write the result as JUnit XML."),
    ):
        added = click.option(name, type=click.Path(path_type=Path), metavar="FILE", help=words)(added)
    return added


def _write(option: str, file: Path, text: str, mode: str = "w") -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open(mode, encoding="utf-8", errors="backslashreplace") as out:
            out.write(text)
    except OSError as error:
        raise click.UsageError(f"cannot write {option} {file}: {error.strerror}") from None
