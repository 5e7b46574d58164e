"""`harness show BUNDLE|REPRO`: what is in it, in the terminal; nothing of it is run."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from harness.commands.options import verbose_option

if TYPE_CHECKING:
    from harness.report.opened_bundle import Bundle
    from harness.repro import ReproFile

PARTS: Final = ("timeline", "case", "disk", "diff", "ledger", "faults")

LINES: Final = 40
"""Of one part; `--verbose` shows all."""


@click.command(
    epilog="\b\nExamples:\n  harness show .harness/lost-0a1b2c3d4e5f\n  harness show BUNDLE --part diff --part ledger\n"
    "  harness show .harness/lost-0a1b2c3d4e5f.repro.json"
)
@click.argument("path", metavar="BUNDLE|REPRO", type=click.Path(path_type=Path))
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Only this part; repeatable.")
@verbose_option(f"Whole parts, not {LINES} lines of each.")
def show(path: Path, parts: tuple[str, ...], verbose: bool) -> None:
    """Walk through a bundle or a saved case: timeline, case, disk, differing bytes, ledger, faults. Runs no code of it."""
    from harness.anyprogram.case_file import CaseError, is_case_file
    from harness.report.opened_bundle import BundleError, open_bundle
    from harness.report.visible_text import on_one_line
    from harness.repro import ReproError, load

    try:
        if path.is_dir():
            opened = open_bundle(path)
            told = {name: list(_part(opened, name)) for name in parts or PARTS}
        else:
            told = _check_parts(path) if is_case_file(path) else {"case": list(case_lines(load(path)))}
            if absent := [name for name in parts if name not in told]:
                raise click.UsageError(f"--part {absent[0]}: {path} is a saved case, which has no such part")
            told = {name: text for name, text in told.items() if not parts or name in parts}
    except (BundleError, ReproError, CaseError) as error:
        raise click.UsageError(on_one_line(str(error))) from None
    for name, text in told.items():
        click.echo(click.style(f"== {name}", bold=True))
        for line in text if verbose else text[:LINES]:
            click.echo(on_one_line(line))
        if len(text) > LINES and not verbose:
            click.echo(f"… {len(text) - LINES} more lines: --part {name} --verbose")
        click.echo()
    if path.is_dir():
        click.echo(f"judge it again: harness judge {path}")
    click.echo(f"play it again:  harness replay {path / 'repro.json' if path.is_dir() else path}")


def _check_parts(path: Path) -> dict[str, list[str]]:
    """Of a case of any program, whose trace is in it. CaseError for an unusable file."""
    from harness.anyprogram.case_file import load_case
    from harness.report.byte_view import diff_lines
    from harness.report.check_story import story_of_check
    from harness.report.short_timeline import decisive, timeline_lines

    case = load_case(path)
    story = story_of_check(case)
    chapter = decisive(story)
    crash = chapter.crash if chapter is not None else None
    head = [f"{story.verdict}: {story.summary}", f"checker   {case.check}", f"typed in  {case.typed_in}"]
    files = crash.files if crash is not None else ()
    return {
        "timeline": timeline_lines(story, head),
        "disk": [f"{file.after:<24}{file.path}" for file in files],
        "diff": list(diff_lines(files)),
    }


def _part(bundle: "Bundle", name: str) -> Iterator[str]:
    from harness.report.opened_bundle import text_in

    match name:
        case "case":
            yield from case_lines(bundle.repro)
        case "disk":
            yield from _disk_lines(bundle)
        case "ledger":
            for number, mark in enumerate(bundle.marks):
                detail = ", ".join(f"{key}={value}" for key, value in mark.detail.items())
                yield f"{number:>5}  {mark.kind:<13}{mark.event}{f' ({detail})' if detail else ''}"
        case "faults":
            yield from text_in(bundle, "faults.json").splitlines()
        case _:
            yield from text_in(bundle, f"{name}.txt").splitlines()


def _disk_lines(bundle: "Bundle") -> Iterator[str]:
    from harness.report.opened_bundle import image_of
    from harness.report.retelling import node_in_words

    if bundle.state.cannot:
        yield bundle.state.cannot
        return
    for path, _, node in image_of(bundle).walk():
        yield f"{node_in_words(node):<24}{path}"
    for sentence in bundle.state.left_out:
        yield f"left out of the folder: {sentence}"


def case_lines(file: "ReproFile") -> Iterator[str]:
    """The saved case: what it claims, the deaths, what survived none of them, faults and steps."""
    from harness.statemachine import words

    case = file.case
    yield f"{case.verdict}: {case.summary}"
    yield case.guarantee
    yield f"scenario {case.scenario}, workload {case.workload}, seed {case.seed}, seen in the phase {case.phase}"
    if file.operation:
        yield f"operation {file.operation}" + (f", issued by {file.source}" if file.source else "")
    if case.plan is not None:
        yield f"fault {case.plan.describe()}"
    if case.recovery_plan is not None:
        yield f"fault in the recovery {case.recovery_plan.describe()}"
    for number, step in enumerate(case.steps, 1):
        yield f"step {number}: {words(step)}"
    for number, death in enumerate(case.deaths, 1):
        kind = "process killed" if death.state.profile == "process" else f"power cut ({death.state.profile})"
        yield f"death {number}: {kind} at kill-point {death.position}"
        for unit in death.state.missing:
            yield f"  part {unit.part} of item {unit.operation} did not survive"
        if death.state.cut is not None:
            yield f"  the write at item {death.state.cut[0]} stopped after {death.state.cut[1]} bytes"
    for name, digest in case.sources.items():
        yield f"source {name} {digest}"
