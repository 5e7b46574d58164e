"""`harness judge BUNDLE`: the stored disk and ledger, judged by the contract as it is now."""

import sys
from pathlib import Path

import click

from harness.commands.options import json_option, no_color_option, quiet_option
from harness.commands.output import console, write_json


@click.command(
    epilog="\b\nExamples:\n  harness judge .harness/lost-0a1b2c3d4e5f\n  harness judge BUNDLE --json -\n"
    "\b\nExit codes: 0 nothing is violated now, 1 something is, 2 usage (no bundle, or nothing to judge), 4 error."
)
@click.argument("bundle", type=click.Path(path_type=Path))
@json_option('{"verdict", "matches", "violations"}; - is standard output.')
@quiet_option()
@no_color_option()
def judge(bundle: Path, json_file: Path | None, quiet: bool, no_color: bool) -> None:
    """Restart the subject on the disk in a bundle and judge it; the workload is not run again.

    Runs the scenario that the bundle names, as `harness replay` does: look at a stranger's with `harness show` first.
    """
    from harness.explore.judged_again import UnfitWorld, judge_again
    from harness.explore.life import WorldEscape
    from harness.ledger import Ledger
    from harness.report.opened_bundle import BundleError, image_of, open_bundle, world_of
    from harness.report.visible_text import on_one_line
    from harness.repro import ReproError, changed_sources, scenario_of

    screen = console(no_color, json_file)
    try:
        opened = open_bundle(bundle)
        image, remembered = image_of(opened), world_of(opened)
    except BundleError as error:
        raise click.UsageError(on_one_line(str(error))) from None
    case = opened.repro.case
    try:
        judged = judge_again(
            scenario_of(opened.repro),
            case.workload,
            image,
            Ledger.of(opened.marks),
            remembered,
            at=opened.state.at,
            seed=case.seed,
            fault_fired=opened.state.fault_fired,
        )
    except (ReproError, UnfitWorld) as error:
        raise click.UsageError(on_one_line(str(error))) from None
    except WorldEscape as error:
        click.echo(f"error: {on_one_line(str(error))}", err=True)
        sys.exit(4)
    except Exception as error:  # a contract meets a world that its own provider would never have left behind
        what = on_one_line(f"{type(error).__name__}: {error}")
        click.echo(f"error: {case.scenario} cannot judge what is stored in {bundle}: {what}", err=True)
        sys.exit(4)
    lacking = (
        [f"{opened.state.lacks} is not stored: what compares with it was not judged"] if opened.state.lacks else []
    )
    for warning in [*changed_sources(case), *lacking]:
        click.echo(f"note: {on_one_line(warning)}", err=True)
    rows = [
        {"phase": str(told.phase), "verdict": told.violation.verdict, "summary": told.violation.summary}
        for told in judged.violations
    ]
    matches = any(row["verdict"] == case.verdict and row["phase"] == case.phase for row in rows)
    if not quiet:
        for row in rows:
            screen.print(
                on_one_line(f"{row['phase']}: {row['verdict']}: {row['summary']}"), markup=False, soft_wrap=True
            )
    verdict = case.verdict if matches else rows[0]["verdict"] if rows else "held"
    same = "as saved" if matches else f"the saved verdict was {on_one_line(case.verdict)}"
    screen.print(f"{verdict}; {same}", markup=False, soft_wrap=True)
    write_json({"verdict": verdict, "matches": matches, "violations": rows}, json_file)
    sys.exit(1 if rows else 0)
