"""`harness shrink`: a smaller case with the same verdict."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands.options import (
    budget_option,
    check_budget,
    check_writable,
    json_option,
    no_color_option,
    quiet_option,
)
from harness.commands.output import console, write_json

if TYPE_CHECKING:
    from rich.console import Console


@click.command(
    epilog="\b\nExamples:\n  harness shrink .harness/lost-0a1b2c3d4e5f.repro.json\n"
    "  harness shrink FILE --budget 60 --out smaller\n"
    "\b\nExit codes: 1 it shows, as small as it was found; 0 it does not show any more, nothing is written; 2 usage;\n"
    "4 error; 130 interrupted."
)
@click.argument("file", type=click.Path(path_type=Path))
@budget_option("Stop after this long, with the smallest case so far. [default: 20]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the smaller case. [default: that of FILE]",
)
@json_option('{"verdict", "before", "after", "tries", "finished", "repro"}; - is standard output.')
@quiet_option("Only the path of the case.")
@no_color_option()
def shrink(
    file: Path, budget: float | None, out: Path | None, json_file: Path | None, quiet: bool, no_color: bool
) -> None:
    """Look for a smaller case with the same verdict: fewer faults, deaths and steps, less missing, earlier.

    The smaller case is a file of its own; FILE stays. A case of `harness crash` runs the checker that is saved in it: look
    at a stranger's file first (`harness show`, or a text editor).
    """
    from harness.anyprogram.case_file import is_case_file
    from harness.shrinking.saved_case import BUDGET_S

    check_budget(budget)
    folder = out if out is not None else file.parent
    check_writable(json_file, folder)
    screen = console(no_color, json_file)
    shrunk = _shrunk_check if is_case_file(file) else _shrunk_case
    try:
        told = shrunk(file, folder, BUDGET_S if budget is None else budget)
    except OSError as error:
        raise click.UsageError(f"--out: cannot write into {folder}: {error.strerror}") from None
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)
    _tell(screen, told, quiet)
    write_json(told, json_file)
    sys.exit(1 if told["after"] is not None else 0)


def _shrunk_case(file: Path, folder: Path, budget_s: float) -> dict[str, Any]:
    from harness.explore.life import WorldEscape
    from harness.repro import ReproError, load, save, scenario_of
    from harness.shrinking.saved_case import shrink, size_of

    try:
        loaded = load(file)
        result = shrink(loaded, scenario_of(loaded), budget_s)
    except ReproError as error:
        raise click.UsageError(str(error)) from None
    except WorldEscape as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(4)
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)
    found = result.file
    smaller = found is not None and found != loaded
    return {
        "verdict": loaded.case.verdict,
        "before": str(size_of(loaded.case)),
        "after": str(size_of(found.case)) if found is not None else None,
        "tries": result.tries,
        "finished": not result.cut_short,
        "repro": str(save(found, folder)) if smaller and found is not None else str(file),
        "smaller": smaller,
    }


def _shrunk_check(file: Path, folder: Path, budget_s: float) -> dict[str, Any]:
    from harness.anyprogram.case_file import CaseError, checker_of, load_case, save_case
    from harness.anyprogram.checker import CheckerError
    from harness.anyprogram.state_folder import StateFolderError
    from harness.shrinking.checked_case import shrink_check, size_of_check

    try:
        case = load_case(file)
        result = shrink_check(case, checker_of(case), budget_s)
    except (CaseError, CheckerError) as error:
        raise click.UsageError(str(error)) from None
    except StateFolderError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(4)
    found = result.case
    smaller = found is not None and found.state != case.state
    return {
        "verdict": case.found.verdict,
        "before": size_of_check(case),
        "after": size_of_check(found) if found is not None else None,
        "tries": result.tries,
        "finished": not result.cut_short,
        "repro": str(save_case(found, folder)) if smaller and found is not None else str(file),
        "smaller": smaller,
    }


def _tell(screen: "Console", told: dict[str, Any], quiet: bool) -> None:
    def say(line: str) -> None:
        screen.print(line, soft_wrap=True, markup=False)

    if told["after"] is None:
        say(f"{told['verdict']} does not show any more: nothing to shrink")
        return
    if quiet:
        say(told["repro"])
        return
    say(f"before  {told['before']}")
    say(f"after   {told['after']}")
    ending = "" if told["finished"] else "; the time ended before nothing smaller was left to try (--budget)"
    tries = f"{told['tries']} {'try' if told['tries'] == 1 else 'tries'}"
    say(f"{told['verdict']} still; {tries}{ending}")
    if not told["smaller"]:
        say("nothing smaller shows it: the case stays as it is")
        return
    say(f"wrote {told['repro']}")
    say(f"replay  harness replay {_quoted(told['repro'])}")


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)
