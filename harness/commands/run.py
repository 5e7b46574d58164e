"""`harness run`: the gate."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.formats import Formats, format_options
from harness.commands.options import (
    DEFAULT_BOUND,
    check_budget,
    check_profiles,
    check_writable,
    common_options,
    found_scenarios,
)
from harness.commands.output import console, show_report

if TYPE_CHECKING:
    from harness.gate.outcome import Report
    from harness.gate.shard import Shard


@click.command(
    epilog="\b\nExamples:\n  harness run voice_call\n  harness run tests/test_log.py --profile strict --json out.json\n"
    "  harness run mypackage.scenarios:JobQueue --budget 60 --seed 7\n  harness run voice_call --quick -x --jobs 1\n"
    "\b\nExit codes: 0 held, 1 violation, 2 usage, 3 inconclusive, 4 error, 130 interrupted."
)
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@common_options
@click.option("--faults/--no-faults", default=True, help="Let every call fail with every errno that makes sense.")
@click.option(
    "--double-faults", is_flag=True, help="Faults hit recoveries as well, and come in pairs: a bounded number of both."
)
@click.option("--examples", type=click.IntRange(min=0), help="Random histories per scenario and profile.")
@click.option(
    "--bound", type=click.IntRange(min=1), help=f"Most distinct disks per kill-point. [default: {DEFAULT_BOUND}]"
)
@click.option(
    "--recovery-depth", type=click.IntRange(min=1), help="How many deaths in a row hit recoveries. [default: 1]"
)
@click.option("-x", "--first", "--exitfirst", "first", is_flag=True, help="Stop at the first violation.")
@click.option(
    "--quick",
    is_flag=True,
    help="A fixed sample, cheap parts first: finds much in seconds, and never says held (exit 3).",
)
@click.option("--executor", metavar="URL", default="", help="dask://HOST:PORT: a cluster instead of own processes.")
@click.option("--shard", metavar="I/N", help="Only part I of N (exit 3 at best): join them with `harness merge`.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Journal of finished chunks: what a run that was killed has done is not done again.",
)
@format_options
def run(
    scenarios: tuple[str, ...],
    profiles: tuple[str, ...],
    budget: float | None,
    seed: int | None,
    jobs: int | None,
    json_file: Path | None,
    out: Path,
    quiet: bool,
    verbose: bool,
    no_color: bool,
    faults: bool,
    double_faults: bool,
    examples: int | None,
    bound: int | None,
    recovery_depth: int | None,
    first: bool,
    quick: bool,
    executor: str,
    shard: str | None,
    resume: Path | None,
    formats: Formats,
) -> None:
    """The gate: sweeps of all crash states, of all errors, and random histories.

    SCENARIO is a name from `harness list`, a Python file, or module:Class; without any, all that `harness list` shows.
    """
    from harness.clock import machine_seconds
    from harness.gate.cluster import ClusterError
    from harness.gate.gate import Gate
    from harness.gate.journal import JournalError
    from harness.gate.options import ANY_VERDICT, DEFAULT_EXAMPLES, DEFAULT_PROFILES, Options
    from harness.gate.outcome import Outcome, Report
    from harness.report.mending import mendings
    from harness.report.terminal import ProgressScreen

    check_budget(budget)
    if executor and jobs is not None:
        raise click.UsageError("--executor and --jobs: the workers of the cluster do the work; choose one of them")
    check_profiles(profiles)
    check_writable(json_file, out)
    formats.check()
    if first and formats.baseline is not None:
        raise click.UsageError("--first and --baseline: the first violation may be a known one; choose one of them")
    part = _shard(shard)
    screen = console(no_color, json_file)
    reports: list[Report] = []
    mends: dict[int, Sequence[str]] = {}
    found = found_scenarios(scenarios)
    _tell_what_only_pytest_runs(scenarios)
    began = machine_seconds()
    for number, scenario in enumerate(found):
        left_s = None if budget is None else max(0.0, budget - (machine_seconds() - began))
        own = getattr(scenario, "profiles", ())
        options = Options(
            profiles=profiles or tuple(own) or DEFAULT_PROFILES,
            seed=seed if seed is not None else getattr(scenario, "seed", 0),
            # An equal share of what is left: those before it may have needed less than theirs.
            budget_s=getattr(scenario, "budget_s", None) if left_s is None else left_s / (len(found) - number),
            jobs=jobs or 0,
            faults=faults and getattr(scenario, "faults", True),
            examples=DEFAULT_EXAMPLES if examples is None else examples,
            bound=bound if bound is not None else getattr(scenario, "bound", DEFAULT_BOUND),
            recovery_depth=recovery_depth,
            double_faults=double_faults,
            stop_at=ANY_VERDICT if first else None,
            quick=quick,
            executor=executor,
            shard=part,
            resume=str(resume) if resume is not None else "",
        )
        try:
            with ProgressScreen(screen, quiet) as progress:
                reports.append(Gate([scenario], options).run(progress))
        except (JournalError, ClusterError) as error:
            raise click.UsageError(str(error)) from None
        if reports[-1].interrupted:
            break
        mends.update(mendings(scenario, reports[-1]))
        if first and reports[-1].outcome == Outcome.VIOLATION:
            break
    report = _joined(reports)
    show_report(screen, report, out, json_file, quiet=quiet, verbose=verbose, mends=mends, formats=formats)
    sys.exit(report.exit_code)


def _tell_what_only_pytest_runs(references: Sequence[str]) -> None:
    from harness.subjects import only_in_pytest

    for reference in references:
        for name in only_in_pytest(reference):
            click.echo(f"not run: {reference}::{name} needs fixtures or parameters: run it with pytest", err=True)


def _shard(text: str | None) -> "Shard | None":
    from harness.gate.shard import shard_of

    try:
        return shard_of(text) if text is not None else None
    except ValueError as error:
        raise click.UsageError(f"--shard: {error}") from None


def _joined(reports: "Sequence[Report]") -> "Report":
    from harness.gate.outcome import Report

    first = reports[0]
    profiles = tuple(dict.fromkeys(name for report in reports for name in report.profiles))
    joined = Report(first.seed, profiles, wall_s=sum(report.wall_s for report in reports), shard=first.shard)
    for report in reports:
        joined.parts += report.parts
        joined.results += report.results
        joined.interrupted |= report.interrupted
    return joined
