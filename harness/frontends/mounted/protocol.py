"""The FUSE wire format: what the kernel asks through /dev/fuse, and how it wants to be answered.

Numbers and layouts are those of `include/uapi/linux/fuse.h` (Linux 6.18, protocol 7.45; the part used here is stable
since 7.31, Linux 5.4). Little and big endian: the kernel speaks the machine's own order, `struct` with "=" does too.

Not spoken: DAX, passthrough, io_uring transport, notifications, POSIX locks (the kernel keeps them for us, and they are
right because one inode is one node here).
"""

from enum import IntEnum
from struct import Struct
from typing import Final

MAJOR: Final = 7
MINOR_LEAST: Final = 31
"""Linux 5.4; older kernels lack `FUSE_NO_OPENDIR_SUPPORT` and more, nobody has tried them."""
MINOR_SPOKEN: Final = 40

WRITE_BYTES_MAX: Final = 1 << 20
"""The largest write that may arrive in one piece: one of a page less does, whatever its alignment; longer ones are cut."""
PAGES_MAX: Final = WRITE_BYTES_MAX // 4096
BUFFER_BYTES: Final = WRITE_BYTES_MAX + 65_536
TIME_GRANULARITY_NS: Final = 1


class Opcode(IntEnum):
    """What the kernel asks for."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    CREATE = 35
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42
    FALLOCATE = 43
    RENAME2 = 45


# Not among them, so answered with ENOSYS, once: FLUSH (a close writes nothing on a local disk), ACCESS, LSEEK, IOCTL, POLL,
# COPY_FILE_RANGE, the calls on extended attributes; the kernel then does them by itself, or says that they are not offered.

UNANSWERED: Final = frozenset({Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT})

# what is asked for in INIT
ASYNC_READ: Final = 1 << 0
ATOMIC_O_TRUNC: Final = 1 << 3
BIG_WRITES: Final = 1 << 5
PARALLEL_DIROPS: Final = 1 << 18
MAX_PAGES: Final = 1 << 22
INIT_EXT: Final = 1 << 30
DIRECT_IO_ALLOW_MMAP: Final = 1 << 36
"""Shared mappings of files that are read and written past the page cache (Linux 6.6)."""
WANTED: Final = ASYNC_READ | ATOMIC_O_TRUNC | BIG_WRITES | PARALLEL_DIROPS | MAX_PAGES | DIRECT_IO_ALLOW_MMAP

# flags of an open file
FOPEN_DIRECT_IO: Final = 1 << 0
FOPEN_KEEP_CACHE: Final = 1 << 1

# flags of a request
WRITE_FROM_CACHE: Final = 1 << 0
FSYNC_DATA_ONLY: Final = 1 << 0

# which fields of a SETATTR count
SET_MODE: Final = 1 << 0
SET_UID: Final = 1 << 1
SET_GID: Final = 1 << 2
SET_SIZE: Final = 1 << 3
SET_ATIME: Final = 1 << 4
SET_MTIME: Final = 1 << 5
SET_HANDLE: Final = 1 << 6
SET_ATIME_NOW: Final = 1 << 7
SET_MTIME_NOW: Final = 1 << 8
SET_CTIME: Final = 1 << 10

REQUEST: Final = Struct("=IIQQIIIHH")
"""length, opcode, unique, node, uid, gid, thread, extensions, padding"""
REPLY: Final = Struct("=IiQ")
"""length, negative errno, unique"""

INIT_IN: Final = Struct("=IIII")
"""major, minor, readahead, flags"""
INIT_FLAGS_2: Final = Struct("=I")
INIT_OUT: Final = Struct("=IIIIHHIIHHI28x")
"""major, minor, readahead, flags, background, congestion, write bytes, time granularity, pages, alignment, flags 2"""

ATTRIBUTES: Final = Struct("=QQQQQQIIIIIIIIII")
"""ino, size, blocks, atime, mtime, ctime, their nanoseconds, mode, links, uid, gid, device, block size, flags"""
ENTRY_OUT: Final = Struct("=QQQQII")
"""node, generation, seconds the entry holds, seconds the attributes hold, nanoseconds of both"""
ATTR_OUT: Final = Struct("=QII")
"""seconds the attributes hold, nanoseconds, padding"""
OPEN_OUT: Final = Struct("=QIi")
"""handle, flags, backing"""

SETATTR_IN: Final = Struct("=IIQQQQQQIIIIIIII")
"""fields, padding, handle, size, lock owner, atime, mtime, ctime, their nanoseconds, mode, unused, uid, gid, unused"""
MKNOD_IN: Final = Struct("=IIII")
"""mode, device, umask, padding; the name follows"""
MKDIR_IN: Final = Struct("=II")
"""mode, umask; the name follows"""
RENAME_IN: Final = Struct("=Q")
"""new folder; both names follow"""
RENAME2_IN: Final = Struct("=QII")
"""new folder, flags, padding; both names follow"""
LINK_IN: Final = Struct("=Q")
"""the old node; the name follows"""
OPEN_IN: Final = Struct("=II")
"""flags, open flags"""
CREATE_IN: Final = Struct("=IIII")
"""flags, mode, umask, open flags; the name follows"""
READ_IN: Final = Struct("=QQIIQII")
"""handle, offset, size, read flags, lock owner, file flags, padding"""
WRITE_IN: Final = Struct("=QQIIQII")
"""handle, offset, size, write flags, lock owner, file flags, padding; the data follow"""
WRITE_OUT: Final = Struct("=II")
"""bytes, padding"""
RELEASE_IN: Final = Struct("=QIIQ")
"""handle, flags, release flags, lock owner"""
FSYNC_IN: Final = Struct("=QII")
"""handle, flags, padding"""
FALLOCATE_IN: Final = Struct("=QQQII")
"""handle, offset, length, mode, padding"""
STATFS_OUT: Final = Struct("=QQQQQIIII24x")
"""blocks, free, available, files, free files, block size, name length, fragment size, padding"""
FORGET_IN: Final = Struct("=Q")
"""lookups that the kernel gives back"""
BATCH_FORGET_IN: Final = Struct("=II")
"""how many, padding"""
FORGET_ONE: Final = Struct("=QQ")
"""node, lookups"""
DIRENT: Final = Struct("=QQII")
"""ino, offset of the next, name length, type; the name follows, filled up to eight bytes"""


def names_in(body: bytes) -> list[str]:
    """The zero-terminated names that end a request."""
    return [name.decode("utf-8", "surrogateescape") for name in body.split(b"\0")[:-1]]
