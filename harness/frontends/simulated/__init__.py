"""The simulated frontend: this process's `os`, `io`, `pathlib`, `shutil`, `tempfile` … on a disk of ours.

with Redirection.shared():
    kernel = Kernel(DiskImage.with_folders("/data"))
    with kernel.activate():
        ...                      # open("/data/log", "a") lands on the simulated disk
    kernel.trace                 # what happened
"""

from harness.frontends.simulated.endings import ClosedWorldError, ProcessDied, SubjectHung
from harness.frontends.simulated.injection import KINDS, Injector, Outcome
from harness.frontends.simulated.kernel import CallRecord, Kernel
from harness.frontends.simulated.redirection import Redirection

__all__ = [
    "KINDS",
    "CallRecord",
    "ClosedWorldError",
    "Injector",
    "Kernel",
    "Outcome",
    "ProcessDied",
    "Redirection",
    "SubjectHung",
]
