"""The options that mean the same everywhere, and what is checked before the work starts.

Options without a word of their own are decorators; the others take their help text. `common_options` is the bundle of
the commands that judge. Each check raises click.UsageError (exit code 2), naming the option and the value.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import click

if TYPE_CHECKING:
    from harness.explore.recording import AnyScenario

DEFAULT_BOUND: Final = 65_536
"""Most distinct disks per kill-point where nobody says otherwise."""

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class Decorator(Protocol):
    """Adds an option to a command."""

    def __call__(self, command: CommandT, /) -> CommandT: ...


def _profiles_like(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """For the shell's completion."""
    from harness.durability.profiles import PROFILES

    return [name for name in PROFILES if name.startswith(begun)]


profile_option = click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME",
    help="Durability profile; repeatable.",
    shell_complete=_profiles_like,
)
jobs_option = click.option("--jobs", type=click.IntRange(min=1), help="Worker processes. [default: one a processor]")
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".harness"),
    show_default=True,
    metavar="DIR",
    help="Folder for repro files.",
)


def budget_option(text: str = "Stop after this long; what is left goes to histories.") -> Decorator:
    return click.option("--budget", type=float, metavar="SECONDS", help=text)


def seed_option(text: str = "Seed of names, ids, order and random histories.") -> Decorator:
    """None when it is not given: a scenario may have a seed of its own."""
    return click.option("--seed", type=int, default=None, help=f"{text} [default: 0]")


def json_option(text: str = "Write the result as JSON; - is standard output.") -> Decorator:
    return click.option("--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help=text)


def html_option(text: str = "Write a page that a browser opens without a network.") -> Decorator:
    return click.option("--html", "html_file", type=click.Path(path_type=Path), metavar="FILE", help=text)


def quiet_option(text: str = "Only the outcome.") -> Decorator:
    return click.option("-q", "--quiet", is_flag=True, help=text)


def verbose_option(text: str = "More detail.") -> Decorator:
    return click.option("-v", "--verbose", is_flag=True, help=text)


def no_color_option(text: str = "No colours, whatever the terminal says.") -> Decorator:
    return click.option("--no-color", is_flag=True, help=text)


def common_options(command: CommandT) -> CommandT:
    """profile, budget, seed, jobs, json, out, quiet, verbose, no-color, in this order."""
    options: list[Decorator] = [
        profile_option,
        budget_option(),
        seed_option(),
        jobs_option,
        json_option(),
        out_option,
        quiet_option(),
        verbose_option(),
        no_color_option(),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def check_profiles(names: Sequence[str]) -> None:
    from harness.durability.profiles import profile

    for name in names:
        try:
            profile(name)
        except ValueError as error:
            raise click.UsageError(f"--profile: {error}") from None


def check_budget(seconds: float | None) -> None:
    if seconds is not None and not seconds > 0:  # NaN is neither
        raise click.UsageError(f"--budget {seconds:g} is not a positive number of seconds")


def check_writable(json_file: Path | None, out: Path) -> None:
    """Say it before the work, not after it."""
    folders = [("--out", out)] + ([("--json", json_file.parent)] if json_file is not None else [])
    if json_file is not None and json_file.is_dir():
        raise click.UsageError(f"--json {json_file} is a folder: name a file, or - for standard output")
    for option, folder in folders:
        existing = next((above for above in (folder, *folder.absolute().parents) if above.exists()), folder)
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise click.UsageError(f"{option}: cannot write into {existing}")


def check_page(html_file: Path | None) -> None:
    """Say it before the work that the page cannot be written."""
    if html_file is None:
        return
    if html_file.is_dir():
        raise click.UsageError(f"--html {html_file} is a folder: name a file")
    folder = next(above for above in html_file.absolute().parents if above.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise click.UsageError(f"--html: cannot write into {folder}")


def found_scenarios(references: Sequence[str]) -> "list[AnyScenario]":
    """Those that the references name; without any, all that are installed."""
    from harness.subjects import UnknownSubject, find, known_names

    names = references or known_names()
    if not names:
        raise click.UsageError("no scenario is installed: name a file, or module:Class")
    found: list[AnyScenario] = []
    for reference in names:
        try:
            found += find(reference)
        except UnknownSubject as error:
            raise click.UsageError(str(error)) from None
    return found
