"""The calls of a mounted folder: each request of the kernel, answered from the inode table.

The kernel has resolved the path, checked permissions (`default_permissions`) and keeps the locks; what is left is the
meaning. A call that changes nothing leaves no operation; the vocabulary is that of the simulated frontend: a truncate to
the size that is there records nothing, `fallocate` that extends is a truncate, `O_SYNC` is a write and a sync.

Not recorded: modes, owners, times; sockets, pipes and devices. Not offered: extended attributes, `O_TMPFILE` (the trace
has no inode without a name), names that are not UTF-8, files above `FILE_BYTES_MAX`.
"""

from collections.abc import Callable

from harness.frontends.mounted import protocol as wire
from harness.frontends.mounted.choke_point import ChokePoint
from harness.frontends.mounted.file_calls import FileCalls
from harness.frontends.mounted.ground import BLOCK, NAME_BYTES_MAX, NO_DATA
from harness.frontends.mounted.inodes import InodeTable
from harness.frontends.mounted.listing import entries_from, listing
from harness.frontends.mounted.name_calls import NameCalls
from harness.frontends.mounted.protocol import Opcode

Answer = Callable[[int, int, int, int, memoryview], bytes]
"""(node, thread, uid, gid, body of the request) -> body of the reply; OSError for an error."""


class Calls(NameCalls, FileCalls):
    """What each opcode does; the options are those of `Ground`."""

    def __init__(
        self, table: InodeTable, choke: ChokePoint, *, seed: int = 0, direct: bool = True, keeps_attributes: bool = True
    ) -> None:
        super().__init__(table, choke, seed=seed, direct=direct, keeps_attributes=keeps_attributes)
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

    def open_folder(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        return wire.OPEN_OUT.pack(self.handles.open(self._folder(node), 0).number, 0, 0)

    def read_folder(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        number, offset, size, _, _, _, _ = wire.READ_IN.unpack_from(body)
        handle = self.handles.get(number)
        assert handle is not None
        if offset == 0 or handle.listed is None:
            handle.listed = listing(self.table, self._folder(node), self.seed)
        return entries_from(handle.listed, offset, size)

    def room(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        total = 2**24
        left = total
        room = self.choke.injector.room if self.choke.injector is not None else None
        if room is not None:
            left = min(total, room // BLOCK)
        return wire.STATFS_OUT.pack(total, left, left, 2**20, 2**20, BLOCK, NAME_BYTES_MAX, BLOCK, 0)

    def forget(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        (lookups,) = wire.FORGET_IN.unpack_from(body)
        self._forget(node, lookups)
        return NO_DATA

    def forget_many(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        count, _ = wire.BATCH_FORGET_IN.unpack_from(body)
        for index in range(count):
            self._forget(*wire.FORGET_ONE.unpack_from(body, wire.BATCH_FORGET_IN.size + index * wire.FORGET_ONE.size))
        return NO_DATA

    def _forget(self, node: int, lookups: int) -> None:
        inode = self.table.get(node)
        if inode is not None:
            inode.known = max(0, inode.known - lookups)
            self._let_go(inode)
