"""The log of the calls: append-only, with one writer. Sessions have a file of their own (`session_store.py`).

A record is durable when `append` returns: one write, then fsync. A failed write is cut back at once. Where
that fails, or an fsync fails, nobody knows what is on the disk: the writer is poisoned and refuses until
`reopen` has read the file again and written what it says into a *new* inode, because pages whose fsync failed
may be marked clean and never be written, while every later fsync reports success (Rebello et al., "Can
Applications Recover from fsync Failures?", ATC'20, section 3). For the same reason `open` writes the last
line once more before its fsync: the process before this one may have died between a failed fsync and anything
it could do about it.

After the fsync the path must still name this file, at the length it is thought to have. Where somebody moved, removed
or changed it the record counts for nothing, and the writer refuses for good: nobody knows which file the next start
will read.

An append blocks the event loop for one fsync (median 4 ms, at most 17 in 1,500 on a busy ext4 disk), a burst of
eight for 30 to 60 ms; the shortest time-out for an answer is 5 s. With a thread that burst blocks it for about
10 ms, its median answer comes a few milliseconds sooner and its slowest no sooner. The price would be an await
between deciding about an event and its durable record, in which a second event could overtake it: not paid.

Not modelled: several logs, rotation by others, disks that lie about fsync.
"""

import contextlib
import errno
import os
import stat
import zlib
from collections.abc import Iterable, Iterator

from scenarios.voice_call.manager.config import EventLog
from scenarios.voice_call.manager.log_place import LogPlace
from scenarios.voice_call.manager.log_reading import LoadedLog, LogReader, OutOfOrder
from scenarios.voice_call.manager.records import CallRecord, delta, encode_line
from scenarios.voice_call.manager.replaced_file import ReplacedFile
from scenarios.voice_call.manager.store_directory import LOCK_NAME, StoreLocked, StoreUnavailable

__all__ = ["LOCK_NAME", "LOG_NAME", "ORIGINAL_NAME", "TEMPORARY_NAME", "Store", "StoreLocked", "StoreUnavailable"]

LOG_NAME = "calls.jsonl"
TEMPORARY_NAME = "calls.jsonl.tmp"
ORIGINAL_NAME = "calls.v0.jsonl"
# What was read is folded while it is still in the processor's cache: pieces of 1 MiB take half as long again.
_PIECE_SIZE = 1 << 15


