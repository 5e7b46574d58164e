"""The append cycle (open, append 120 B, flush, fsync, close): ours, stock pyfakefs under its Patcher, a real folder.

Each function returns microseconds a cycle. `python tests/benchmarks/append_cycle.py` prints them and the ratios.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pyfakefs.fake_filesystem_unittest import Patcher

from harness.disk import DiskImage, File
from harness.frontends.simulated import Kernel, Redirection

LINE: Final = "x" * 119 + "\n"
clock: Final = time.perf_counter


def append(path: str) -> None:
    """One cycle; `open` and `os` are looked up at each call, as the redirections change them."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(LINE)
        file.flush()
        os.fsync(file.fileno())


def _median(cycle: Callable[[], object], cycles: int, rounds: int = 7) -> float:
    cycle()
    found = []
    for _ in range(rounds):
        began = clock()
        for _ in range(cycles):
            cycle()
        found.append((clock() - began) / cycles * 1e6)
    return statistics.median(found)


def ours(cycles: int = 2_000) -> float:
    """On the simulated kernel, recorded."""
    with Redirection.shared():
        kernel = Kernel(DiskImage.with_folders("/data"), now=lambda: 0.0)
        with kernel.activate():
            return _median(lambda: append("/data/log"), cycles)


def ours_unrecorded(cycles: int = 2_000) -> float:
    """On the simulated kernel as a recovery uses it."""
    with Redirection.shared():
        kernel = Kernel(DiskImage.with_folders("/data"), now=lambda: 0.0, recording=False)
        with kernel.activate():
            return _median(lambda: append("/data/log"), cycles)


def stock_pyfakefs(cycles: int = 50) -> float:
    """pyfakefs' own file system; few cycles, as each flush rewrites the file."""
    with Patcher() as patcher:
        assert patcher.fs is not None
        patcher.fs.create_dir("/data")
        return _median(lambda: append("/data/log"), cycles)


def real_folder(folder: Path, cycles: int = 2_000) -> float:
    """A folder of the machine: tmpfs where there is one."""
    with tempfile.TemporaryDirectory(dir=folder) as root:
        path = f"{root}/log"
        return _median(lambda: append(path), cycles)


def recovery(cycles: int = 2_000) -> float:
    """A new kernel on an image, one open and read of a log of 20 lines."""
    image = DiskImage.with_folders("/data")
    log = image.next_ino
    folder = image.lookup("/data")
    assert folder is not None
    kernel = Kernel(image)
    with Redirection.shared():
        with kernel.activate():
            Path("/data/log").write_text(LINE * 20)
        image = kernel.image()
        assert isinstance(image.nodes[log], File)

        def recover() -> None:
            with Kernel(image, now=lambda: 0.0, recording=False).activate(), open("/data/log", "rb") as file:
                assert len(file.readlines()) == 20

        return _median(recover, cycles)


def main() -> int:
    simulated, unrecorded, stock = ours(), ours_unrecorded(), stock_pyfakefs()
    shm = Path("/dev/shm")
    real = real_folder(shm if shm.is_dir() else Path(tempfile.gettempdir()))
    print(f"ours, recorded     {simulated:8.2f} µs")
    print(f"ours, unrecorded   {unrecorded:8.2f} µs")
    print(f"stock pyfakefs     {stock:8.2f} µs   {stock / simulated:.1f}x")
    print(f"real folder        {real:8.2f} µs   {simulated / real:.2f} of ours to one of it")
    print(f"kernel + read log  {recovery():8.2f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
