"""`harness doctor`: what works on this machine."""

import sys
from pathlib import Path

import click

from harness import __version__
from harness.commands.options import json_option, no_color_option, quiet_option
from harness.commands.output import console, write_json


@click.command(
    epilog="\b\nExamples:\n  harness doctor\n  harness doctor --json -\n"
    "\b\nExit codes: 0 all that the harness needs is there, 2 usage, 4 something that it needs is missing."
)
@json_option("Write what was found as JSON; - is standard output.")
@quiet_option("Only what is missing.")
@no_color_option()
def doctor(json_file: Path | None, quiet: bool, no_color: bool) -> None:
    """What works on this machine, and what each missing thing would give."""
    import msgspec
    from rich.text import Text

    from harness.machine import checks

    screen = console(no_color, json_file)
    found = checks()
    for check in found:
        if quiet and check.works:
            continue
        word = (
            Text("works  ", style="green")
            if check.works
            else Text("missing", style="red" if check.needed else "yellow")
        )
        screen.print(word, Text(f"{check.name}: {check.found}"), soft_wrap=True)
        if not check.works:
            screen.print(Text(f"        would give {check.gives}"), soft_wrap=True)
    lacking = [check.name for check in found if check.needed and not check.works]
    code = 4 if lacking else 0
    screen.print(f"needed and missing: {', '.join(lacking)}" if lacking else "all that is needed is there")
    write_json(
        {"schema": 1, "version": __version__, "checks": [msgspec.to_builtins(check) for check in found]}, json_file
    )
    sys.exit(code)