class Store(ReplacedFile):
    """The log of one directory. `open` before anything else; `close` gives the lock back."""

    reader: type[LogReader] = LogReader

    def __init__(self, directory: str, *, log: EventLog, compact_after_lines: int = 1_000) -> None:
        super().__init__(directory, LOG_NAME, TEMPORARY_NAME, log)
        self.original = os.path.join(self.directory, ORIGINAL_NAME)
        self.poisoned: str | None = None
        self.lost: str | None = None
        self._place = LogPlace(self.path)
        self._compact_after = compact_after_lines
        self._compact_at = compact_after_lines
        self._lock = -1
        self._fd = -1
        self._offset = 0
        self._lines = 0
        self._seq = 0
        self._gen = 0
        self._kept: list[bytes] = []
        self._reading = self.reader(log, self.reload_ids)

    @property
    def generation(self) -> int:
        """The generation of this writer, in each of its lines."""
        return self._gen

    # --- opening -------------------------------------------------------------------------------------------------

    def open(self) -> LoadedLog:
        """Lock, read, repair; what the log says is durable when this returns.

        Raises StoreUnavailable or StoreLocked.
        """
        try:
            self.make_directory(self.directory)
            self._lock = self.take_lock(os.path.join(self.directory, LOCK_NAME))
            self.remove_leftovers()
            loaded = self._open_log()
        except OSError as error:
            self.close()
            raise StoreUnavailable(f"cannot open {self.path}: {error}; mend that, and start again") from error
        except BaseException:
            self.close()
            raise
        self._gen = loaded.last_gen + 1
        return loaded

    def _open_log(self) -> LoadedLog:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        try:
            self._fd = os.open(self.path, flags)
        except FileNotFoundError:
            # Absent is not unreadable: only this one error means that there is nothing yet.
            self._fd = self._create_log(flags)
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise StoreUnavailable(f"{self.path} is no regular file: put the log there, or move this away")
        loaded, data = self._load(self._fd)
        self._adopt(loaded)
        if loaded.is_old:
            self.import_old_log(loaded)
            return loaded
        self.repair_tail(loaded, data)
        self.sync_content()
        if not data:
            # Whoever made these directories may have died before syncing them; once a line is in the log they were.
            self.sync_ancestors()
        self.sync_directory(self.directory)
        return loaded

    def _create_log(self, flags: int) -> int:
        try:
            return os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            why = f"{self.path} is a link to nothing: mend it or remove it, and start again"
            raise StoreUnavailable(why) from None

    def import_old_log(self, loaded: LoadedLog) -> None:
        """Replace a log of version 0 by one of this version, once; the original stays beside it and is not read again.

        Its second name is durable before the new log takes the first one. A death anywhere leaves the old log or
        the new one; an old one is imported again. Not for file systems without hard links: they are told so.
        """
        try:
            os.link(self.path, self.original)
        except FileExistsError:
            if not os.path.samefile(self.path, self.original):
                raise StoreUnavailable(f"{self.original} is there, and not {self.path}: move it elsewhere") from None
        self.sync_content()
        self.sync_ancestors()
        self.sync_directory(self.directory)
        self._replace(self._snapshot(list(loaded.records.values())))
        self._lines = len(loaded.records) + len(loaded.kept_lines)
        self._log.info("old-log-imported", calls=len(loaded.records), lines=loaded.lines, original=self.original)

    def _load(self, fd: int) -> tuple[LoadedLog, bytes]:
        """What the log says, and its last piece. Raises StoreUnavailable when it says nothing."""
        try:
            data = self.read_all(fd)
            loaded = self.read_log(data)
        except OutOfOrder as disorder:
            self._log.warning("log-read-in-one-piece", path=self.path, why=str(disorder))
            os.lseek(fd, 0, os.SEEK_SET)
            self._reading = self.reader(self._log, self.reload_ids)
            data = b"".join(iter(lambda: os.read(fd, _PIECE_SIZE), b""))
            loaded = self.read_log(data)
        if loaded.is_unreadable:
            raise StoreUnavailable(
                f"{self.path} has {loaded.lines} lines and not one can be read: put the right log there, or move this "
                "one away to begin with no calls"
            )
        return loaded, data

    def read_all(self, fd: int) -> bytes:
        """Read the log piece by piece and give back the last one, for `read_log`.

        An error is an error, never an empty log. Raises OutOfOrder.
        """
        self._reading = self.reader(self._log, self.reload_ids)
        parts: list[bytes] = []
        while part := os.read(fd, _PIECE_SIZE):
            parts.append(part)
            if len(parts) > 1 and b"\n" in part:
                parts = [self._reading.take_piece(b"".join(parts))]
        return b"".join(parts)

    def read_log(self, data: bytes) -> LoadedLog:
        """What the log says whose last piece this is. Raises OutOfOrder."""
        return self._reading.read(data)

    def reload_ids(self, record: CallRecord) -> CallRecord:
        """The record with the event ids a restart remembers: all of them, those of ended calls too."""
        return record

    def repair_tail(self, loaded: LoadedLog, data: bytes) -> None:
        """Cut an unfinished last line, finish a whole one, and write the last line anew (see above)."""
        if loaded.good_end < loaded.begins_at + len(data):
            os.ftruncate(self._fd, loaded.good_end)
        last = data[loaded.last_line_at - loaded.begins_at : loaded.good_end - loaded.begins_at]
        if not last:
            return
        if loaded.newline_missing:
            last += b"\n"
        fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.lseek(fd, loaded.last_line_at, os.SEEK_SET)
            self.write_fully(fd, last)
        finally:
            os.close(fd)

    def _adopt(self, loaded: LoadedLog) -> None:
        self._seq = loaded.last_seq
        self._kept = loaded.kept_lines
        self._lines = loaded.lines
        self._offset = loaded.good_end + (1 if loaded.newline_missing else 0)

    # --- writing -------------------------------------------------------------------------------------------------

    def append(self, before: CallRecord | None, after: CallRecord, kind: str) -> None:
        """Make the change from `before` to `after` durable.

        Raises StoreUnavailable; then it is not in the log.
        """
        if self._fd < 0:
            raise StoreUnavailable(f"{self.path} is closed; this writer's time is over")
        if self.poisoned is not None:
            raise StoreUnavailable(self.lost or f"{self.path} refuses: {self.poisoned}; it must be reopened first")
        line = self.line_of(before, after, kind)
        self.append_line(line)
        self._seq += 1
        self._lines += 1
        self._offset += len(line)

    def line_of(self, before: CallRecord | None, after: CallRecord, kind: str) -> bytes:
        """The line of a change: the change only, however long the call is."""
        body = delta(before, after)
        return encode_line(seq=self._seq + 1, gen=self._gen, call=after.call_id, kind=kind, body=body)

    def append_line(self, line: bytes) -> None:
        """One line: written, then synced, or cut back and told."""
        try:
            self.write_fully(self._fd, line)
        except OSError as error:
            self.cut_back(error)
            raise StoreUnavailable(f"{self.path}: the record was not written: {error}") from error
        try:
            self.sync_content()
        except OSError as error:
            self.cut_back(error)
            self.poison(f"fsync failed: {error}")
            raise StoreUnavailable(f"{self.path}: fsync failed, nobody knows what is on the disk: {error}") from error
        self.ensure_in_place(self._offset + len(line))

    def ensure_in_place(self, size: int) -> None:
        """What was synced is what the path names, and has this size. Raises StoreUnavailable."""
        try:
            happened = self._place.what_happened(self._fd, size)
        except OSError as error:
            self.cut_back(error)
            self.poison(f"it could not be looked at: {error}")
            raise StoreUnavailable(f"{self.path}: nobody knows whether the record is in it: {error}") from error
        if happened is not None:
            self.lose(happened)

    def lose(self, why: str) -> None:
        """The log is not this writer's any more: everything is refused, for good. Raises StoreUnavailable."""
        self.lost = f"{self.path} is lost: {why}; put the right log there and restart the manager"
        self.poison(self.lost)
        raise StoreUnavailable(self.lost)

    def sync_content(self) -> None:
        """What was written to the log is on the disk."""
        os.fsync(self._fd)

    def cut_back(self, error: OSError) -> None:
        """Take the remains of a failed append away, so that the next record does not stand on the same line.

        Where that fails too, the writer is poisoned: what stands behind the last record is not known.
        """
        try:
            os.ftruncate(self._fd, self._offset)
            self.sync_content()
        except OSError as second:
            self.poison(f"a failed append could not be cut back: {second}")
        else:
            self._log.warning("append-cut-back", offset=self._offset, why=str(error))

    def poison(self, why: str) -> None:
        """From here on everything is refused until `reopen`."""
        self.poisoned = why
        self._log.error("writer-poisoned", path=self.path, why=why)

    def reopen(self) -> LoadedLog:
        """Read the file again and continue from what it says, in a new inode.

        Raises StoreUnavailable, still poisoned.
        """
        if self._lock < 0:
            raise StoreUnavailable(f"{self.path} is closed; this writer's time is over")
        if self.lost is not None:
            raise StoreUnavailable(self.lost)
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if self._place.is_other(fd, self._fd):
                    self.lose("another file took its place")
                loaded, data = self._load(fd)
                self._replace(self._copy(fd, loaded, data))
            finally:
                os.close(fd)
        except OSError as error:
            raise StoreUnavailable(f"cannot reopen {self.path}: {error}; it stays closed for writing") from error
        self._adopt(loaded)
        self._gen = max(self._gen, loaded.last_gen)
        self.poisoned = None
        self._log.info("writer-reopened", path=self.path, lines=self._lines)
        return loaded

    # --- compaction ----------------------------------------------------------------------------------------------

    def wants_compaction(self) -> bool:
        """Whether the log has grown enough since the last attempt."""
        return self._lines >= self._compact_at and self.poisoned is None and self._fd >= 0

    def compact(self, records: list[CallRecord]) -> bool:
        """Replace the log by one line per record, and the lines kept as they are.

        False: the old log stays in use.
        """
        try:
            self._replace(self._snapshot(records))
        except OSError as error:
            self._compact_at = self._lines + self._compact_after
            with contextlib.suppress(OSError):
                os.unlink(self.temporary)
            self._log.warning("compaction-failed", why=str(error), poisoned=self.poisoned)
            return False
        before, self._lines = self._lines, len(records) + len(self._kept)
        self._compact_at = self._lines + self._compact_after
        if not self._lines:
            # An empty log begins anew: the numbers before its next line would be taken for lost ones.
            self._seq = 0
        self._log.info("compaction-done", lines_before=before, lines=self._lines)
        return True

    def _snapshot(self, records: list[CallRecord]) -> Iterator[bytes]:
        for kept in self._kept:
            yield kept + b"\n"
        for record in records:
            yield encode_line(
                seq=self._seq,
                gen=self._gen,
                call=record.call_id,
                kind="snapshot",
                body=delta(None, record) | {"covers": self._seq},
                envelope=record.envelope,
            )

    def _copy(self, fd: int, loaded: LoadedLog, data: bytes) -> Iterator[bytes]:
        """The good part of the log as it was read.

        What was folded and forgotten is read once more: pages whose write failed may say something else by now.
        """
        os.lseek(fd, 0, os.SEEK_SET)
        checksum, left = 0, loaded.begins_at
        while left and (part := os.read(fd, min(left, _PIECE_SIZE))):
            checksum = zlib.crc32(part, checksum)
            left -= len(part)
            yield part
        if left or checksum != loaded.checksum:
            raise OSError(errno.EIO, "it changed while it was copied")
        yield data[: loaded.good_end - loaded.begins_at]
        if loaded.newline_missing:
            yield b"\n"

    def _replace(self, content: Iterable[bytes]) -> None:
        """Write, sync, rename, sync the directory; only then go on with the new file."""
        fd = self.make_temporary(os.O_RDWR | os.O_APPEND)
        try:
            size = self.fill(fd, _pieces(content))
            os.rename(self.temporary, self.path)
        except BaseException:
            os.close(fd)
            raise
        old, self._fd, self._offset = self._fd, fd, size
        self._place.renew()
        try:
            self.sync_directory(self.directory)
        except OSError as error:
            # The old name may come back after a power cut, without what would be appended from here on.
            self.poison(f"the directory could not be synced after the rename: {error}")
            raise
        finally:
            if old >= 0:
                os.close(old)

    # --- the end -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give up the log and the lock; everything appended is already synced. A second call does nothing."""
        log, self._fd = self._fd, -1
        lock, self._lock = self._lock, -1
        for fd in (log, lock):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)


def _pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer writes: at least a piece at a time, but for the last one."""
    parts: list[bytes] = []
    size = 0
    for part in content:
        parts.append(part)
        size += len(part)
        if size >= _PIECE_SIZE:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)
