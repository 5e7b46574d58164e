"""The rules that say which crash states are legal, as data: one frozen record for each file system or promise.

A profile is a promise about *order*: which of two pending units must have reached the disk before the other
(durability.md, sections 2 and 3). It models nothing about time: any legal subset may survive at any moment, however
unlikely. Where papers and a measured kernel contradict each other both stay, as two profiles.

Not modelled: garbage (instead of zeros) behind a size that persisted without its data, under `ext2` and the writeback
modes; write-back caches of the device that ignore flushes.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from harness.trace import CachePolicy

ALICE: Final = "Pillai et al., All File Systems Are Not Created Equal, OSDI'14, tables 1 and 3d"
FERRITE: Final = "Bornholt et al., Crash-Consistency Models, ASPLOS'16, definitions 3 and 7, figure 3"
CUTTLEFS: Final = "Rebello et al., Can Applications Recover from fsync Failures?, ATC'20"
KERNEL: Final = "measured on Linux 6.18: loop images copied right after the operation and remounted, 4-12 trials"
EXT4_RST: Final = "Linux Documentation/filesystems/ext4.rst: data=, auto_da_alloc"


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One row of durability.md, section 3. The defaults are those of `strict` but for its byte tears.

    medium           "page-cache": everything that happened survives (a killed process); "disk": only what was synced
    dirent_order     directory changes among themselves: in trace order ("all"), those of one directory, or not at all
    atomic_rename    the halves of a rename are one unit: always, only within one directory, never
    data_before_size data persists before the size that exposes it: no zero tails
    safe_rename      a rename over an existing name waits for all earlier data and sizes of the file
    append           "ordered": extensions and entries precede every later unit; "total": all units in trace order
    implied_dirent   a sync of a file covers its name: never, always, or (ext4) for fdatasync only if the size changed
    commit_together  a sync that covers a pending size or entry commits all earlier entries and shrinks
    tear             a write in flight stops at a page, a sector or (appends) at any byte
    failed_sync      what a sync that returned an error leaves in the cache (durability.md, section 4)
    sync_persists    False: fsync makes nothing durable (macOS, where only F_FULLFSYNC does)
    """

    name: str
    summary: str
    sources: tuple[str, ...]
    medium: Literal["page-cache", "disk"] = "disk"
    dirent_order: Literal["none", "same-directory", "all"] = "none"
    atomic_rename: Literal["no", "same-directory", "yes"] = "yes"
    data_before_size: bool = False
    safe_rename: bool = False
    append: Literal["free", "ordered", "total"] = "free"
    implied_dirent: Literal["no", "fdatasync-if-size-changed", "always"] = "no"
    commit_together: bool = False
    tear: Literal["page", "sector", "byte"] = "sector"
    failed_sync: CachePolicy = "drop-clean"
    sync_persists: bool = True


