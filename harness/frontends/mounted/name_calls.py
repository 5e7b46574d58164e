"""The calls that take a name: look up, make, link, rename, remove.

The kernel has resolved the path and checked the permissions; what is left is what POSIX lets only the file system check.
A call that cannot be done records nothing.
"""

import errno
import stat
import time
from typing import Final

from harness.frontends.mounted import protocol as wire
from harness.frontends.mounted.ground import NO_DATA, Ground, demand_text, demand_writable, fits
from harness.frontends.mounted.inodes import Inode
from harness.trace import Link, Mkdir, Rename, Rmdir, Symlink, Unlink

RENAME_NOREPLACE: Final = 1
RENAME_EXCHANGE: Final = 2


class NameCalls(Ground):
    """Requests about names."""

    def look_up(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        folder = self._folder(node)
        (name,) = wire.names_in(bytes(body))
        ino = folder.entries.get(name)
        if ino is None:
            raise OSError(errno.ENOENT if fits(name) else errno.ENAMETOOLONG, "no such name")
        return self._entry(self.table[ino])

    def read_link(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        return self._inode(node).target.encode("utf-8", "surrogateescape")

    def _named(self, node: int, name: str) -> tuple[Inode, Inode]:
        """The folder, and what has the name in it."""
        folder = self._folder(node)
        if name not in folder.entries:
            raise OSError(errno.ENOENT, "no such name")
        return folder, self.table[folder.entries[name]]

    def _remove(self, folder: Inode, name: str, inode: Inode) -> None:
        self.table.remove_name(folder, name, inode)
        folder.mtime = folder.ctime = inode.ctime = time.time_ns()

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
        demand_text(target)
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
        return NO_DATA

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
        return NO_DATA

    def _lose_name(self, inode: Inode) -> None:
        inode.links -= 2 if inode.is_folder else 1
        self._let_go(inode)

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
        demand_writable(new_name)
        there = self.table.get(new_folder.entries.get(new_name, 0))
        exchanged = bool(flags & RENAME_EXCHANGE)
        self._demand_movable(moving, folder, there, new_folder, flags)
        if moving is there:
            return NO_DATA  # two names of one file: rename(2) does nothing
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
        return NO_DATA

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
