"""Whether a path still names the file that is written, and that file is as long as its writer thinks.

Who rotates, removes or empties a log under its writer is told nothing by the kernel: writes and syncs go on to succeed,
into a file that no restart will read. One `stat` of the path a record shows it.

Not modelled: a file that was replaced by one of the same inode number and length, or changed in place.
"""

import os


class LogPlace:
    """The path of one log."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._written: tuple[int, int] | None = None

    def renew(self) -> None:
        """The writer goes on with another file."""
        self._written = None

    def is_other(self, fd: int, written: int) -> bool:
        """Whether this descriptor is not of the file that is written. Raises OSError."""
        found = os.fstat(fd)
        return (found.st_dev, found.st_ino) != self._identity(written)

    def what_happened(self, written: int, size: int) -> str | None:
        """None while the path names the file that is written, and it has this size. Raises OSError."""
        expected = self._identity(written)
        try:
            found = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return "it was moved or removed"
        if (found.st_dev, found.st_ino) != expected:
            return "another file took its place"
        if found.st_size != size:
            return f"somebody else changed it: {found.st_size} bytes instead of {size}"
        return None

    def _identity(self, written: int) -> tuple[int, int]:
        if self._written is None:
            status = os.fstat(written)
            self._written = (status.st_dev, status.st_ino)
        return self._written
