"""The directory of a store: made durable level by level, and owned by one process at a time.

Not modelled: other file systems' locks. `flock` on NFS before Linux 2.6.12 knows one machine only.
"""

import contextlib
import fcntl
import os

LOCK_NAME = "calls.lock"


class StoreUnavailable(Exception):
    """The store could not make a record durable, or cannot be read: nothing may be acknowledged."""


class StoreLocked(StoreUnavailable):
    """Another process owns the store."""


class StoreDirectory:
    """Where a store lives."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(directory)

    def make_directory(self, path: str) -> None:
        """Make each missing level; each new entry is synced."""
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            return
        except FileNotFoundError:
            self.make_directory(os.path.dirname(path))
            os.mkdir(path, 0o700)
        self.sync_directory(os.path.dirname(path))

    def take_lock(self, path: str) -> int:
        """An exclusive lock for life.

        The kernel frees it with the process, so there is no stale owner to guess about.
        """
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(fd, 64).decode("ascii", "replace").strip() or "an unnamed process"
            os.close(fd)
            raise StoreLocked(f"{self.directory} belongs to {owner}; stop it first, or use another --store") from None
        except BaseException:
            os.close(fd)
            raise
        with contextlib.suppress(OSError):
            os.write(fd, f"pid {os.getpid():<20}\n".encode("ascii"))
        return fd

    def sync_directory(self, path: str) -> None:
        """The entries of a directory are on the disk."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_ancestors(self) -> None:
        """Every level above the store; one that may not be opened cannot have been made by this program."""
        level = os.path.dirname(self.directory)
        while True:
            with contextlib.suppress(PermissionError):
                self.sync_directory(level)
            above = os.path.dirname(level)
            if above == level:
                return
            level = above
