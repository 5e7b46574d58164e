"""`harness explain`: which syncs a program is missing, and which buy it nothing."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from harness import __version__

if TYPE_CHECKING:
    from harness.advice.advice import Advice
    from harness.explore.recording import AnyScenario

DEFAULT_PROFILES: Final = ("strict",)
"""A killed process loses nothing from the disk: only power cuts ask for syncs."""

OUTCOMES: Final = (130, 4, 1, 3, 0)
"""Exit codes, the one that wins first."""

Say = Callable[[str], None]


def explain_all(
    found: Sequence["AnyScenario"],
    *,
    profiles: tuple[str, ...],
    workloads: tuple[str, ...],
    seed: int | None,
    budget: float | None,
    jobs: int | None,
    bound: int,
    removal: bool,
    say: Say,
) -> "list[Advice]":
    """Advice for each scenario; UsageError for a workload that one of them does not have."""
    from harness.advice.advisor import Request, advise
    from harness.gate.options import Options

    advices: list[Advice] = []
    for scenario in found:
        known = list(scenario.workloads())
        for name in workloads:
            if name not in known:
                raise click.UsageError(f"--workload {name!r}: {scenario.name} has {', '.join(known)}")
        own = tuple(name for name in getattr(scenario, "profiles", ()) if name != "process")
        request = Request(
            profiles=profiles or own or DEFAULT_PROFILES,
            workloads=workloads,
            seed=seed if seed is not None else getattr(scenario, "seed", 0),
            bound=bound,
            budget_s=budget,
            workers=Options(jobs=jobs or 0).workers,
            removal=removal,
        )
        advices.append(advise(scenario, request, say))
        if advices[-1].interrupted:
            break
    return advices


def exit_code(advices: "Sequence[Advice]") -> int:
    """The worst of all: interrupted, error, missing, inconclusive, nothing missing."""
    from harness.advice.advice import EXIT_CODES

    codes = {EXIT_CODES[advice.answer] for advice in advices}
    return next((code for code in OUTCOMES if code in codes), 0)


def is_trace(reference: str) -> bool:
    """Whether the reference is a file that is no Python: scenarios are names, Python files or module:Class."""
    return not reference.partition("::")[0].endswith(".py") and Path(reference).is_file()


def explain_trace_file(
    file: Path, *, profiles: tuple[str, ...], folders: tuple[str, ...]
) -> tuple[list[str], dict[str, Any], int]:
    """(lines, JSON, exit code) for a trace without a checker. UsageError for what is no trace, or not of these folders."""
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


@click.command(
    epilog="\b\nExamples:\n  harness explain voice_call/pr-18852\n  harness explain tests/test_log.py --profile ext4\n"
    "  harness explain voice_call --workload inbound --json -\n  harness explain run.trace --folder /data\n"
    "\b\nExit codes: 0 nothing is missing, 1 something is, 2 usage, 3 not everything was looked at, 4 error."
)
@click.argument("subject", metavar="TRACE|SCENARIO")
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Durability profile; repeatable.")
@click.option("--workload", "workloads", multiple=True, metavar="NAME", help="Only this workload; repeatable.")
@click.option(
    "--folder", "folders", multiple=True, metavar="PATH", help="Of a trace: was there before. [default: /data]"
)
@click.option("--budget", type=float, metavar="SECONDS", help="Stop after this long; what is left is told as unknown.")
@click.option("--seed", type=int, default=None, help="Seed of names, ids and order. [default: 0]")
@click.option("--jobs", type=click.IntRange(min=1), help="Worker processes. [default: one a processor]")
@click.option("--bound", type=click.IntRange(min=1), default=65_536, help="Most distinct disks per kill-point.")
@click.option("--missing-only", is_flag=True, help="Do not ask which syncs buy nothing.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the advice as JSON; - is standard output.",
)
@click.option("-q", "--quiet", is_flag=True, help="Only the answer.")
@click.option("-v", "--verbose", is_flag=True, help="Progress, workload by workload.")
@click.option("--no-color", is_flag=True, help="No colours: there are none anyway.")
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
    from harness.cli import _check_profiles, _found, _write_json
    from harness.report.advice import document, headline, lines

    if budget is not None and not budget > 0:
        raise click.UsageError(f"--budget {budget:g} is not a positive number of seconds")
    _check_profiles(profiles)
    to_stderr = json_file is not None and str(json_file) == "-"
    if is_trace(subject):
        text, told, code = explain_trace_file(Path(subject), profiles=profiles, folders=folders or ("/data",))
        for line in text[:1] if quiet else text:
            click.echo(line, err=to_stderr)
        _write_json(told, json_file)
        sys.exit(code)

    def say(line: str) -> None:
        if verbose:
            click.echo(line, err=True)

    advices = explain_all(
        _found((subject,)),
        profiles=profiles,
        workloads=workloads,
        seed=seed,
        budget=budget,
        jobs=jobs,
        bound=bound,
        removal=not missing_only,
        say=say if verbose else (lambda line: None if quiet else _overwrite(line)),
    )
    _overwrite("")
    for advice in advices:
        for line in [headline(advice)] if quiet else lines(advice):
            click.echo(line, err=to_stderr)
    code = exit_code(advices)
    if not quiet:
        restarts, wall_s = sum(one.restarts for one in advices), sum(one.wall_s for one in advices)
        click.echo(f"{restarts:,} restarts in {wall_s:.1f} s · exit code {code}", err=to_stderr)
    _write_json(document(advices, __version__), json_file)
    sys.exit(code)


def _overwrite(line: str) -> None:
    """Progress on one line of a terminal; nothing elsewhere."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{line}", err=True, nl=False)
