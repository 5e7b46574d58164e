"""`harness record`: any program on a mounted folder, every operation of it in a trace file."""

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import quiet_option, seed_option
from harness.commands.program_options import (
    http_option,
    http_ports,
    mmap_option,
    root_option,
    setup_of,
    setup_option,
    stacks_option,
    timeout_option,
)

if TYPE_CHECKING:
    from harness.frontends.mounted.recording import Recorded


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="\b\nExamples:\n"
    "  harness record --root /tmp/box -o writer.trace -- python3 writer.py {root}\n"
    "  harness record --root /tmp/box -o git.trace --setup 'git init -q {root}' -- \\\n"
    "      sh -c 'cd {root} && echo 1 > a && git add a && git commit -qm one && echo committed'\n"
    "  harness crash writer.trace --check 'python3 check.py {root}'   # then: every state a crash may leave\n"
    "  harness record --root /tmp/box -o srv.trace --http 8080:9090 -- ./drive-server.sh   # clients ask port 8080\n"
    "\b\nEach line that the program prints is a mark: what it tells the world. Flush each one, or start C programs through\n"
    "`stdbuf -oL`: what waits in a buffer has not been told.\n"
    "\b\nExit codes: 0 recorded, 2 usage, 4 recorded but the program failed or ran out of time, 130 interrupted (the trace\n"
    "up to there is kept).",
)
@root_option
@click.option(
    "-o",
    "--output",
    "trace_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="TRACE",
    help="Trace file to write.",
)
@setup_option
@timeout_option("Kill the program after this long.")
@mmap_option
@stacks_option
@http_option
@seed_option("Seed of the order in which folders are listed; 0: by name.")
@quiet_option("Only what the program prints.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD...")
def record(
    root: Path,
    trace_file: Path,
    setup: str | None,
    timeout: float | None,
    mmap: bool,
    stacks: bool,
    http: tuple[str, ...],
    seed: int | None,
    quiet: bool,
    command: tuple[str, ...],
) -> None:
    """Run CMD and record every operation on the folder DIR.

    DIR must be empty (it is made when missing): a file system in memory is mounted on it while CMD runs, and what CMD did
    is written to TRACE. {root} in CMD and the variable HARNESS_ROOT name the folder. CMD can be any program, in any
    language, with threads and child processes; what it does elsewhere is not recorded.
    """
    from harness.frontends.mounted.recording import Run, SetupFailed, record_until_signalled
    from harness.frontends.mounted.requirements import MountError
    from harness.frontends.mounted.session import ProgramError
    from harness.trace import encode

    _check_place(trace_file)
    run = Run(root, command, setup_of(setup), timeout, seed or 0, not mmap, stacks, http_ports(http))
    try:
        result = record_until_signalled(run, printed=_to_stdout, complained=_to_stderr)
    except (MountError, ProgramError, SetupFailed) as error:
        raise click.UsageError(str(error)) from None
    _write(trace_file, encode(result.trace))
    if not quiet:
        for line in _told(result, trace_file):
            click.echo(f"harness: {line}", err=True)
    sys.exit(130 if result.interrupted else 0 if result.ended.exit_code == 0 else 4)


def _check_place(trace_file: Path) -> None:
    """Say it before the run, not after it."""
    folder = trace_file.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise click.UsageError(f"-o {trace_file}: cannot write into {folder}")


def _write(trace_file: Path, data: bytes) -> None:
    """All of it, or what was there before."""
    part = trace_file.with_name(f".{trace_file.name}.part")
    try:
        part.write_bytes(data)
        part.replace(trace_file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise click.UsageError(f"cannot write -o {trace_file}: {error.strerror}") from None


def _to_stdout(data: bytes) -> None:
    _pass_on(1, data)


def _to_stderr(data: bytes) -> None:
    _pass_on(2, data)


def _pass_on(descriptor: int, data: bytes) -> None:
    """What the program writes; nobody may be reading it any more, which is no reason to stop recording."""
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]


def _told(result: "Recorded", trace_file: Path) -> list[str]:
    trace = result.trace
    callers = {source.process.pid for source in trace.sources if source is not None and source.process} - {0}
    marks = len(trace) - trace.operation_count
    lines = [
        f"{_count(trace.operation_count, 'operation')} of {_count(len(callers), 'process', 'processes')} and "
        f"{_count(marks, 'mark')} in {trace_file}; {_ending(result)}"
    ]
    if not trace.operation_count:
        lines.append("nothing was changed in the folder: does the program use {root} or HARNESS_ROOT?")
    elif result.marks_only_at_the_end:
        lines.append(
            "every line came after the last operation: if the program should have told something earlier, it buffers "
            "its output; flush each line, set PYTHONUNBUFFERED=1, or start it through `stdbuf -oL`"
        )
    if result.ended.left:
        lines.append(f"{_count(result.ended.left, 'process', 'processes')} still ran when the first one ended: killed")
    return lines


def _ending(result: "Recorded") -> str:
    code = result.ended.exit_code
    if result.ended.timed_out:
        return "the program ran out of time and was killed"
    if code is None:
        return "the program was killed"
    if code < 0:
        return f"the program was ended by {signal.Signals(-code).name}"
    return f"the program ended with exit code {code}"


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
