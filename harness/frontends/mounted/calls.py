"""The calls of a mounted folder: each request of the kernel, answered from the inode table.

The kernel has resolved the path, checked permissions (`default_permissions`) and keeps the locks; what is left is the
meaning. A call that changes nothing leaves no operation; the vocabulary is that of the simulated frontend: a truncate to
the size that is there records nothing, `fallocate` that extends is a truncate, `O_SYNC` is a write and a sync.

Not recorded: modes, owners, times; sockets, pipes and devices. Not offered: extended attributes, `O_TMPFILE` (the trace
has no inode without a name), names that are not UTF-8, files above `FILE_BYTES_MAX`.
"""

import errno
import os
import stat
import time
from collections.abc import Callable
from typing import Final

from harness.faults import Outcome
from harness.frontends.mounted import protocol as wire
from harness.frontends.mounted.choke_point import ChokePoint
from harness.frontends.mounted.failed_syncs import FailedSyncs
from harness.frontends.mounted.handles import Handle, Handles
from harness.frontends.mounted.inodes import Inode, InodeTable
from harness.frontends.mounted.listing import entries_from, listing
from harness.frontends.mounted.protocol import Opcode
from harness.trace import ROOT, Create, Link, Mkdir, Rename, Rmdir, Symlink, SyncAll, Truncate, Unlink, Write

FILE_BYTES_MAX: Final = 256 * 2**20
"""A file that grows past this gets EFBIG: a sparse write far out would be materialised (as on the simulated disk)."""

NAME_BYTES_MAX: Final = 255
RENAME_NOREPLACE: Final = 1
RENAME_EXCHANGE: Final = 2
KEEP_SIZE: Final = 1
PUNCH_HOLE: Final = 2
ZERO_RANGE: Final = 16

FOR_EVER: Final = 10**9
"""Seconds for which the kernel may keep names: nobody but itself changes them."""

_BLOCK: Final = 4096
_NO_DATA: Final = b""

Answer = Callable[[int, int, int, int, memoryview], bytes]
"""(node, thread, uid, gid, body of the request) -> body of the reply; OSError for an error."""


