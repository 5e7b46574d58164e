"""`harness explain`: which syncs a program is missing, and which buy it nothing."""

import sys
from pathlib import Path
from typing import Any

import click

from harness import __version__
from harness.commands.options import (
    DEFAULT_BOUND,
    budget_option,
    check_budget,
    check_profiles,
    found_scenarios,
    jobs_option,
    json_option,
    no_color_option,
    profile_option,
    quiet_option,
    seed_option,
    verbose_option,
)
from harness.commands.output import write_json


@click.command(
    epilog="\b\nExamples:\n  harness explain voice_call/pr-18852\n  harness explain tests/test_log.py --profile ext4\n"
    "  harness explain voice_call --workload inbound --json -\n  harness explain run.trace --folder /data\n"
    "\b\nExit codes: 0 nothing is missing, 1 something is, 2 usage, 3 not everything was looked at, 4 error."
)
@click.argument("subject", metavar="TRACE|SCENARIO")
@profile_option
@click.option("--workload", "workloads", multiple=True, metavar="NAME", help="Only this workload; repeatable.")
@click.option(
    "--folder", "folders", multiple=True, metavar="PATH", help="Of a trace: was there before. [default: /data]"
)
@budget_option("Stop after this long; what is left is told as unknown.")
@seed_option("Seed of names, ids and order.")
@jobs_option
@click.option("--bound", type=click.IntRange(min=1), default=DEFAULT_BOUND, help="Most distinct disks per kill-point.")
@click.option("--missing-only", is_flag=True, help="Do not ask which syncs buy nothing.")
@json_option("Write the advice as JSON; - is standard output.")
@quiet_option("Only the answer.")
@verbose_option("Progress, workload by workload.")
@no_color_option("No colours: there are none anyway.")
def explain(
    subject: str,
    profiles: tuple[str, ...],
    workloads: tuple[str, ...],
    folders: tuple[str, ...],
    budget: float | None,
    seed: int | None,
    jobs: int | None,
    bound: int,
    missing_only: bool,
    json_file: Path | None,
    quiet: bool,
    verbose: bool,
    no_color: bool,
) -> None:
    """The smallest set of syncs that a program is missing, and the syncs that buy it nothing, by source line.

    SCENARIO is a name from `harness list` (NAME/BUG: with that bug), a Python file, or module:Class. A TRACE has nobody
    who could judge: then everything that happened before a mark is to be durable at it.
    """
    from harness.advice.advisor import Request
    from harness.advice.asking import UnknownWorkload, advise_all, exit_code
    from harness.gate.options import Options
    from harness.report.advice import document, headline, lines

    check_budget(budget)
    check_profiles(profiles)
    to_stderr = json_file is not None and str(json_file) == "-"
    if _is_trace(subject):
        text, told, code = _explained_trace(Path(subject), profiles=profiles, folders=folders or ("/data",))
        for line in text[:1] if quiet else text:
            click.echo(line, err=to_stderr)
        write_json(told, json_file)
        sys.exit(code)

    def say(line: str) -> None:
        if verbose:
            click.echo(line, err=True)
        elif not quiet:
            _overwrite(line)

    asked = Request(
        workloads=workloads,
        bound=bound,
        budget_s=budget,
        workers=Options(jobs=jobs or 0).workers,
        removal=not missing_only,
    )
    try:
        advices = advise_all(found_scenarios((subject,)), asked, profiles=profiles, seed=seed, say=say)
    except UnknownWorkload as error:
        raise click.UsageError(str(error)) from None
    _overwrite("")
    for advice in advices:
        for line in [headline(advice)] if quiet else lines(advice):
            click.echo(line, err=to_stderr)
    code = exit_code(advices)
    if not quiet:
        restarts, wall_s = sum(one.restarts for one in advices), sum(one.wall_s for one in advices)
        click.echo(f"{restarts:,} restarts in {wall_s:.1f} s · exit code {code}", err=to_stderr)
    write_json(document(advices, __version__), json_file)
    sys.exit(code)


def _is_trace(reference: str) -> bool:
    """Whether the reference is a file that is no Python: scenarios are names, Python files or module:Class."""
    return not reference.partition("::")[0].endswith(".py") and Path(reference).is_file()


def _explained_trace(
    file: Path, *, profiles: tuple[str, ...], folders: tuple[str, ...]
) -> tuple[list[str], dict[str, Any], int]:
    """(lines, JSON, exit code) for a trace without a checker. UsageError for what is no trace, or not of these folders."""
    from harness.advice.asking import DEFAULT_PROFILES
    from harness.advice.structure import explain_trace, story_of
    from harness.durability.profiles import profile
    from harness.report.advice import trace_document, trace_lines
    from harness.trace import TraceFileError, decode

    try:
        story = story_of(decode(file.read_bytes()), folders)
        advices = [explain_trace(file.name, story, profile(name)) for name in profiles or DEFAULT_PROFILES]
    except (TraceFileError, ValueError) as error:
        raise click.UsageError(f"{file}: {error}") from None
    text = [line for advice in advices for line in trace_lines(advice)]
    return text, trace_document(advices, __version__), int(any(advice.debts for advice in advices))


def _overwrite(line: str) -> None:
    """Progress on one line of a terminal; nothing elsewhere."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{line}", err=True, nl=False)
