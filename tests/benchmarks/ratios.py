"""The speed of the harness as ratios: against stock pyfakefs, tmpfs, a `kill -9` loop, and itself on a longer trace.

Ratios named ..._vs_pyfakefs, ..._vs_kill_loop, ..._vs_no_io and ..._vs_jobs1 are speed-ups or shares: more is better.
Those named ..._vs_tmpfs, ..._vs_limit and ..._growth are costs: less is better. Each key is defined by the function that
measures it. Both sides of a ratio run the same program, in turns.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import append_cycle
import crash_state
import growth
import kill_loop
import store_machine
import two_workers
from effort import FULL, TINY, Effort

from harness.clock import machine_seconds

MEASURES: Final[dict[str, tuple[Callable[[Effort], float], str]]] = {
    "append_cycle_vs_pyfakefs": (append_cycle.vs_pyfakefs, ">= 25"),
    "append_cycle_vs_tmpfs": (append_cycle.vs_tmpfs, "<= 2.5"),
    "state_vs_tmpfs": (crash_state.vs_tmpfs, "<= 0.8"),
    "states_per_s_vs_kill_loop": (kill_loop.vs_kill_loop, ">= 800"),
    "state_vs_limit": (crash_state.vs_limit, "<= 1.3"),
    "machine_vs_no_io": (store_machine.vs_no_io, ">= 0.75"),
    "explore_growth": (growth.explore_growth, "<= 1.2"),
    "jobs2_vs_jobs1": (two_workers.vs_one, ">= 1.8"),
}
"""Key -> (its measurement, its goal)."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write one flat JSON object, key to number, to FILE")
    parser.add_argument("--only", metavar="KEY", choices=list(MEASURES), action="append", help="measure this key only")
    parser.add_argument(
        "--tiny",
        dest="effort",
        action="store_const",
        const=TINY,
        default=FULL,
        help="the least work that measures every key; its figures mean nothing",
    )
    chosen = parser.parse_args(arguments)
    found: dict[str, float] = {}
    print(f"{'ratio':28}{'measured':>10}  {'goal':8}{'seconds':>8}")
    for key in chosen.only or MEASURES:
        measure, goal = MEASURES[key]
        began = machine_seconds()
        found[key] = measure(chosen.effort)
        print(f"{key:28}{found[key]:10.2f}  {goal:8}{machine_seconds() - began:8.1f}", flush=True)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
