"""`harness replay`: one saved case, once more."""

import shlex
import sys
from pathlib import Path

import click

from harness import __version__
from harness.commands.options import (
    check_page,
    html_option,
    json_option,
    no_color_option,
    quiet_option,
    verbose_option,
)
from harness.commands.output import console, write_json, write_page
from harness.commands.replay_files import check_new, write_disk, write_test
from harness.commands.replay_steps import show_at, step_through, stop_in_subject


@click.command(
    epilog="\b\nExamples:\n  harness replay .harness/lost-0a1b2c3d4e5f.repro.json\n  harness replay FILE --json -\n"
    "  harness replay FILE --html case.html\n  harness replay FILE --step\n  harness replay FILE -q --pdb\n"
    "  harness replay FILE --pytest tests/test_lost.py --export-dir disk\n"
    "\b\nExit codes: 0 it does not show any more, 1 it shows, 2 usage, 4 error."
)
@click.argument("file", type=click.Path(path_type=Path))
@json_option('{"verdict", "trace_digest", "matches"}; - is standard output.')
@html_option("Write the case as a page: lanes over time, with the bytes of each operation.")
@click.option(
    "--pytest",
    "pytest_file",
    type=click.Path(path_type=Path),
    metavar="OUT.py",
    help="Write a regression test that needs no repro file.",
)
@click.option(
    "--export-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the disk that was found after the last death into this new folder.",
)
@click.option("--step", "stepping", is_flag=True, help="Walk to and fro through the case, moment by moment.")
@click.option("--at", type=click.IntRange(min=0), metavar="N", help="Only moment N, as --step numbers them.")
@click.option("--pdb", "debug", is_flag=True, help="Open the debugger in the subject, where the first death comes.")
@quiet_option("No timeline.")
@verbose_option("The whole timeline.")
@no_color_option()
def replay(
    file: Path,
    json_file: Path | None,
    html_file: Path | None,
    pytest_file: Path | None,
    export_dir: Path | None,
    stepping: bool,
    at: int | None,
    debug: bool,
    quiet: bool,
    verbose: bool,
    no_color: bool,
) -> None:
    """Play one saved case as a timeline; exit 1 when the violation shows again, 0 when it does not.

    A case of `harness crash` runs the checker that is saved in it: look at a stranger's file first.
    """
    from harness.anyprogram.case_file import is_case_file
    from harness.explore.life import WorldEscape
    from harness.report.timeline import show
    from harness.repro import ReproError, load
    from harness.repro import replay as play_again

    check_page(html_file)
    screen = console(no_color, json_file)
    check_new("--pytest", pytest_file)
    check_new("--export-dir", export_dir)
    if is_case_file(file):
        if stepping or debug or at is not None or pytest_file is not None or export_dir is not None:
            raise click.UsageError(
                f"{file} is a case of `harness crash`: its program ran outside, there is no step to walk"
            )
        from harness.commands.replay_check import replay_check

        sys.exit(replay_check(screen, file, json_file, html_file, quiet=quiet, verbose=verbose))
    try:
        loaded = load(file)
        result = play_again(loaded)
    except ReproError as error:
        raise click.UsageError(str(error)) from None
    except WorldEscape as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(4)
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)
    if at is not None:
        show_at(screen, result, at)
    elif stepping:
        step_through(screen, result)
    elif not quiet:
        show(screen, result, verbose)
    if debug:
        stop_in_subject(result)
    screen.print(f"{result.verdict}; trace {'matches' if result.matches else 'differs from'} the saved one")
    if result.violated and not (quiet or stepping or debug):
        name = shlex.quote(str(file))
        screen.print(f"stop there in the debugger:  harness replay {name} -q --pdb", soft_wrap=True, markup=False)
        screen.print(f"keep it as a test:  harness replay {name} -q --pytest OUT.py", soft_wrap=True, markup=False)
    if pytest_file is not None:
        write_test(pytest_file, result.file, screen)
    if export_dir is not None:
        write_disk(export_dir, result, screen)
    write_json(
        {"verdict": result.verdict, "trace_digest": result.played.trace_digest, "matches": result.matches}, json_file
    )
    if html_file is not None:
        from harness.report.html.page import case_page
        from harness.report.retelling import story_of

        write_page(case_page(story_of(result), f"harness replay {file}", __version__), html_file)
    sys.exit(1 if result.violated or result.played.violations else 0)
