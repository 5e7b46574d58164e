"""The options of the commands that run any program on a mounted folder: `record` and `fault`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

from harness.commands.options import Decorator

root_option: Final = click.option(
    "--root",
    required=True,
    type=Path,  # click.Path would look at it: a mount that does not answer would keep us waiting
    metavar="DIR",
    help="Folder to mount on; empty, or not there yet.",
)
setup_option: Final = click.option(
    "--setup", metavar="CMD", help="Fills the folder first; all it does is durable and not recorded."
)
mmap_option: Final = click.option(
    "--mmap",
    is_flag=True,
    help="Let the kernel's page cache stand between, for shared mappings on kernels before 6.6; writes may arrive cut.",
)
stacks_option: Final = click.option(
    "--stacks",
    is_flag=True,
    help="Name the source line of each operation, of Node programs and (slowly, through py-spy) of Python ones.",
)
http_option: Final = click.option(
    "--http",
    multiple=True,
    metavar="FRONT:BACK",
    help="Pass HTTP on from port FRONT to the program's port BACK; each request and each answer is a mark. Repeatable.",
)


def http_ports(texts: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """(front, back) of each. UsageError for what is no pair of ports."""
    pairs: list[tuple[int, int]] = []
    for text in texts:
        front, _, back = text.partition(":")
        known = front.isdecimal() and back.isdecimal() and 0 < int(front) < 65_536 and 0 < int(back) < 65_536
        if not known or front == back:
            raise click.UsageError(
                f"--http {text} is no pair of different ports: write FRONT:BACK, for example 8080:9090"
            )
        pairs.append((int(front), int(back)))
    return tuple(pairs)


def timeout_option(text: str, default: float | None = None) -> Decorator:
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=default,
        show_default=default is not None,
        metavar="SECONDS",
        help=text,
    )


def setup_of(text: str | None) -> Callable[[str], Sequence[str]] | None:
    """From the path of the folder to the words of the setup. UsageError for what is no command."""
    from harness.anyprogram.command_line import CommandLineError, command_line

    if text is None:
        return None
    try:
        return command_line(text).for_root
    except CommandLineError as error:
        raise click.UsageError(f"--setup: {error}") from None
