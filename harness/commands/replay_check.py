"""`harness replay` of a case that `harness crash` saved: restore the disk, run the checker, say what it says now."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import __version__
from harness.commands.output import write_json, write_page

if TYPE_CHECKING:
    from rich.console import Console


def replay_check(
    screen: "Console", file: Path, json_file: Path | None, html_file: Path | None, *, quiet: bool, verbose: bool
) -> int:
    """The exit code: 1 when the checker refuses the disk again, 0 when it does not. UsageError for an unusable file."""
    from harness.anyprogram.case_file import CaseError, checker_of, load_case, play_case
    from harness.anyprogram.checker import CheckerError
    from harness.anyprogram.state_folder import StateFolderError
    from harness.report.check_timeline import show_check

    try:
        case = load_case(file)
        used = checker_of(case)
        if not quiet:
            screen.print(f"checker: {case.check}", markup=False, soft_wrap=True)
        played = play_case(case, used)
    except (CaseError, CheckerError) as error:
        raise click.UsageError(str(error)) from None
    except StateFolderError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(4)
    if not quiet:
        show_check(screen, case, played, verbose)
    answer = played.answer
    screen.print(
        f"{answer.verdict}{': ' + answer.summary if answer.summary and not answer.held else ''}; "
        f"the disk {'matches' if played.matches else 'differs from'} the saved one",
        markup=False,
        soft_wrap=True,
    )
    told = {"verdict": answer.verdict, "trace_digest": played.run.trace.digest(), "matches": played.matches}
    write_json(told, json_file)
    if html_file is not None:
        from harness.report.check_story import story_of_check
        from harness.report.html.page import case_page

        story = story_of_check(case, (answer.verdict, answer.summary), matches=played.matches)
        write_page(case_page(story, f"harness replay {file}", __version__), html_file)
    return 0 if answer.held else 1
