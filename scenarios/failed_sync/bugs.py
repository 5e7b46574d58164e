"""The classic mistakes around a failed sync, each put into the journal by overriding what it does wrong."""

import contextlib
import os
from collections.abc import Callable
from typing import Final

from harness.scenario import SeededBug
from scenarios.failed_sync.journal import Journal
from scenarios.failed_sync.scenario import FailedSync

ATTEMPTS: Final = 5


class RetriesUntilZero(Journal):
    """Takes the 0 of a second attempt for the data of the first."""

    def sync(self, descriptor: int) -> None:
        for _ in range(ATTEMPTS):
            with contextlib.suppress(OSError):
                super().sync(descriptor)
                return
        raise OSError(f"{ATTEMPTS} attempts to sync descriptor {descriptor} have failed")


class IgnoresClose(Journal):
    """Closes the segment before the sync, deaf to what the close reports, and syncs it when it is open again."""

    def sync(self, descriptor: int) -> None:
        if descriptor == self.segment:
            self.close()
            descriptor = self.segment = os.open(self.path(), os.O_WRONLY | os.O_APPEND)
        super().sync(descriptor)


class SyncsThroughAnotherDescriptor(Journal):
    """Asks a descriptor that was not there when the sync failed: the error has been told, it hears of none."""

    def sync(self, descriptor: int) -> None:
        try:
            super().sync(descriptor)
        except OSError:
            if descriptor != self.segment:
                raise
            other = os.open(self.path(), os.O_RDONLY)
            try:
                super().sync(other)
            finally:
                os.close(other)


class KeepsTheSegment(Journal):
    """Refuses an event that was not synced, and appends the next one behind it, through the same descriptor."""

    sync_failed = False

    def sync(self, descriptor: int) -> None:
        self.sync_failed = True
        super().sync(descriptor)
        self.sync_failed = False

    def close(self) -> None:
        if not self.sync_failed:
            super().close()
        self.sync_failed = False


class TrustsTheFirstZero(Journal):
    """Never asks a second time: on some file systems the error would have come then."""

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)


def _with(journal: type[Journal]) -> Callable[[], FailedSync]:
    return lambda: FailedSync(journal)


REBELLO: Final = "Rebello et al., Can Applications Recover from fsync Failures?, ATC'20"
FSYNCGATE: Final = "PostgreSQL, fsync errors, https://wiki.postgresql.org/wiki/Fsync_Errors"

BUGS: Final = (
    SeededBug(
        id="sync-retried-until-0",
        group="failed-sync",
        source=f"{REBELLO}; {FSYNCGATE}",
        trigger="a sync fails, the retry returns 0, the power goes",
        expected="swallowed-error",
        build=_with(RetriesUntilZero),
    ),
    SeededBug(
        id="close-error-ignored",
        group="failed-sync",
        source="Linux close(2), NOTES: on NFS and with quotas a failed write may be reported at the close",
        trigger="the write-back fails at the close, the power goes",
        expected="swallowed-error",
        build=_with(IgnoresClose),
    ),
    SeededBug(
        id="sync-through-another-descriptor",
        group="failed-sync",
        source=f"{FSYNCGATE}; Linux, Documentation/core-api/errseq.rst",
        trigger="a sync fails, one through a new descriptor returns 0, the power goes",
        expected="swallowed-error",
        build=_with(SyncsThroughAnotherDescriptor),
    ),
    SeededBug(
        id="segment-kept-after-failed-sync",
        group="failed-sync",
        source=REBELLO,
        trigger="a sync fails, the page cache forgets, the next event is appended behind the hole, the power goes",
        expected="lost",
        build=_with(KeepsTheSegment),
    ),
    SeededBug(
        id="late-report-ignored",
        group="failed-sync",
        source=f"{REBELLO}, table 1: ext4 with data=journal",
        trigger="a sync returns 0 and wrote nothing, its error comes at the next one, the power goes in between",
        expected="acked-not-durable",
        build=_with(TrustsTheFirstZero),
        profiles=("ext4-journal",),
    ),
)
