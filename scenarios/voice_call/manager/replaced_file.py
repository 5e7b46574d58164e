"""A file that gets a new content as a whole: a temporary file, fsync, rename, fsync of the directory.

Here are the steps whose logic is the same for the log and for the sessions. Their order stands with each of them: the
log goes on writing into what it renamed and is poisoned where the directory refuses, the sessions are written anew.
"""

import errno
import os
from collections.abc import Iterable

from scenarios.voice_call.manager.config import EventLog
from scenarios.voice_call.manager.store_directory import StoreDirectory


class ReplacedFile(StoreDirectory):
    """One file in the directory of a store. `temporary`: where its next content is written."""

    def __init__(self, directory: str, name: str, temporary_name: str, log: EventLog) -> None:
        super().__init__(directory)
        self.path = os.path.join(self.directory, name)
        self.temporary = os.path.join(self.directory, temporary_name)
        self._log = log

    def remove_leftovers(self) -> None:
        """Remove what a failed replacement left behind, unread: it never became the file."""
        try:
            os.unlink(self.temporary)
        except FileNotFoundError:
            return
        except OSError as error:
            self._log.warning("leftover-stuck", path=self.temporary, why=str(error))
            return
        self._log.info("leftover-removed", path=self.temporary)

    def make_temporary(self, access: int) -> int:
        """The temporary file, empty, open for this access. Raises OSError."""
        return os.open(self.temporary, access | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def fill(self, fd: int, content: Iterable[bytes]) -> int:
        """Write these pieces and sync them: how many bytes are on the disk now. Raises OSError."""
        size = 0
        for piece in content:
            self.write_fully(fd, piece)
            size += len(piece)
        os.fsync(fd)
        return size

    def write_fully(self, fd: int, data: bytes) -> None:
        """All bytes, unbuffered; a short count is not an error to the kernel, and not success to us."""
        written = os.write(fd, data)
        while written < len(data):
            more = os.write(fd, data[written:])
            if more == 0:
                raise OSError(errno.EIO, "the file takes no more bytes")
            written += more
