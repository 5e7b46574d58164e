"""`harness merge A.json B.json …`: the results of all shards of a run, as one result with one exit code."""

import sys
from pathlib import Path

import click

from harness.commands.formats import Formats, format_options
from harness.commands.options import (
    check_writable,
    json_option,
    no_color_option,
    out_option,
    quiet_option,
    verbose_option,
)
from harness.commands.output import console, show_report


@click.command(
    epilog="\b\nExamples:\n  harness run voice_call --shard 1/2 --json 1.json   # on one machine, exit code 3: a part\n"
    "  harness run voice_call --shard 2/2 --json 2.json   # on another one\n"
    "  harness merge 1.json 2.json --json whole.json\n"
    "\b\nExit codes: 0 held, 1 violation, 2 usage, 3 inconclusive (a shard is missing, …), 4 error, 130 interrupted."
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@json_option("Write the joined result as JSON.")
@out_option
@quiet_option()
@verbose_option()
@no_color_option()
@format_options
def merge(
    files: tuple[Path, ...],
    json_file: Path | None,
    out: Path,
    quiet: bool,
    verbose: bool,
    no_color: bool,
    formats: Formats,
) -> None:
    """Join the results of the shards of one run (`harness run --shard I/N --json FILE`)."""
    from harness.gate.merge import MergeError
    from harness.gate.merge import merge as joined

    check_writable(json_file, out)
    formats.check()
    try:
        report = joined(files)
    except MergeError as error:
        raise click.UsageError(str(error)) from None
    screen = console(no_color, json_file)
    show_report(screen, report, out, json_file, quiet=quiet, verbose=verbose, mends={}, formats=formats)
    sys.exit(report.exit_code)
