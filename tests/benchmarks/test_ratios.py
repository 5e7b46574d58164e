"""The benchmark runs and measures every key. What it measures is not asserted: a test machine's speed is no promise."""

import json
import math
import subprocess
import sys
from pathlib import Path

RATIOS = Path(__file__).with_name("ratios.py")
KEYS = {
    "append_cycle_vs_pyfakefs",
    "append_cycle_vs_tmpfs",
    "state_vs_tmpfs",
    "states_per_s_vs_kill_loop",
    "state_vs_limit",
    "machine_vs_no_io",
    "explore_growth",
    "jobs2_vs_jobs1",
}


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, str(RATIOS), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_ratio_is_measured_and_written_as_one_flat_object(tmp_path: Path) -> None:
    printed = run("--tiny", "--json", str(tmp_path / "ratios.json"))
    found = json.loads((tmp_path / "ratios.json").read_text())
    assert set(found) == KEYS
    assert all(math.isfinite(value) and value > 0 for value in found.values())
    assert all(key in printed for key in KEYS)


def test_help_says_which_way_is_better() -> None:
    assert "more is better" in run("--help")
