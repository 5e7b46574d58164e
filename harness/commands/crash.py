"""`harness crash`: every crash state of a recorded run, checked by any program."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from harness import __version__
from harness.commands.options import (
    budget_option,
    check_budget,
    check_page,
    check_profiles,
    check_writable,
    html_option,
    json_option,
    no_color_option,
    out_option,
    profile_option,
    quiet_option,
    seed_option,
    verbose_option,
)
from harness.commands.output import console, write_json, write_page_of_cases

if TYPE_CHECKING:
    from harness.anyprogram.crash import Crashed

TIME_LIMIT_S: Final = 10.0

BOUND: Final = 4_096
"""Not that of `harness run`: a checker costs a thousand times more than a recovery in this process."""


@click.command(
    epilog="\b\nExamples:\n  harness record --root state -o run.trace -- ./server --store {root}\n"
    "  harness crash run.trace --check 'python3 check.py {root}'\n"
    "  harness crash run.trace --check './verify.sh' --profile ext4 --profile xfs --budget 60\n"
    "\b\nThe checker is started in the restored folder (also {root}, and HARNESS_ROOT); what the program printed before\n"
    "its death comes as lines on standard input. Exit 0: held. Its last line of output is the summary.\n"
    "\b\nExit codes: 0 held, 1 violation, 2 usage, 3 inconclusive, 4 error, 130 interrupted."
)
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--check", "check", required=True, metavar="CMD", help="The checker; {root} in it is the folder.")
@click.option(
    "--timeout",
    type=float,
    default=TIME_LIMIT_S,
    show_default=True,
    metavar="SECONDS",
    help="A checker that takes longer makes the state a violation: unavailable.",
)
@profile_option
@budget_option("Stop after this long; what is not checked by then makes the run inconclusive.")
@seed_option("Seed of the samples where a kill-point has more disks than --bound.")
@click.option("--jobs", type=click.IntRange(min=1), help="Checkers at a time. [default: one a processor]")
@click.option(
    "--bound", type=click.IntRange(min=1), default=BOUND, show_default=True, help="Most disks per kill-point."
)
@click.option("-x", "--first", is_flag=True, help="Stop at the first violation.")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    metavar="PATH",
    help="Was there before, where the trace does not tell. [default: /data]",
)
@json_option()
@html_option()
@out_option
@quiet_option()
@verbose_option()
@no_color_option()
def crash(
    trace: Path,
    check: str,
    timeout: float,
    profiles: tuple[str, ...],
    budget: float | None,
    seed: int | None,
    jobs: int | None,
    bound: int,
    first: bool,
    folders: tuple[str, ...],
    json_file: Path | None,
    html_file: Path | None,
    out: Path,
    quiet: bool,
    verbose: bool,
    no_color: bool,
) -> None:
    """Every crash state of the recorded run TRACE, checked by any program in any language."""
    from harness.anyprogram.checker import CheckerError, checker
    from harness.anyprogram.crash import crash as sweep_and_explain
    from harness.anyprogram.recorded_run import UnfitTrace, load_run
    from harness.anyprogram.state_folder import StateFolderError
    from harness.anyprogram.sweep import Request
    from harness.gate.options import DEFAULT_PROFILES, Options
    from harness.report.terminal import ProgressScreen

    check_budget(budget)
    check_profiles(profiles)
    check_writable(json_file, out)
    check_page(html_file)
    screen = console(no_color, json_file)
    request = Request(
        profiles=tuple(dict.fromkeys(profiles)) or DEFAULT_PROFILES,
        jobs=Options(jobs=jobs or 0).workers,
        bound=bound,
        seed=seed or 0,
        budget_s=budget,
        first=first,
    )
    try:
        used = checker(check, time_limit_s=timeout)
        run = load_run(trace, folders or ("/data",))
        with ProgressScreen(screen, quiet) as progress:
            crashed = sweep_and_explain(run, used, request, progress)
    except (CheckerError, UnfitTrace) as error:
        raise click.UsageError(str(error)) from None
    except (StateFolderError, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(4)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)
    from harness.report.json_report import document
    from harness.report.terminal import summary

    repros = _saved(crashed, out)
    if quiet:
        screen.print(str(crashed.report.outcome))
    else:
        summary(screen, crashed.report, repros, verbose)
    write_json(document(crashed.report, __version__, repros), json_file)
    write_page_of_cases(crashed.report, crashed.cases, repros, html_file)
    sys.exit(crashed.report.exit_code)


def _saved(crashed: "Crashed", out: Path) -> Mapping[int, str]:
    from harness.anyprogram.case_file import save_case

    try:
        return {number: str(save_case(case, out)) for number, case in crashed.cases.items()}
    except OSError as error:  # the findings are told all the same
        click.echo(f"error: cannot write repro files to --out {out}: {error.strerror}", err=True)
        return {}