_ROWS: Final = (
    Profile(
        name="process",
        summary="kill -9: everything that happened survives, a write in flight stops at a page boundary",
        sources=("the page cache belongs to the kernel and outlives the process",),
        medium="page-cache",
        tear="page",
    ),
    Profile(
        name="strict",
        summary="what careful portable code may rely on: rename is atomic, nothing else is ordered without a sync",
        sources=(ALICE, FERRITE, CUTTLEFS),
        tear="byte",
    ),
    Profile(
        name="ext2",
        summary="no journal: nothing is ordered, not even the halves of a rename",
        sources=(ALICE,),
        atomic_rename="no",
    ),
    Profile(
        name="paranoid",
        summary="ext2 with appends that stop at any byte",
        sources=(ALICE,),
        atomic_rename="no",
        tear="byte",
    ),
    Profile(
        name="ext3-writeback",
        summary="data=writeback: metadata in order, data whenever",
        sources=(ALICE, EXT4_RST),
        dirent_order="all",
        implied_dirent="fdatasync-if-size-changed",
        commit_together=True,
    ),
    Profile(
        name="ext4-writeback",
        summary="data=writeback: metadata in order, data whenever",
        sources=(ALICE, EXT4_RST),
        dirent_order="all",
        implied_dirent="fdatasync-if-size-changed",
        commit_together=True,
    ),
    Profile(
        name="ext3",
        summary="data=ordered without delayed allocation: extensions and entries in order",
        sources=(ALICE, FERRITE),
        dirent_order="all",
        data_before_size=True,
        safe_rename=True,
        append="ordered",
        implied_dirent="fdatasync-if-size-changed",
        commit_together=True,
    ),
    Profile(
        name="ext4-nodelalloc",
        summary="ext4 mounted nodelalloc: as ext3",
        sources=(ALICE, EXT4_RST),
        dirent_order="all",
        data_before_size=True,
        safe_rename=True,
        append="ordered",
        implied_dirent="fdatasync-if-size-changed",
        commit_together=True,
    ),
    Profile(
        name="ext4-documented",
        summary="data=ordered and auto_da_alloc as documented: replace by rename waits for the data",
        sources=(EXT4_RST, FERRITE),
        dirent_order="all",
        data_before_size=True,
        safe_rename=True,
        implied_dirent="fdatasync-if-size-changed",
        commit_together=True,
    ),
    Profile(
        name="ext4",
        summary="data=ordered as observed: zero tails to the block edge, a rename does not wait for the data",
        sources=(KERNEL, FERRITE),
        dirent_order="all",
        implied_dirent="fdatasync-if-size-changed",
        commit_together=True,
    ),
    Profile(
        name="ext4-journal",
        summary="data=journal: everything in trace order",
        sources=(ALICE, EXT4_RST, CUTTLEFS),
        dirent_order="all",
        data_before_size=True,
        safe_rename=True,
        append="total",
        implied_dirent="fdatasync-if-size-changed",
        commit_together=True,
        failed_sync="late-report",
    ),
    Profile(
        name="xfs",
        summary="metadata in order, data before the size; an empty file after a rename without fsync",
        sources=(KERNEL, ALICE, CUTTLEFS),
        dirent_order="all",
        data_before_size=True,
        implied_dirent="always",
        commit_together=True,
    ),
    Profile(
        name="btrfs",
        summary="as observed: no order of entries, a cross-directory rename may leave both names",
        sources=(KERNEL, CUTTLEFS),
        atomic_rename="same-directory",
        data_before_size=True,
        implied_dirent="always",
        failed_sync="revert",
    ),
    Profile(
        name="btrfs-documented",
        summary="entries of one directory in order, replace by rename waits for the data",
        sources=(FERRITE,),
        dirent_order="same-directory",
        data_before_size=True,
        safe_rename=True,
        implied_dirent="always",
        failed_sync="revert",
    ),
    Profile(
        name="freebsd-ufs",
        summary="FreeBSD, never measured: as strict, and what a failed sync did not write stays dirty",
        sources=(CUTTLEFS, "FreeBSD, vfs_bio.c: a buffer whose write failed is dirtied again"),
        tear="byte",
        failed_sync="stay-dirty",
    ),
    Profile(
        name="apfs",
        summary="macOS, never measured: as strict, and fsync makes nothing durable (only F_FULLFSYNC does)",
        sources=("Apple, fsync(2) and fcntl(2), F_FULLFSYNC",),
        tear="byte",
        sync_persists=False,
    ),
)

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType({row.name: row for row in _ROWS})
"""All profiles by name, the two of the default gate first."""


def profile(name: str) -> Profile:
    """The profile called `name`; ValueError that names the known ones."""
    try:
        return PROFILES[name]
    except KeyError:
        raise ValueError(f"no durability profile {name!r}; known profiles: {', '.join(PROFILES)}") from None


def with_sector_tears(row: Profile) -> Profile:
    """The same rules without byte cuts: a write in flight stops at sector boundaries only."""
    return msgspec.structs.replace(row, tear="sector")
