"""The append cycle (open, append 120 B, flush, fsync, close): ours, stock pyfakefs under its Patcher, a real folder.

Each round starts with an empty log, on all sides. `python tests/benchmarks/append_cycle.py` prints microseconds.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from effort import FULL, Effort
from interleaved import cost_ratio, seconds
from pyfakefs.fake_filesystem_unittest import Patcher

from harness.disk import DiskImage
from harness.frontends.simulated import Kernel, Redirection

LINE: Final = "x" * 119 + "\n"


def append(path: str) -> None:
    """One cycle; `open` and `os` are looked up at each call, as the redirections change them."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(LINE)
        file.flush()
        os.fsync(file.fileno())


def _cycle(path: str, cycles: int) -> float:
    append(path)  # the file is there: the cycle is an append, not a creation
    return seconds(lambda: append(path), cycles)


def _on_kernel(cycles: int, recording: bool) -> float:
    kernel = Kernel(DiskImage.with_folders("/data"), now=lambda: 0.0, recording=recording)
    with Redirection.shared(), kernel.activate():
        return _cycle("/data/log", cycles)


def ours(cycles: int) -> float:
    """Seconds a cycle on the simulated kernel, recorded."""
    return _on_kernel(cycles, recording=True)


def ours_unrecorded(cycles: int) -> float:
    """Seconds a cycle on the simulated kernel as a recovery uses it."""
    return _on_kernel(cycles, recording=False)


def stock_pyfakefs(cycles: int) -> float:
    """Seconds a cycle on pyfakefs' own file system."""
    with Patcher() as patcher:
        assert patcher.fs is not None
        patcher.fs.create_dir("/data")
        return _cycle("/data/log", cycles)


def real_folder(cycles: int) -> float:
    """Seconds a cycle in a folder of the machine: tmpfs where there is one."""
    root = tempfile.mkdtemp(dir=memory_folder())
    try:
        return _cycle(f"{root}/log", cycles)
    finally:
        shutil.rmtree(root)


def memory_folder() -> Path:
    """/dev/shm (tmpfs), or the machine's folder for temporary files where there is none."""
    shm = Path("/dev/shm")
    return shm if shm.is_dir() else Path(tempfile.gettempdir())


def vs_pyfakefs(effort: Effort) -> float:
    """`append_cycle_vs_pyfakefs`: stock time / ours, recorded. More is better."""
    return cost_ratio(lambda: stock_pyfakefs(effort.cycles), lambda: ours(effort.cycles), 4 * effort.rounds)


def vs_tmpfs(effort: Effort) -> float:
    """`append_cycle_vs_tmpfs`: ours, recorded / a real tmpfs. Less is better."""
    return cost_ratio(lambda: ours(effort.cycles), lambda: real_folder(effort.cycles), 4 * effort.rounds)


def main() -> int:
    sides: list[Callable[[int], float]] = [ours, ours_unrecorded, stock_pyfakefs, real_folder]
    for side in sides:
        print(f"{side.__name__:16} {side(FULL.cycles) * 1e6:8.2f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
