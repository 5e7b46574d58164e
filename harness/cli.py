"""The command line: `harness run | merge | bugs | list | replay | explain`.

Exit codes are in `EXIT_CODES` of harness.gate.outcome:
0 held · 1 violation · 2 usage · 3 inconclusive · 4 the harness or the subject failed by itself · 130 interrupted.
"""

import concurrent.futures
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.text import Text

from harness import __version__
from harness.clock import machine_seconds
from harness.explain_command import explain
from harness.merge_command import merge

DEFAULT_BOUND: Final = 65_536

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_EXAMPLES = """\b
Examples:
  harness run voice_call
  harness run tests/test_log.py --profile ext4 --profile xfs
  harness bugs torn-tail-swallows-next
  harness replay .harness/lost-0a1b2c3d4e5f.repro.json
"""


def _common(command: CommandT) -> CommandT:
    """Options that mean the same everywhere."""
    options = [
        click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Durability profile; repeatable."),
        click.option(
            "--budget", type=float, metavar="SECONDS", help="Stop after this long; what is left goes to histories."
        ),
        click.option(
            "--seed", type=int, default=None, help="Seed of names, ids, order and random histories. [default: 0]"
        ),
        click.option("--jobs", type=click.IntRange(min=1), help="Worker processes. [default: one a processor]"),
        click.option(
            "--json",
            "json_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Write the result as JSON; - is standard output.",
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            default=Path(".harness"),
            show_default=True,
            metavar="DIR",
            help="Folder for repro files.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Only the outcome."),
        click.option("-v", "--verbose", is_flag=True, help="More detail."),
        click.option("--no-color", is_flag=True, help="No colours, whatever the terminal says."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _console(no_color: bool, json_file: Path | None = None) -> Console:
    to_stderr = json_file is not None and str(json_file) == "-"
    width = None if sys.stdout.isatty() else 160
    return Console(no_color=no_color or "NO_COLOR" in os.environ, stderr=to_stderr, highlight=False, width=width)


def _usage(message: str) -> click.UsageError:
    return click.UsageError(message)


def _write_json(document: Any, json_file: Path | None) -> None:
    if json_file is None:
        return
    text = json.dumps(document, indent=2) + "\n"
    if str(json_file) == "-":
        sys.stdout.write(text)
        return
    try:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(text)
    except OSError as error:
        raise click.UsageError(f"cannot write --json {json_file}: {error.strerror}") from None


def _check_writable(json_file: Path | None, out: Path) -> None:
    """Say it before the work, not after it."""
    folders = [("--out", out)] + ([("--json", json_file.parent)] if json_file is not None else [])
    if json_file is not None and json_file.is_dir():
        raise _usage(f"--json {json_file} is a folder: name a file, or - for standard output")
    for option, folder in folders:
        existing = next((above for above in (folder, *folder.absolute().parents) if above.exists()), folder)
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise _usage(f"{option}: cannot write into {existing}")


@click.group(epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """Crash-recovery and fault-injection testing.

    Is there any moment at which the machine can die, or the disk can fail, so that after the restart an acknowledged
    event is lost, an event counts twice, or something that ended is still active?
    """


@main.command(
    epilog="\b\nExamples:\n  harness run voice_call\n  harness run tests/test_log.py --profile strict --json out.json\n"
    "  harness run mypackage.scenarios:JobQueue --budget 60 --seed 7\n  harness run voice_call --quick -x --jobs 1\n"
    "\b\nExit codes: 0 held, 1 violation, 2 usage, 3 inconclusive, 4 error, 130 interrupted."
)
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@_common
@click.option("--faults/--no-faults", default=True, help="Let every call fail with every errno that makes sense.")
@click.option("--examples", type=click.IntRange(min=0), help="Random histories per scenario and profile.")
@click.option(
    "--bound", type=click.IntRange(min=1), help=f"Most distinct disks per kill-point. [default: {DEFAULT_BOUND}]"
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
    examples: int | None,
    bound: int | None,
    first: bool,
    quick: bool,
    executor: str,
    shard: str | None,
    resume: Path | None,
) -> None:
    """The gate: sweeps of all crash states, of all errors, and random histories.

    SCENARIO is a name from `harness list`, a Python file, or module:Class; without any, all that `harness list` shows.
    """
    from harness.gate.cluster import ClusterError
    from harness.gate.gate import Gate
    from harness.gate.journal import JournalError
    from harness.gate.options import ANY_VERDICT, DEFAULT_EXAMPLES, DEFAULT_PROFILES, Options
    from harness.gate.outcome import Outcome, Report
    from harness.report.mending import mendings
    from harness.report.terminal import ProgressScreen
    from harness.subjects import only_in_pytest

    if budget is not None and not budget > 0:  # NaN is neither
        raise _usage(f"--budget {budget:g} is not a positive number of seconds")
    if executor and jobs is not None:
        raise _usage("--executor and --jobs: the workers of the cluster do the work; choose one of them")
    _check_profiles(profiles)
    _check_writable(json_file, out)
    part = _shard(shard)
    console = _console(no_color, json_file)
    reports: list[Report] = []
    mends: dict[int, Sequence[str]] = {}
    found = _found(scenarios)
    for reference in scenarios:
        for name in only_in_pytest(reference):
            click.echo(f"not run: {reference}::{name} needs fixtures or parameters: run it with pytest", err=True)
    began = machine_seconds()
    for number, scenario in enumerate(found):
        own = getattr(scenario, "profiles", ())
        options = Options(
            profiles=profiles or tuple(own) or DEFAULT_PROFILES,
            seed=seed if seed is not None else getattr(scenario, "seed", 0),
            budget_s=_share(budget, began, len(found) - number)
            if budget is not None
            else getattr(scenario, "budget_s", None),
            jobs=jobs or 0,
            faults=faults and getattr(scenario, "faults", True),
            examples=DEFAULT_EXAMPLES if examples is None else examples,
            bound=bound if bound is not None else getattr(scenario, "bound", DEFAULT_BOUND),
            stop_at=ANY_VERDICT if first else None,
            quick=quick,
            executor=executor,
            shard=part,
            resume=str(resume) if resume is not None else "",
        )
        try:
            with ProgressScreen(console, quiet) as screen:
                reports.append(Gate([scenario], options).run(screen))
        except (JournalError, ClusterError) as error:
            raise _usage(str(error)) from None
        if reports[-1].interrupted:
            break
        mends.update(mendings(scenario, reports[-1]))
        if first and reports[-1].outcome == Outcome.VIOLATION:
            break
    report = _joined(reports)
    _show(console, report, out, json_file, quiet=quiet, verbose=verbose, mends=mends)
    sys.exit(report.exit_code)


def _show(
    console: Console,
    report: Any,
    out: Path,
    json_file: Path | None,
    *,
    quiet: bool,
    verbose: bool,
    mends: Mapping[int, Sequence[str]],
) -> None:
    """Save the cases, print the summary (or one word), write the JSON."""
    from harness.report.json_report import document
    from harness.report.repro_files import save_all
    from harness.report.terminal import summary

    repros: dict[int, str] = {}
    try:
        repros = save_all(report, out)
    except OSError as error:  # the findings are told all the same
        click.echo(f"error: cannot write repro files to --out {out}: {error.strerror}", err=True)
    if not quiet:
        summary(console, report, repros, verbose, mends)
    else:
        console.print(str(report.outcome))
    _write_json(document(report, __version__, repros, mends), json_file)


def _shard(text: str | None) -> Any:
    from harness.gate.shard import shard_of

    try:
        return shard_of(text) if text is not None else None
    except ValueError as error:
        raise _usage(f"--shard: {error}") from None


def _share(budget: float | None, began: float, waiting: int) -> float | None:
    """What the next of `waiting` scenarios may use of what is left: those before it may have needed less."""
    return None if budget is None else max(0.0, budget - (machine_seconds() - began)) / waiting


def _joined(reports: Sequence[Any]) -> Any:
    from harness.gate.outcome import Report

    first = reports[0]
    profiles = tuple(dict.fromkeys(name for report in reports for name in report.profiles))
    joined = Report(first.seed, profiles, wall_s=sum(report.wall_s for report in reports), shard=first.shard)
    for report in reports:
        joined.parts += report.parts
        joined.results += report.results
        joined.interrupted |= report.interrupted
    return joined


def _check_profiles(names: Sequence[str]) -> None:
    from harness.durability.profiles import profile

    for name in names:
        try:
            profile(name)
        except ValueError as error:
            raise _usage(f"--profile: {error}") from None


def _found(references: Sequence[str]) -> list[Any]:
    from harness.subjects import UnknownSubject, find, known_names

    names = references or known_names()
    if not names:
        raise _usage("no scenario is installed: name a file, or module:Class")
    found: list[Any] = []
    for reference in names:
        try:
            found += find(reference)
        except UnknownSubject as error:
            raise _usage(str(error)) from None
    return found


@main.command(name="list", epilog="\b\nExample:\n  harness list --no-color")
@click.option("--no-color", is_flag=True, help="No colours, whatever the terminal says.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the lists as JSON.")
def list_(no_color: bool, json_file: Path | None) -> None:
    """Scenarios with their workloads, seeded bugs, and durability profiles."""
    from harness.durability.profiles import PROFILES

    console = _console(no_color, json_file)
    listed: dict[str, Any] = {"scenarios": [], "bugs": [], "profiles": []}
    for scenario in _found(()):
        workloads = [*scenario.workloads(), *scenario.rehearsals()]
        listed["scenarios"].append({"name": scenario.name, "workloads": workloads})
        console.print(
            Text(f"scenario {scenario.name}", style="bold"), Text(f"workloads: {', '.join(workloads)}"), soft_wrap=True
        )
        for bug in scenario.bugs():
            listed["bugs"].append(
                {"id": bug.id, "scenario": scenario.name, "expected": bug.expected, "group": bug.group}
            )
            console.print(f"  bug {bug.id:<40} must be caught as {bug.expected}", soft_wrap=True)
    for name, rules in PROFILES.items():
        listed["profiles"].append({"name": name, "summary": rules.summary})
        console.print(f"profile {name:<18} {rules.summary}", soft_wrap=True)
    _write_json(listed, json_file)


@main.command(epilog="\b\nExamples:\n  harness bugs\n  harness bugs torn-tail-swallows-next pr-18852 --json bugs.json")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_common
def bugs(
    ids: tuple[str, ...],
    profiles: tuple[str, ...],
    budget: float | None,
    seed: int | None,
    jobs: int | None,
    json_file: Path | None,
    out: Path,
    quiet: bool,
    verbose: bool,
    no_color: bool,
) -> None:
    """Every seeded bug must be caught by the verdict it names; exit 1 if one is missed."""
    from harness.gate.hunt import Caught
    from harness.gate.options import DEFAULT_PROFILES, Options
    from harness.report.bug_table import bug_document, bug_table

    _check_profiles(profiles)
    _check_writable(json_file, out)
    references = _bug_references(ids)
    console = _console(no_color, json_file)
    workers = Options(jobs=jobs or 0).workers
    began = machine_seconds()
    caught: dict[str, Caught] = {}
    interrupted = False
    try:
        for reference, result in _hunted(references, seed or 0, profiles or DEFAULT_PROFILES, workers, budget):
            caught[reference] = result
            if not quiet:
                word = "caught" if result.caught else "MISSED"
                console.print(
                    f"{len(caught)}/{len(references)} {word} {result.id}: {result.verdict} ({result.wall_s:.1f} s)",
                    soft_wrap=True,
                )
    except KeyboardInterrupt:
        interrupted = True
    results = [caught[reference] for reference in references if reference in caught]
    document, rows = bug_document(results, out), bug_table(results)
    if not quiet:
        console.print(rows)
    missed = [result.id for result in results if not result.caught]
    unhunted = len(references) - len(results)
    console.print(
        f"{len(results) - len(missed)} of {len(references)} caught in {machine_seconds() - began:.1f} s"
        + (f"; missed: {', '.join(missed)}" if missed else "")
        + (f"; {unhunted} not hunted" if unhunted else ""),
        soft_wrap=True,
    )
    _write_json(document, json_file)
    sys.exit(130 if interrupted else 4 if any(r.error for r in results) else 1 if missed else 3 if unhunted else 0)


def _bug_references(ids: Sequence[str]) -> list[str]:
    known = {bug.id: f"{scenario.reference}/{bug.id}" for scenario in _found(()) for bug in scenario.bugs()}
    known_as = {**known, **{reference: reference for reference in known.values()}}
    unknown = [bug_id for bug_id in ids if bug_id not in known_as]
    if unknown:
        raise _usage(f"no seeded bug {', '.join(unknown)}; `harness list` shows all {len(known)}")
    if not known:
        raise _usage("no installed scenario has seeded bugs")
    return [known_as[bug_id] for bug_id in ids] if ids else list(known.values())


def _hunted(references: Sequence[str], seed: int, profiles: tuple[str, ...], workers: int, budget: float | None) -> Any:
    from harness.gate.hunt import hunt
    from harness.gate.interruption import held_back
    from harness.gate.pool import worker_pool

    deadline = machine_seconds() + budget if budget is not None else None
    if workers == 1 or len(references) == 1:
        for reference in references:
            if deadline is not None and machine_seconds() > deadline:
                return
            yield reference, hunt(reference, seed, profiles)
        return
    with worker_pool(workers) as pool:
        with held_back():
            waiting = {pool.submit(hunt, reference, seed, profiles): reference for reference in references}
        left = None if deadline is None else max(0.0, deadline - machine_seconds())
        try:
            for future in concurrent.futures.as_completed(waiting, timeout=left):
                yield waiting[future], future.result()
        except TimeoutError:
            return


@main.command(
    epilog="\b\nExamples:\n  harness replay .harness/lost-0a1b2c3d4e5f.repro.json\n  harness replay FILE --json -"
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='{"verdict", "trace_digest", "matches"}; - is standard output.',
)
@click.option("-q", "--quiet", is_flag=True, help="No timeline.")
@click.option("-v", "--verbose", is_flag=True, help="The whole timeline.")
@click.option("--no-color", is_flag=True, help="No colours, whatever the terminal says.")
def replay(file: Path, json_file: Path | None, quiet: bool, verbose: bool, no_color: bool) -> None:
    """Play one saved case as a timeline; exit 1 when the violation shows again, 0 when it does not."""
    from harness.explore.life import WorldEscape
    from harness.report.timeline import show
    from harness.repro import ReproError, load
    from harness.repro import replay as play_again

    console = _console(no_color, json_file)
    try:
        loaded = load(file)
        result = play_again(loaded)
    except ReproError as error:
        raise _usage(str(error)) from None
    except WorldEscape as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(4)
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)
    if not quiet:
        show(console, result, verbose)
    console.print(f"{result.verdict}; trace {'matches' if result.matches else 'differs from'} the saved one")
    _write_json(
        {"verdict": result.verdict, "trace_digest": result.played.trace_digest, "matches": result.matches}, json_file
    )
    sys.exit(1 if result.violated or result.played.violations else 0)


main.add_command(explain)
main.add_command(merge)

if __name__ == "__main__":
    main()
