"""The directory of a store: made durable level by level, and owned by one process at a time.

The lock is on the directory itself, which holds what it protects: a lock file could be removed or replaced under its
owner, and the next process would lock another one. The file `calls.lock` only says who the owner is.

Not modelled: other file systems' locks. NFS refuses an exclusive `flock` of a directory: there is no start there.
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
        """An exclusive lock of the directory for life; `path` is the file that names its owner.

        The kernel frees it with the process, so there is no stale owner to guess about.
        """
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.name_owner(path)
        except BlockingIOError:
            os.close(fd)
            owner = self.owner_named(path)
            raise StoreLocked(f"{self.directory} belongs to {owner}; stop it first, or use another --store") from None
        except BaseException:
            os.close(fd)
            raise
        return fd

    def name_owner(self, path: str) -> None:
        """Write this process's number down, for whoever comes in vain. Raises OSError where nothing may be made."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with contextlib.suppress(OSError):
                os.write(fd, f"pid {os.getpid():<20}\n".encode("ascii"))
        finally:
            os.close(fd)

    def owner_named(self, path: str) -> str:
        """Who the owner is, as far as the file tells."""
        name = b""
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                name = os.read(fd, 64)
            finally:
                os.close(fd)
        return name.decode("ascii", "replace").strip() or "an unnamed process"

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
