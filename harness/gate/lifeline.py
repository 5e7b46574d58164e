"""A worker process ends with whoever started it: not even `kill -9` leaves a busy one behind. Linux only."""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # prctl(2): sent when the thread that started this process ends


def end_with(parent: int) -> None:
    """From now on, and at once if the parent has gone already. Elsewhere a worker ends once it has nothing to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
