"""`harness fault`: any program, once for each changing call and each way in which it may fail."""

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
    jobs_option,
    json_option,
    no_color_option,
    out_option,
    profile_option,
    quiet_option,
    seed_option,
    verbose_option,
)
from harness.commands.output import console, write_json, write_page_of_cases
from harness.commands.program_options import (
    http_option,
    http_ports,
    mmap_option,
    root_option,
    setup_of,
    setup_option,
    stacks_option,
    timeout_option,
)

if TYPE_CHECKING:
    from harness.anyprogram.fault_report import Told

CHECK_TIME_LIMIT_S: Final = 10.0


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="\b\nExamples:\n"
    "  harness fault --root /tmp/box --check 'python3 check.py {root}' -- python3 writer.py {root}\n"
    "  harness fault --root /tmp/box --setup 'cp seed.db {root}' --check './verify.sh' --jobs 4 -- ./import {root}\n"
    "  harness fault --root /tmp/box --check ./verify.sh --call 12 -- ./import {root}   # only the 12th call\n"
    "\b\nThe program must end by itself. It may tell a fault by its exit code, on standard error, or by other lines than\n"
    "without one; whatever it does not tell must not matter: then the checker, started in the folder as in `harness\n"
    "crash`, with the printed lines on standard input, says 0.\n"
    "\b\nExit codes: 0 held, 1 violation, 2 usage, 3 inconclusive, 4 the program fails without any fault, 130 interrupted.",
)
@root_option
@click.option("--check", "check", required=True, metavar="CMD", help="The checker; {root} in it is the folder.")
@setup_option
@timeout_option("A run that takes longer hangs. [default: 20 times the run without faults, 5 at least]")
@click.option(
    "--check-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=CHECK_TIME_LIMIT_S,
    show_default=True,
    metavar="SECONDS",
    help="A checker that takes longer makes the folder a violation: unavailable.",
)
@click.option(
    "--call", "calls", type=click.IntRange(min=1), multiple=True, metavar="N", help="Only the N-th call; repeatable."
)
@mmap_option
@stacks_option
@http_option
@profile_option
@budget_option("Stop after this long; what has not run by then makes the result inconclusive.")
@seed_option("Seed of the order in which folders are listed; 0: by name.")
@jobs_option
@json_option()
@html_option()
@out_option
@quiet_option()
@verbose_option()
@no_color_option()
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD...")
def fault(
    root: Path,
    check: str,
    setup: str | None,
    timeout: float | None,
    check_timeout: float,
    calls: tuple[int, ...],
    mmap: bool,
    stacks: bool,
    http: tuple[str, ...],
    profiles: tuple[str, ...],
    budget: float | None,
    seed: int | None,
    jobs: int | None,
    json_file: Path | None,
    html_file: Path | None,
    out: Path,
    quiet: bool,
    verbose: bool,
    no_color: bool,
    command: tuple[str, ...],
) -> None:
    """Run CMD once for each changing call and each way in which that call may fail: ENOSPC, EIO, EDQUOT …, once and for
    good, short writes, a full disk, failed syncs.

    DIR is mounted as for `harness record`. After each run the checker looks at the folder, as it is and as a death would
    leave it. An error that the program swallowed, a folder that the checker refuses and a run that hangs are violations.
    """
    from harness.anyprogram.checker import CheckerError, checker
    from harness.anyprogram.fault_report import report_of
    from harness.anyprogram.fault_sweep import ProgramFailed, Request, sweep
    from harness.anyprogram.state_folder import StateFolderError
    from harness.frontends.mounted.recording import Run, SetupFailed
    from harness.frontends.mounted.requirements import MountError
    from harness.frontends.mounted.session import ProgramError
    from harness.gate.interruption import listening
    from harness.gate.options import DEFAULT_PROFILES, Options
    from harness.report.json_report import document
    from harness.report.terminal import summary

    check_budget(budget)
    check_profiles(profiles)
    check_writable(json_file, out)
    check_page(html_file)
    screen = console(no_color, json_file)
    try:
        request = Request(
            Run(root, command, setup_of(setup), timeout, seed or 0, not mmap, stacks, http_ports(http)),
            checker(check, time_limit_s=check_timeout),
            tuple(dict.fromkeys(profiles)) or DEFAULT_PROFILES,
            1 if http else Options(jobs=jobs or 0).workers,  # a port is there once
            budget,
            calls,
        )
        with listening():
            swept = sweep(request, _nothing if quiet else _told_on_terminal)
    except (CheckerError, MountError, ProgramError, SetupFailed) as error:
        raise click.UsageError(str(error)) from None
    except (ProgramFailed, StateFolderError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(4)
    told = report_of(swept, request)
    repros = _saved(told, out)
    if quiet:
        screen.print(str(told.report.outcome))
    else:
        summary(screen, told.report, repros, verbose)
    result = document(told.report, __version__, repros)
    result["fault_runs"] = told.fault_runs
    write_json(result, json_file)
    write_page_of_cases(told.report, told.cases, repros, html_file)
    sys.exit(told.report.exit_code)


def _nothing(made: int, planned: int) -> None:
    """For whoever wants no news."""


def _told_on_terminal(made: int, planned: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{made:,} of {planned:,} runs" + ("\r\x1b[K" if made == planned else ""), err=True, nl=False)


def _saved(told: "Told", out: Path) -> Mapping[int, str]:
    from harness.anyprogram.case_file import save_case

    try:
        return {number: str(save_case(case, out)) for number, case in told.cases.items()}
    except OSError as error:  # the findings are told all the same
        click.echo(f"error: cannot write repro files to --out {out}: {error.strerror}", err=True)
        return {}
