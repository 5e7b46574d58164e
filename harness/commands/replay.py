"""`harness replay`: one saved case, once more."""

import sys
from pathlib import Path

import click

from harness.commands.options import json_option, no_color_option, quiet_option, verbose_option
from harness.commands.output import console, write_json


@click.command(
    epilog="\b\nExamples:\n  harness replay .harness/lost-0a1b2c3d4e5f.repro.json\n  harness replay FILE --json -"
)
@click.argument("file", type=click.Path(path_type=Path))
@json_option('{"verdict", "trace_digest", "matches"}; - is standard output.')
@quiet_option("No timeline.")
@verbose_option("The whole timeline.")
@no_color_option()
def replay(file: Path, json_file: Path | None, quiet: bool, verbose: bool, no_color: bool) -> None:
    """Play one saved case as a timeline; exit 1 when the violation shows again, 0 when it does not.

    A case of `harness crash` runs the checker that is saved in it: look at a stranger's file first.
    """
    from harness.anyprogram.case_file import is_case_file
    from harness.explore.life import WorldEscape
    from harness.report.timeline import show
    from harness.repro import ReproError, load
    from harness.repro import replay as play_again

    screen = console(no_color, json_file)
    if is_case_file(file):
        from harness.commands.replay_check import replay_check

        sys.exit(replay_check(screen, file, json_file, quiet=quiet, verbose=verbose))
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
    if not quiet:
        show(screen, result, verbose)
    screen.print(f"{result.verdict}; trace {'matches' if result.matches else 'differs from'} the saved one")
    write_json(
        {"verdict": result.verdict, "trace_digest": result.played.trace_digest, "matches": result.matches}, json_file
    )
    sys.exit(1 if result.violated or result.played.violations else 0)
