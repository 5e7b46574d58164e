"""How near `harness crash` comes to the rate at which its checker can be spawned at all, on two processors.

The right side starts the same checker in a folder that already holds a state, as lean as Python can (`posix_spawn`, no
input, no output, two processes), and does nothing else. The left side sweeps a recorded run: enumerates the states,
restores each, starts the checker, reads what it says. Both use two workers, in turns; the ratio is the median.

"processor" is the same ratio in processor time, checkers included: what the wall clock says on a machine that is not
shared with others, as long as both processors are busy.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from harness.anyprogram.checker import Checker, checker
from harness.anyprogram.recorded_run import RecordedRun, run_of
from harness.anyprogram.state_folder import StateFolder
from harness.anyprogram.state_home import state_home
from harness.anyprogram.sweep import Request, Sweep
from harness.clock import machine_seconds
from harness.trace import Create, Mark, Program, Trace, Write

WORKERS: Final = 2
GOAL: Final = 0.8

SCRIPT: Final = """\
import sys
found = open("log").read().split() if __import__("os").path.exists("log") else []
sys.exit(0)
"""


def unsynced_log(records: int) -> RecordedRun:
    """A log that nobody syncs: every record is a mark, every byte a state."""
    trace = Trace((), Program(("log",)))
    trace.record(Create(2, 1, "log"), None, 0.0)
    for number in range(records):
        trace.record(Write(2, 40 * number, b"%039d\n" % number), None, 0.0)
        trace.record(Mark("printed", str(number)), None, 0.0)
    return run_of("log", trace)


class Side(msgspec.Struct, frozen=True):
    """`rate`: checkers per second; `processor_s`: of ours and theirs, each."""

    rate: float
    processor_s: float


def processor_s() -> float:
    """Used so far by this process and by those it has waited for."""
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def swept_side(used: Checker, run: RecordedRun) -> Side:
    """The whole way: enumerate, restore, check."""
    began = processor_s()
    with state_home() as home:
        swept = Sweep(run, used, Request(jobs=WORKERS)).sweep(home)
    return Side(swept.checks / swept.wall_s, (processor_s() - began) / swept.checks)


def spawned_side(used: Checker, run: RecordedRun, checks: int) -> Side:
    """What two processes can start and wait for."""
    used_before = processor_s()
    with state_home() as home:
        folders = [StateFolder(home / f"w{number}").restore(run.disk_at(run.end)) for number in range(WORKERS)]
        began = machine_seconds()
        pids = [_spawner(used.command.for_root(str(folder)), folder, checks // WORKERS) for folder in folders]
        for pid in pids:
            os.waitpid(pid, 0)
        spawned = checks // WORKERS * WORKERS
        return Side(spawned / (machine_seconds() - began), (processor_s() - used_before) / spawned)


def _spawner(words: Sequence[str], folder: Path, checks: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.chdir(folder)
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
    for _ in range(checks):
        os.waitpid(os.posix_spawn(words[0], words, os.environ, file_actions=actions), 0)
    os._exit(0)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=4)
    chosen = parser.parse_args(arguments)
    run = unsynced_log(chosen.records)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "check.py"
        script.write_text(SCRIPT)
        checkers = {
            "python": checker(f"{sys.executable} -S -E {script}"),
            "shell": checker("/bin/sh -c 'cat log || :'"),
            "true": checker("/bin/true"),
        }
        print(f"{'checker':10}{'swept/s':>10}{'spawned/s':>11}{'ratio':>8}{'processor':>11}  goal")
        for name, used in checkers.items():
            with state_home() as home:
                checks = Sweep(run, used, Request(jobs=WORKERS)).sweep(home).checks
            pairs = [(swept_side(used, run), spawned_side(used, run, checks)) for _ in range(chosen.rounds)]
            swept, spawned = (statistics.median(side.rate for side in sides) for sides in zip(*pairs, strict=True))
            ratio = statistics.median(left.rate / right.rate for left, right in pairs)
            processor = statistics.median(right.processor_s / left.processor_s for left, right in pairs)
            print(f"{name:10}{swept:10.0f}{spawned:11.0f}{ratio:8.2f}{processor:11.2f}  >= {GOAL}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
