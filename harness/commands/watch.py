"""`harness watch`: saved cases and a quick sweep again, whenever a source file changes."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from harness.commands.options import no_color_option, out_option
from harness.commands.output import console

if TYPE_CHECKING:
    from rich.console import Console

    from harness.watching.errands import Errand

MOST_CASES: Final = 20

_CASE_SAYS: Final = {0: "does not show any more", 1: "still shows"}


@click.command(
    epilog="\b\nExamples:\n  harness watch tests/test_log.py\n  harness watch voice_call --path scenarios\n"
    "  harness watch                # the saved cases, and what `harness list` shows\n"
    "\b\nExit codes: 130 ended by Ctrl-C (there is no other end), 2 usage."
)
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@click.option(
    "--path",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Watch the sources below this folder; repeatable. [default: the current one]",
)
@click.option(
    "--cases", type=click.IntRange(min=0), default=MOST_CASES, show_default=True, help="Most saved cases, newest first."
)
@out_option
@no_color_option()
def watch(scenarios: tuple[str, ...], roots: tuple[Path, ...], cases: int, out: Path, no_color: bool) -> None:
    """Replay the saved cases and sweep quickly (`harness run --quick`), now and after each change of a source file.

    Each is a process of its own, so that it sees the sources as they are. A change in the middle begins the round anew.
    """
    from harness.subjects import known_names
    from harness.watching.errands import errands
    from harness.watching.sources import Sources
    from harness.watching.watch import watch as watching

    swept = scenarios or tuple(known_names())
    if not errands(out, cases, swept):
        raise click.UsageError(f"nothing to run: {out} has no saved case; name a scenario or a file")
    signal.signal(signal.SIGTERM, _interrupted)
    screen = console(no_color)
    try:
        watching(Sources(roots or (Path(),)), lambda: errands(out, cases, swept), _Screen(screen))
    except KeyboardInterrupt:
        screen.print("left")
        sys.exit(130)


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


class _Screen:
    """Tells a person what the watcher does (`harness.watching.watch.Listener`)."""

    def __init__(self, screen: "Console") -> None:
        self._screen = screen

    def begins(self, files: Sequence[str], errands: "Sequence[Errand]") -> None:
        why = f"{', '.join(files[:3])}{' …' if len(files) > 3 else ''} changed" if files else "first round"
        self._say(f"\n{why}", style="bold")

    def starts(self, errand: "Errand") -> None:
        if errand.spoken:
            self._say(errand.name)

    def ended(self, errand: "Errand", exit_code: int, said: str) -> None:
        if errand.spoken:
            return
        lines = said.strip().splitlines()
        says = _CASE_SAYS.get(exit_code, f"cannot be played: {lines[-1] if lines else f'exit code {exit_code}'}")
        self._say(f"{errand.name}  {says}")

    def waits(self, finished: bool) -> None:
        self._say("waiting for a change; Ctrl-C leaves" if finished else "cut short by a change")

    def _say(self, line: str, style: str | None = None) -> None:
        self._screen.print(line, style=style, markup=False, soft_wrap=True)
        self._screen.file.flush()