class Calls:
    """What each opcode does. `seed` orders the names in a listing; 0: by name.

    `direct`: reads and writes arrive with the sizes that the program gave; otherwise the page cache stands between.
    `keeps_attributes`: the kernel may remember sizes; not where a failed sync may change them behind its back.
    """

    def __init__(
        self, table: InodeTable, choke: ChokePoint, *, seed: int = 0, direct: bool = True, keeps_attributes: bool = True
    ) -> None:
        self.table = table
        self.choke = choke
        self.seed = seed
        self.handles = Handles()
        self.failed_syncs = FailedSyncs(table, choke, self.handles)
        self._open_flags = wire.FOPEN_DIRECT_IO if direct else wire.FOPEN_KEEP_CACHE
        self._attributes_hold_s = FOR_EVER if keeps_attributes else 0
        self.answers: dict[int, Answer] = {
            Opcode.LOOKUP: self.look_up,
            Opcode.GETATTR: self.get_attributes,
            Opcode.SETATTR: self.set_attributes,
            Opcode.READLINK: self.read_link,
            Opcode.SYMLINK: self.symlink,
            Opcode.MKNOD: self.make_node,
            Opcode.MKDIR: self.make_folder,
            Opcode.UNLINK: self.unlink,
            Opcode.RMDIR: self.remove_folder,
            Opcode.RENAME: self.rename,
            Opcode.RENAME2: self.rename_with_flags,
            Opcode.LINK: self.link,
            Opcode.OPEN: self.open,
            Opcode.CREATE: self.create,
            Opcode.READ: self.read,
            Opcode.WRITE: self.write,
            Opcode.FLUSH: self.flush,
            Opcode.RELEASE: self.release,
            Opcode.FSYNC: self.sync,
            Opcode.FALLOCATE: self.allocate,
            Opcode.OPENDIR: self.open_folder,
            Opcode.READDIR: self.read_folder,
            Opcode.RELEASEDIR: self.release,
            Opcode.FSYNCDIR: self.sync,
            Opcode.STATFS: self.room,
            Opcode.FORGET: self.forget,
            Opcode.BATCH_FORGET: self.forget_many,
        }

    # -- attributes ------------------------------------------------------------------------------------------------

    def _packed(self, inode: Inode) -> bytes:
        size = len(inode.target.encode("utf-8", "surrogateescape")) if inode.is_symlink else len(inode.data)
        seconds = [divmod(at, 10**9) for at in (inode.atime, inode.mtime, inode.ctime)]
        return wire.ATTRIBUTES.pack(
            inode.ino,
            size,
            -(-size // 512),
            *(whole % 2**64 for whole, _ in seconds),  # signed, as the kernel reads them
            *(rest for _, rest in seconds),
            inode.mode,
            max(inode.links, 0),
            inode.uid,
            inode.gid,
            inode.device,
            _BLOCK,
            0,
        )

    def _entry(self, inode: Inode) -> bytes:
        inode.known += 1
        return wire.ENTRY_OUT.pack(inode.ino, 0, FOR_EVER, self._attributes_hold_s, 0, 0) + self._packed(inode)

    def _inode(self, node: int) -> Inode:
        inode = self.table.get(node)
        if inode is None:
            raise OSError(errno.ESTALE, "this inode is gone")
        return inode

    def _folder(self, node: int) -> Inode:
        inode = self._inode(node)
        if not inode.is_folder:
            raise OSError(errno.ENOTDIR, "not a folder")
        return inode

    def get_attributes(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        return wire.ATTR_OUT.pack(self._attributes_hold_s, 0, 0) + self._packed(self._inode(node))

    def set_attributes(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        fields, _, _, size, _, atime, mtime, ctime, atime_ns, mtime_ns, ctime_ns, mode, _, owner, group, _ = (
            wire.SETATTR_IN.unpack_from(body)
        )
        inode = self._inode(node)
        if fields & wire.SET_SIZE:
            self._truncate(inode, size, thread)
        now = time.time_ns()
        if fields & wire.SET_MODE:
            inode.mode = stat.S_IFMT(inode.mode) | stat.S_IMODE(mode)
        if fields & wire.SET_UID:
            inode.uid = owner
        if fields & wire.SET_GID:
            inode.gid = group
        if fields & wire.SET_ATIME:
            inode.atime = now if fields & wire.SET_ATIME_NOW else _nanoseconds(atime, atime_ns)
        if fields & wire.SET_MTIME:
            inode.mtime = now if fields & wire.SET_MTIME_NOW else _nanoseconds(mtime, mtime_ns)
        inode.ctime = _nanoseconds(ctime, ctime_ns) if fields & wire.SET_CTIME else now
        return self.get_attributes(node, thread, uid, gid, body)

    # -- names -----------------------------------------------------------------------------------------------------

    def look_up(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        folder = self._folder(node)
        (name,) = wire.names_in(bytes(body))
        ino = folder.entries.get(name)
        if ino is None:
            raise OSError(errno.ENOENT if _fits(name) else errno.ENAMETOOLONG, "no such name")
        return self._entry(self.table[ino])

    def read_link(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        return self._inode(node).target.encode("utf-8", "surrogateescape")

    def _vacant(self, node: int, name: str) -> Inode:
        """The folder in which the name is free."""
        folder = self._folder(node)
        if not folder.links > 1 and node != ROOT:
            raise OSError(errno.ENOENT, "the folder was removed")
        _demand_writable(name)
        if name in folder.entries:
            raise OSError(errno.EEXIST, "the name is taken")
        return folder

    def _named(self, node: int, name: str) -> tuple[Inode, Inode]:
        """The folder, and what has the name in it."""
        folder = self._folder(node)
        if name not in folder.entries:
            raise OSError(errno.ENOENT, "no such name")
        return folder, self.table[folder.entries[name]]

    def _path(self, folder: Inode, name: str) -> str:
        above = self.table.path(folder)
        return f"{above}/{name}" if above != "/" else f"/{name}"

    def _may(self, kind: str, path: str, thread: int, size: int = 0) -> None:
        """For calls that succeed or fail as a whole: raises the injected error."""
        outcome = self.choke.ask(kind, path, size, thread)
        if outcome is not None and outcome.errno is not None:
            raise OSError(outcome.errno, "a fault of the plan")

    def _add(self, folder: Inode, name: str, inode: Inode) -> None:
        self.table.add_name(folder, name, inode)
        folder.mtime = folder.ctime = inode.ctime = time.time_ns()

    def _remove(self, folder: Inode, name: str, inode: Inode) -> None:
        self.table.remove_name(folder, name, inode)
        folder.mtime = folder.ctime = inode.ctime = time.time_ns()

    def _new_file(self, node: int, name: str, mode: int, thread: int, uid: int, gid: int) -> Inode:
        folder = self._vacant(node, name)
        self._may("open", self._path(folder, name), thread)
        self.choke.record(Create(self.table.next_number(), node, name))
        inode = self.table.new(stat.S_IFREG | stat.S_IMODE(mode), uid, gid, (node, name))
        self._add(folder, name, inode)
        return inode

    def make_node(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        mode, device, _, _ = wire.MKNOD_IN.unpack_from(body)
        (name,) = wire.names_in(bytes(body[wire.MKNOD_IN.size :]))
        if stat.S_ISREG(mode):
            return self._entry(self._new_file(node, name, mode, thread, uid, gid))
        folder = self._vacant(node, name)
        inode = self.table.new(mode, uid, gid, (node, name))
        inode.device = device
        self._add(folder, name, inode)
        return self._entry(inode)

    def make_folder(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        mode, _ = wire.MKDIR_IN.unpack_from(body)
        (name,) = wire.names_in(bytes(body[wire.MKDIR_IN.size :]))
        folder = self._vacant(node, name)
        self._may("mkdir", self._path(folder, name), thread)
        self.choke.record(Mkdir(self.table.next_number(), node, name))
        inode = self.table.new(stat.S_IFDIR | stat.S_IMODE(mode), uid, gid, (node, name))
        self._add(folder, name, inode)
        return self._entry(inode)

    def symlink(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        name, target = wire.names_in(bytes(body))
        folder = self._vacant(node, name)
        _demand_text(target)
        self._may("symlink", self._path(folder, name), thread)
        self.choke.record(Symlink(self.table.next_number(), node, name, target))
        inode = self.table.new(stat.S_IFLNK | 0o777, uid, gid, (node, name))
        inode.target = target
        self._add(folder, name, inode)
        return self._entry(inode)

    def link(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        (old,) = wire.LINK_IN.unpack_from(body)
        (name,) = wire.names_in(bytes(body[wire.LINK_IN.size :]))
        inode = self._inode(old)
        folder = self._vacant(node, name)
        if inode.is_folder:
            raise OSError(errno.EPERM, "folders have one name")
        if inode.links < 1:
            raise OSError(errno.ENOENT, "what has lost its last name gets no other")
        if not inode.is_special:
            self._may("link", self._path(folder, name), thread)
            self.choke.record(Link(old, node, name))
        inode.links += 1
        self._add(folder, name, inode)
        return self._entry(inode)

    def unlink(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        (name,) = wire.names_in(bytes(body))
        folder, inode = self._named(node, name)
        if inode.is_folder:
            raise OSError(errno.EISDIR, "a folder")
        if not inode.is_special:
            self._may("unlink", self._path(folder, name), thread)
            self.choke.record(Unlink(inode.ino, node, name))
        self._remove(folder, name, inode)
        self._lose_name(inode)
        return _NO_DATA

    def remove_folder(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        (name,) = wire.names_in(bytes(body))
        folder, inode = self._named(node, name)
        if not inode.is_folder:
            raise OSError(errno.ENOTDIR, "not a folder")
        if inode.entries:
            raise OSError(errno.ENOTEMPTY, "not empty")
        self._may("rmdir", self._path(folder, name), thread)
        self.choke.record(Rmdir(inode.ino, node, name))
        self._remove(folder, name, inode)
        self._lose_name(inode)
        return _NO_DATA

    def _lose_name(self, inode: Inode) -> None:
        inode.links -= 2 if inode.is_folder else 1
        self._let_go(inode)

    def _let_go(self, inode: Inode) -> None:
        size = len(inode.data)
        if self.table.let_go(inode):
            self.choke.freed(size)

    def rename(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        (new_node,) = wire.RENAME_IN.unpack_from(body)
        return self._rename(node, new_node, 0, thread, body[wire.RENAME_IN.size :])

    def rename_with_flags(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        new_node, flags, _ = wire.RENAME2_IN.unpack_from(body)
        return self._rename(node, new_node, flags, thread, body[wire.RENAME2_IN.size :])

    def _rename(self, node: int, new_node: int, flags: int, thread: int, names: memoryview) -> bytes:
        name, new_name = wire.names_in(bytes(names))
        if flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE):
            raise OSError(errno.EINVAL, "RENAME_WHITEOUT is not offered")
        folder, moving = self._named(node, name)
        new_folder = self._folder(new_node)
        _demand_writable(new_name)
        there = self.table.get(new_folder.entries.get(new_name, 0))
        exchanged = bool(flags & RENAME_EXCHANGE)
        self._demand_movable(moving, folder, there, new_folder, flags)
        if moving is there:
            return _NO_DATA  # two names of one file: rename(2) does nothing
        if not moving.is_special and not (exchanged and there is not None and there.is_special):
            replaced = None if there is None or there.is_special else there.ino
            self._may("rename", self._path(folder, name), thread)
            self.choke.record(Rename(moving.ino, node, name, new_node, new_name, replaced, exchanged))
        elif there is not None and not there.is_special:
            raise OSError(errno.EOPNOTSUPP, "a socket, pipe or device in the place of a file cannot be recorded")
        if there is not None:
            self._remove(new_folder, new_name, there)
        self._remove(folder, name, moving)
        self._add(new_folder, new_name, moving)
        if there is not None and exchanged:
            self._add(folder, name, there)
        elif there is not None:
            self._lose_name(there)
        return _NO_DATA

    def _demand_movable(self, moving: Inode, folder: Inode, there: Inode | None, new_folder: Inode, flags: int) -> None:
        if flags & RENAME_NOREPLACE and there is not None:
            raise OSError(errno.EEXIST, "the name is taken")
        if flags & RENAME_EXCHANGE and there is None:
            raise OSError(errno.ENOENT, "nothing to exchange with")
        if moving.is_folder and self.table.is_within(new_folder, moving):
            raise OSError(errno.EINVAL, "a folder cannot go into itself")
        if there is None or flags & RENAME_EXCHANGE:
            return
        if there.is_folder:
            if not moving.is_folder:
                raise OSError(errno.EISDIR, "a folder is there")
            if there.entries:
                raise OSError(errno.ENOTEMPTY, "the folder there is not empty")
        elif moving.is_folder:
            raise OSError(errno.ENOTDIR, "no folder is there")

    # -- open files ------------------------------------------------------------------------------------------------

    def _open(self, inode: Inode, flags: int) -> bytes:
        handle = self.handles.open(inode, flags)
        return wire.OPEN_OUT.pack(handle.number, self._open_flags, 0)

    def open(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        flags, _ = wire.OPEN_IN.unpack_from(body)
        inode = self._inode(node)
        if flags & os.O_TRUNC:
            self._truncate(inode, 0, thread)
        return self._open(inode, flags)

    def create(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        flags, mode, _, _ = wire.CREATE_IN.unpack_from(body)
        (name,) = wire.names_in(bytes(body[wire.CREATE_IN.size :]))
        inode = self._new_file(node, name, mode, thread, uid, gid)
        return self._entry(inode) + self._open(inode, flags)

    def read(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        _, offset, size, _, _, _, _ = wire.READ_IN.unpack_from(body)
        return bytes(memoryview(self._inode(node).data)[offset : offset + size])

    def write(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        number, offset, size, write_flags, _, flags, _ = wire.WRITE_IN.unpack_from(body)
        inode = self._inode(node)
        handle = None if write_flags & wire.WRITE_FROM_CACHE else self.handles.get(number)
        data = bytes(body[wire.WRITE_IN.size : wire.WRITE_IN.size + size])
        # the kernel knows the end of the file only as long as no failed sync has moved it
        if flags & os.O_APPEND and handle is not None:
            offset = len(inode.data)
        if offset + size > FILE_BYTES_MAX:
            if offset >= FILE_BYTES_MAX:
                raise OSError(errno.EFBIG, "the mounted folder holds its files in memory")
            data = data[: FILE_BYTES_MAX - offset]
        outcome = self.choke.ask("write", self.table.path(inode), len(data), thread)
        if outcome is not None or (handle is not None and handle.owed_errno):
            data = _landing(data, outcome, handle)
        if data:
            self._put(inode, offset, data)
            if flags & os.O_DSYNC and handle is not None:
                self.choke.record_sync(node, flags & os.O_SYNC != os.O_SYNC)
        return wire.WRITE_OUT.pack(len(data), 0)

    def _put(self, inode: Inode, offset: int, data: bytes) -> None:
        self.choke.record(Write(inode.ino, offset, data))
        content = inode.data
        if offset > len(content):
            content += bytes(offset - len(content))
        content[offset : offset + len(data)] = data
        inode.mtime = inode.ctime = time.time_ns()

    def _truncate(self, inode: Inode, size: int, thread: int) -> None:
        if inode.is_folder:
            raise OSError(errno.EISDIR, "a folder has no size")
        if size > FILE_BYTES_MAX:
            raise OSError(errno.EFBIG, "the mounted folder holds its files in memory")
        content = inode.data
        old = len(content)
        if size != old:
            self._may("truncate", self.table.path(inode), thread, size)
            self.choke.record(Truncate(inode.ino, size))
            if size < old:
                del content[size:]
                self.choke.freed(old - size)
            else:
                content += bytes(size - old)
        inode.mtime = inode.ctime = time.time_ns()

    def allocate(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        _, offset, length, mode, _ = wire.FALLOCATE_IN.unpack_from(body)
        if mode & ~(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE):
            raise OSError(errno.EOPNOTSUPP, "ranges cannot be collapsed or inserted")
        inode = self._inode(node)
        size = len(inode.data)
        end = offset + length
        if mode & (PUNCH_HOLE | ZERO_RANGE):
            cleared = min(end, size) - offset
            if cleared > 0 and any(memoryview(inode.data)[offset : offset + cleared]):
                self._may("write", self.table.path(inode), thread, cleared)
                self._put(inode, offset, bytes(cleared))
        if end > size and not mode & KEEP_SIZE:
            self._truncate(inode, end, thread)
        return _NO_DATA

    def sync(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        """fsync or fdatasync of a file or a folder; one that fails leaves its mark in the trace."""
        number, flags, _ = wire.FSYNC_IN.unpack_from(body)
        data_only = bool(flags & wire.FSYNC_DATA_ONLY)
        inode = self._inode(node)
        if inode.is_special:
            return _NO_DATA
        outcome = self.choke.ask("fdatasync" if data_only else "fsync", self.table.path(inode), 0, thread)
        handle = self.handles.get(number)
        if outcome is not None and outcome.errno is not None:
            self.failed_syncs.fail(inode, handle, outcome)
            return _NO_DATA  # told at the next sync only
        if outcome is not None and outcome.lying:
            return _NO_DATA
        self.failed_syncs.tell(inode, handle)
        self.choke.record_sync(node, data_only)
        return _NO_DATA

    def sync_all(self, thread: int) -> None:
        """sync(2), or syncfs(2) of this folder."""
        outcome = self.choke.ask("sync", "/", 0, thread)
        if outcome is None or not outcome.lying:
            self.choke.record(SyncAll())

    def flush(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        """A descriptor is being closed: nothing is written by that, on this disk as on any local one."""
        return _NO_DATA

    def release(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        number, _, _, _ = wire.RELEASE_IN.unpack_from(body)
        handle = self.handles.close(number)
        if handle is not None:
            self.failed_syncs.closed(handle)
            self._let_go(handle.inode)
        return _NO_DATA

    # -- folders ---------------------------------------------------------------------------------------------------

    def open_folder(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        return wire.OPEN_OUT.pack(self.handles.open(self._folder(node), 0).number, 0, 0)

    def read_folder(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        number, offset, size, _, _, _, _ = wire.READ_IN.unpack_from(body)
        handle = self.handles.get(number)
        assert handle is not None
        if offset == 0 or handle.listed is None:
            handle.listed = listing(self.table, self._folder(node), self.seed)
        return entries_from(handle.listed, offset, size)

    # -- the rest --------------------------------------------------------------------------------------------------

    def room(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        total = 2**24
        left = total
        room = self.choke.injector.room if self.choke.injector is not None else None
        if room is not None:
            left = min(total, room // _BLOCK)
        return wire.STATFS_OUT.pack(total, left, left, 2**20, 2**20, _BLOCK, NAME_BYTES_MAX, _BLOCK, 0)

    def forget(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        (lookups,) = wire.FORGET_IN.unpack_from(body)
        self._forget(node, lookups)
        return _NO_DATA

    def forget_many(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        count, _ = wire.BATCH_FORGET_IN.unpack_from(body)
        for index in range(count):
            self._forget(*wire.FORGET_ONE.unpack_from(body, wire.BATCH_FORGET_IN.size + index * wire.FORGET_ONE.size))
        return _NO_DATA

    def _forget(self, node: int, lookups: int) -> None:
        inode = self.table.get(node)
        if inode is not None:
            inode.known = max(0, inode.known - lookups)
            self._let_go(inode)


def _landing(data: bytes, outcome: Outcome | None, handle: Handle | None) -> bytes:
    """The bytes that land of a write that meets a fault; raises where none do.

    Of a write cut by an error the prefix lands and is counted, the next write to the open file gets the error (write(2)).
    """
    if outcome is None or (outcome.errno is None and outcome.allowed is None):
        if handle is not None and handle.owed_errno:
            number, handle.owed_errno = handle.owed_errno, 0
            raise OSError(number, "what the last write was cut by")
        return data
    if handle is not None:
        handle.owed_errno = 0
    landed = data[: outcome.allowed or 0]
    if outcome.errno is not None:
        if not landed:
            raise OSError(outcome.errno, "a fault of the plan")
        if len(landed) < len(data) and handle is not None:
            handle.owed_errno = outcome.errno
    return landed


def _nanoseconds(seconds: int, rest: int) -> int:
    # the wire has unsigned seconds; times before 1970 come as their two's complement
    return (seconds - 2**64 if seconds >= 2**63 else seconds) * 10**9 + rest


def _fits(name: str) -> bool:
    return len(name.encode("utf-8", "surrogateescape")) <= NAME_BYTES_MAX


def _demand_text(text: str) -> None:
    """A trace is JSON: what is no UTF-8 has no place in it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, "not UTF-8") from None


def _demand_writable(name: str) -> None:
    _demand_text(name)
    if not _fits(name):
        raise OSError(errno.ENAMETOOLONG, "the name is too long")
