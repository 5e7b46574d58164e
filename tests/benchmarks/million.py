"""A run over more than a million distinct crash states, and the memory that it takes: `python tests/benchmarks/million.py`.

Runs `harness run` on `million_batches.py` with two workers, as anybody would, and watches the resident memory of the whole
process tree. Exit code 1 where a limit is broken: a million states, all checked, exhaustive, under 500 MB.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

STATES: Final = 1_000_000
LIMIT_MB: Final = 500.0
SUBJECT: Final = Path(__file__).parent / "million_batches.py"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    chosen = parser.parse_args(arguments)
    figures = measure(chosen.jobs)
    for name, value in figures.items():
        shown = f"{value:,}" if type(value) is int else str(value)
        print(f"{name:16}{shown:>16}")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    holds = (
        figures["outcome"] == "held"
        and figures["exhaustive"]
        and figures["distinct"] >= STATES
        and figures["checked"] >= STATES
        and figures["peak_rss_mb"] < LIMIT_MB
    )
    return 0 if holds else 1


def measure(jobs: int) -> dict[str, Any]:
    """distinct, checked, wall_s, peak_rss_mb (sum over the process tree) and more of one run."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        command = [sys.executable, "-m", "harness.cli", "run", str(SUBJECT), "--jobs", str(jobs), "-q"]
        began = time.perf_counter()
        process = subprocess.Popen([*command, "--json", str(result), "--out", folder], stdout=subprocess.DEVNULL)
        peak = 0
        try:
            while process.poll() is None:
                peak = max(peak, tree_rss(process.pid))
                time.sleep(0.25)
        finally:
            process.terminate()
        wall_s = time.perf_counter() - began
        document = json.loads(result.read_text(encoding="utf-8"))
    (scenario,) = document["scenarios"]
    states = scenario["crash_states"]
    return {
        "outcome": document["outcome"],
        "legal": states["legal"],
        "distinct": states["distinct"],
        "checked": states["checked"],
        "exhaustive": states["exhaustive"],
        "wall_s": round(wall_s, 1),
        "states_per_s": round(states["checked"] / wall_s),
        "peak_rss_mb": round(peak / 1e6, 1),
        "jobs": jobs,
    }


def tree_rss(root: int) -> int:
    """Resident bytes of a process and all below it; pages that they share count in each (Linux)."""
    children: dict[int, list[int]] = {}
    resident: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        pid = int(folder.name)
        children.setdefault(int(fields[1]), []).append(pid)
        resident[pid] = int(fields[21]) * 4096
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        total += resident.get(pid, 0)
        waiting += children.get(pid, [])
    return total


if __name__ == "__main__":
    sys.exit(main())
