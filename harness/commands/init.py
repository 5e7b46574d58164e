"""`harness init`: a first test for somebody's own program, and a workflow that runs it."""

from pathlib import Path

import click


@click.command(
    epilog="\b\nExamples:\n  harness init                 # looks at the Python files below this folder\n"
    "  harness init src/jobs.py\n  harness init ./server       # any program: recorded as it runs (needs FUSE)\n"
    "\b\nExit codes: 0 written, 2 usage (nothing found to test, or a file is in the way: nothing is written over)."
)
@click.argument("path", required=False, default=Path(), type=click.Path(path_type=Path))
def init(path: Path) -> None:
    """Look at the program at PATH and write a test for it, and a workflow file, into the current folder.

    The program is read, not run. What is written works as it stands, and says in comments what it took for granted.
    """
    from harness.adoption.plan import NothingToTest, plan_for

    here = Path.cwd()
    try:
        plan = plan_for(path, here)
    except NothingToTest as error:
        raise click.UsageError(str(error)) from None
    in_the_way = [name for name in plan.files if (here / name).exists() or (here / name).is_symlink()]
    if in_the_way:
        raise click.UsageError(
            f"{', '.join(in_the_way)}: there already, and nothing is written over; move it away first"
        )
    for name, text in plan.files.items():
        _write(here / name, text)
    for line in plan.about:
        click.echo(line)
    for name in plan.files:
        click.echo(f"wrote {name}")
    if not (here / ".git").exists():
        click.echo("note: GitHub reads .github/ at the root of a repository only; this folder has no .git")
    click.echo(f"now:  {plan.run}")


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except OSError as error:
        raise click.UsageError(f"cannot write {file}: {error.strerror}") from None
