"""The command line: the group `harness`; each command is a file of harness/commands, imported when it is asked for.

Exit codes are in `EXIT_CODES` of harness.gate.outcome:
0 held · 1 violation · 2 usage · 3 inconclusive · 4 the harness or the subject failed by itself · 130 interrupted.
"""

import pkgutil
from typing import Final

import click

from harness import __version__

COMMANDS: Final = {
    "bugs": "harness.commands.bugs:bugs",
    "crash": "harness.commands.crash:crash",
    "doctor": "harness.commands.doctor:doctor",
    "explain": "harness.commands.explain:explain",
    "init": "harness.commands.init:init",
    "judge": "harness.commands.judge:judge",
    "fault": "harness.commands.fault:fault",
    "list": "harness.commands.listing:listing",
    "merge": "harness.commands.merge:merge",
    "record": "harness.commands.record:record",
    "replay": "harness.commands.replay:replay",
    "run": "harness.commands.run:run",
    "show": "harness.commands.show:show",
    "shrink": "harness.commands.shrink:shrink",
    "watch": "harness.commands.watch:watch",
}
"""Where each command lives, as module:name."""

_EXAMPLES = """\b
Examples:
  harness run voice_call
  harness run tests/test_log.py --profile ext4 --profile xfs
  harness bugs torn-tail-swallows-next
  harness replay .harness/lost-0a1b2c3d4e5f.repro.json

\b
Completion (bash; zsh and fish in the same way):
  eval "$(_HARNESS_COMPLETE=bash_source harness)"
"""


class CommandFiles(click.Group):
    """The commands of `COMMANDS`: a run of one does not pay for the imports of the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = pkgutil.resolve_name(COMMANDS[cmd_name])
        return command


@click.group(
    cls=CommandFiles,
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """Crash-recovery and fault-injection testing.

    Is there any moment at which the machine can die, or the disk can fail, so that after the restart an acknowledged
    event is lost, an event counts twice, or something that ended is still active?
    """


if __name__ == "__main__":
    main()
