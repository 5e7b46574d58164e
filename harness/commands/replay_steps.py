"""`harness replay --step`, `--at` and `--pdb`: to and fro through one case, and into the subject."""

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rich.console import Console

    from harness.repro import Replay

KEYS: Final = "Enter or n: next · b: back · a number: go there · d: the death · t: the beginning · q: leave"


def show_at(screen: "Console", replay: "Replay", moment: int) -> None:
    """One moment. UsageError where the case has no such moment."""
    from harness.report.stepping import Walk, show_moment

    walk = Walk(replay)
    if not 0 <= moment < len(walk.moments):
        raise click.UsageError(f"--at {moment}: this case has moments 0 to {len(walk.moments) - 1}")
    walk.go(moment)
    show_moment(screen, walk)


def step_through(screen: "Console", replay: "Replay") -> None:
    """Read keys from standard input, a line each, until q or its end."""
    from harness.report.stepping import Walk, show_moment

    walk = Walk(replay)
    walk.go(walk.first_death)
    screen.print(KEYS, markup=False)
    show_moment(screen, walk)
    while (key := _key()) != "q":
        if key in ("", "n"):
            walk.go(walk.at + 1)
        elif key == "b":
            walk.go(walk.at - 1)
        elif key == "d":
            walk.go(walk.first_death)
        elif key == "t":
            walk.go(0)
        elif key.isascii() and key.isdigit():
            walk.go(int(key))
        else:
            screen.print(KEYS, markup=False)
            continue
        show_moment(screen, walk)


def stop_in_subject(replay: "Replay") -> None:
    """The debugger, where the first death comes."""
    from harness.debugging import NothingToStopIn, stop_at_kill_point
    from harness.repro import ReproError, scenario_of

    try:
        stop_at_kill_point(scenario_of(replay.file), replay.file.case)
    except (NothingToStopIn, ReproError) as error:
        raise click.UsageError(f"--pdb: {error}") from None


def _key() -> str:
    try:
        return str(click.prompt("", default="", show_default=False, prompt_suffix="> ")).strip().lower()
    except click.Abort:
        return "q"
