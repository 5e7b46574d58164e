"""The lock is a file with the owner's process id, and it holds as long as some process has that id.

After a death the file is still there; the number was given to somebody else, here to the very process that starts again,
as it happens in a container. Source: openclaw/openclaw#30525, #31320; littlebearapps/untether#459; matter-js/matter.js#3945.
"""

import contextlib
import os

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.store import LOCK_NAME, Store, StoreLocked


class PidFileStore(Store):
    """Asks who has that number now, not who had it then."""

    def take_lock(self, path: str) -> int:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            owner = os.read(fd, 64).strip()
            if owner == str(os.getpid()).encode():
                os.close(fd)
                raise StoreLocked(f"{self.directory} belongs to pid {owner.decode()}, which is running") from None
            os.ftruncate(fd, 0)
            os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, str(os.getpid()).encode())
        return fd

    def close(self) -> None:
        owned = self._lock >= 0
        super().close()
        if owned:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self.directory, LOCK_NAME))


BUG = SeededBug(
    id="stale-lock-pid-reuse",
    group="extras",
    source="openclaw/openclaw#30525, #31320; littlebearapps/untether#459; matter-js/matter.js#3945",
    trigger="a kill, and a process with the same number afterwards",
    expected="unavailable",
    build=with_parts(store=PidFileStore),
    workloads=("inbound",),
)
