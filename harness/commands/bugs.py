"""`harness bugs`: is the harness able to catch what it must catch?"""

import concurrent.futures
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from harness import __version__
from harness.commands.options import (
    check_page,
    check_profiles,
    check_writable,
    common_options,
    found_scenarios,
    html_option,
)
from harness.commands.output import console, write_json, write_page

if TYPE_CHECKING:
    from harness.gate.hunt import Caught


PAGE_S: Final = 60.0
"""Seconds for the replays of a page: there are as many as bugs."""


@click.command(
    epilog="\b\nExamples:\n  harness bugs\n  harness bugs torn-tail-swallows-next pr-18852 --json bugs.json\n"
    "  harness bugs --html bugs.html"
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@common_options
@html_option("Write a page with the finding that caught each bug, and its lanes.")
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
    html_file: Path | None,
) -> None:
    """Every seeded bug must be caught by the verdict it names; exit 1 if one is missed."""
    from harness.clock import machine_seconds
    from harness.gate.hunt import Caught
    from harness.gate.options import DEFAULT_PROFILES, Options
    from harness.report.bug_table import bug_document, bug_table

    check_profiles(profiles)
    check_writable(json_file, out)
    check_page(html_file)
    references = _bug_references(ids)
    screen = console(no_color, json_file)
    workers = Options(jobs=jobs or 0).workers
    began = machine_seconds()
    caught: dict[str, Caught] = {}
    interrupted = False
    try:
        for reference, result in _hunted(references, seed or 0, profiles or DEFAULT_PROFILES, workers, budget):
            caught[reference] = result
            if not quiet:
                word = "caught" if result.caught else "MISSED"
                screen.print(
                    f"{len(caught)}/{len(references)} {word} {result.id}: {result.verdict} ({result.wall_s:.1f} s)",
                    soft_wrap=True,
                )
    except KeyboardInterrupt:
        interrupted = True
    results = [caught[reference] for reference in references if reference in caught]
    document, rows = bug_document(results, out), bug_table(results)
    if not quiet:
        screen.print(rows)
    missed = [result.id for result in results if not result.caught]
    unhunted = len(references) - len(results)
    screen.print(
        f"{len(results) - len(missed)} of {len(references)} caught in {machine_seconds() - began:.1f} s"
        + (f"; missed: {', '.join(missed)}" if missed else "")
        + (f"; {unhunted} not hunted" if unhunted else ""),
        soft_wrap=True,
    )
    write_json(document, json_file)
    if html_file is not None:
        write_page(_page(results, {bug["id"]: bug["repro"] for bug in document["bugs"]}), html_file)
    sys.exit(130 if interrupted else 4 if any(r.error for r in results) else 1 if missed else 3 if unhunted else 0)


def _page(results: "Sequence[Caught]", repros: Mapping[str, str]) -> str:
    """The page of these bugs, each finding played once more; `repros` are by bug."""
    from harness.report.bug_table import in_catalogue_order
    from harness.report.html.page import bugs_page
    from harness.report.retelling import story_of
    from harness.report.story import Story
    from harness.report.telling import tellings

    ordered = in_catalogue_order(results)
    stories: dict[int, Story | str] = {}
    for told in tellings((one.finding for one in ordered if one.finding is not None), PAGE_S):
        stories[id(told.finding)] = story_of(told.replay) if told.replay is not None else told.why_not
    paths = {id(one.finding): repros[one.id] for one in ordered if one.finding is not None}
    return bugs_page(ordered, stories, paths, __version__)


def _bug_references(ids: Sequence[str]) -> list[str]:
    known = {bug.id: f"{scenario.reference}/{bug.id}" for scenario in found_scenarios(()) for bug in scenario.bugs()}
    known_as = {**known, **{reference: reference for reference in known.values()}}
    unknown = [bug_id for bug_id in ids if bug_id not in known_as]
    if unknown:
        raise click.UsageError(f"no seeded bug {', '.join(unknown)}; `harness list` shows all {len(known)}")
    if not known:
        raise click.UsageError("no installed scenario has seeded bugs")
    return [known_as[bug_id] for bug_id in ids] if ids else list(known.values())


def _hunted(
    references: Sequence[str], seed: int, profiles: tuple[str, ...], workers: int, budget: float | None
) -> "Iterator[tuple[str, Caught]]":
    """(reference, result) as they come; fewer than all when the budget ends."""
    from harness.clock import machine_seconds
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
